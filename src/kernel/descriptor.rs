//! Questions to the kernel from within a handler: what kind a descriptor is, whether it is ready.
//!
//! # Safety
//!
//! Each block hands the kernel structures of its own, or a path of the interrupted code's, which the
//! kernel answers by EFAULT where nothing is.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::time::Duration;

use super::{clock, socket, syscall};

/// What a descriptor or a path leads to, as far as waiting goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file, a directory, a block device: its reads and writes end by themselves.
    File,
    Pipe,
    Socket,
    /// A socket of sequenced packets.
    Packets,
    Terminal,
    /// Another character device.
    Device,
    /// eventfd, timerfd, inotify, signalfd ...
    Anonymous,
}

/// The kind of a descriptor; none if it is closed.
pub(crate) fn kind(fd: usize) -> Option<Kind> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes a stat.
    unsafe { syscall(libc::SYS_fstat, [fd, stat.as_mut_ptr() as usize]) }.ok()?;
    // SAFETY: it did.
    let mode = unsafe { stat.assume_init() }.st_mode;
    Some(match mode & libc::S_IFMT {
        libc::S_IFIFO => Kind::Pipe,
        libc::S_IFSOCK if is_of_packets(fd) => Kind::Packets,
        libc::S_IFSOCK => Kind::Socket,
        libc::S_IFCHR if is_terminal(fd) => Kind::Terminal,
        libc::S_IFCHR => Kind::Device,
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => Kind::File,
        _ => Kind::Anonymous,
    })
}

/// Whether it is a socket of sequenced packets.
pub(crate) fn is_of_packets(fd: usize) -> bool {
    socket::option(fd, libc::SO_TYPE) == Some(libc::SOCK_SEQPACKET)
}

/// Whether a socket is one of datagrams.
pub(crate) fn is_of_datagrams(fd: usize) -> bool {
    matches!(socket::option(fd, libc::SO_TYPE), Some(libc::SOCK_DGRAM | libc::SOCK_RAW))
}

fn is_terminal(fd: usize) -> bool {
    let mut settings = MaybeUninit::<[u8; 256]>::uninit();
    let arguments = [fd, libc::TCGETS as usize, settings.as_mut_ptr() as usize];
    // SAFETY: the kernel writes a termios, which is much smaller.
    unsafe { syscall(libc::SYS_ioctl, arguments) }.is_ok()
}

/// Whether a path leads to a FIFO. The path is the interrupted code's pointer.
pub(crate) fn is_fifo(directory: usize, path: usize) -> bool {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    let arguments = [directory, path, stat.as_mut_ptr() as usize, 0];
    // SAFETY: the kernel reads the path, or says EFAULT, and writes a stat.
    let asked = unsafe { syscall(libc::SYS_newfstatat, arguments) };
    // SAFETY: it did.
    asked.is_ok() && unsafe { stat.assume_init() }.st_mode & libc::S_IFMT == libc::S_IFIFO
}

/// Whether a descriptor is never to be waited for.
pub(crate) fn is_nonblocking(fd: usize) -> bool {
    // SAFETY: no pointers.
    unsafe { syscall(libc::SYS_fcntl, [fd, libc::F_GETFL as usize]) }
        .is_ok_and(|flags| flags & libc::O_NONBLOCK as usize != 0)
}

/// Whether a descriptor is closed on exec.
pub(crate) fn is_close_on_exec(fd: usize) -> bool {
    // SAFETY: no pointers.
    unsafe { syscall(libc::SYS_fcntl, [fd, libc::F_GETFD as usize]) }
        .is_ok_and(|flags| flags & libc::FD_CLOEXEC as usize != 0)
}

/// Whether a descriptor is ready now.
pub(crate) fn is_ready(fd: usize, events: i16) -> bool {
    is_ready_within(fd, events, Duration::ZERO)
}

/// Whether it is known not to be.
pub(crate) fn is_silent(fd: usize, events: i16) -> bool {
    poll(fd, events, Duration::ZERO) == Ok(0)
}

/// Whether it is, or gets so within a short time.
pub(crate) fn is_ready_within(fd: usize, events: i16, time: Duration) -> bool {
    poll(fd, events, time) == Ok(1)
}

fn poll(fd: usize, events: i16, time: Duration) -> Result<usize, i32> {
    let mut poll = libc::pollfd { fd: fd as i32, events, revents: 0 };
    let time = clock::timespec_of(time);
    let arguments = [&raw mut poll as usize, 1, &raw const time as usize, 0, 0];
    // SAFETY: the kernel reads and writes one pollfd and reads a time.
    unsafe { syscall(libc::SYS_ppoll, arguments) }
}
