//! read, write, readv, writev; pread and pwrite, at an offset, without the descriptor's position.
//!
//! # Safety
//!
//! Each block hands the kernel buffers that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};

use crate::calls::net::message::{self, Outgoing};
use crate::calls::net::{recv, send};
use crate::calls::number;
use crate::calls::socket_time::{Began, Way, complete_in_time};
use crate::thread::call;
use crate::{Error, complete};

/// The most buffers that the kernel takes at once. The others wait for the next call, as in std.
const MOST_BUFFERS: usize = libc::UIO_MAXIOV as usize;

/// Reads from a file descriptor into a buffer; 0 at the end.
///
/// # Examples
///
/// ```
/// let (reader, writer) = std::io::pipe()?;
/// eintr::io::write(&writer, b"ping")?;
/// let mut buffer = [0; 16];
/// assert_eq!(eintr::io::read(&reader, &mut buffer)?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error; `WouldBlock` when a socket's `SO_RCVTIMEO` is up.
/// (That time counts from the first signal that is none of ours, if one comes; [`net::recv`](crate::net::recv()) and
/// [`Stream`](super::Stream) keep it exactly.)
///
/// # Interruption
///
/// On `Interrupted` no byte was consumed. Bytes that were read are returned, and the cause is
/// raised by the next call.
///
/// See [read(2)](https://man7.org/linux/man-pages/man2/read.2.html).
#[inline]
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize, Error> {
    read_since(Began::UNKNOWN, fd.as_fd(), buffer)
}

/// Writes a buffer to a file descriptor; the number of bytes written may be less than its length.
///
/// # Examples
///
/// ```
/// let (_reader, writer) = std::io::pipe()?;
/// assert_eq!(eintr::io::write(&writer, b"ping")?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error; `WouldBlock` when a socket's `SO_SNDTIMEO` is up,
/// as with [`read`].
///
/// # Interruption
///
/// On `Interrupted` no byte was written. A write that was interrupted after some bytes returns
/// their number, and the cause is raised by the next call.
///
/// See [write(2)](https://man7.org/linux/man-pages/man2/write.2.html).
#[inline]
pub fn write(fd: impl AsFd, buffer: &[u8]) -> Result<usize, Error> {
    write_since(Began::UNKNOWN, fd.as_fd(), buffer)
}

/// Reads into several buffers, one after the other; 0 at the end. Buffers beyond the kernel's limit
/// of 1024 are left for the next call.
///
/// # Examples
///
/// ```
/// use std::io::IoSliceMut;
///
/// let (reader, writer) = std::io::pipe()?;
/// eintr::io::write(&writer, b"headbody")?;
/// let (mut head, mut body) = ([0; 4], [0; 16]);
/// let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
/// assert_eq!(eintr::io::readv(&reader, &mut buffers)?, 8);
/// assert_eq!((&head, &body[..4]), (b"head", &b"body"[..]));
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`read`].
///
/// # Interruption
///
/// As [`read`]: on `Interrupted` no byte was consumed.
///
/// See [readv(2)](https://man7.org/linux/man-pages/man2/readv.2.html).
#[inline]
pub fn readv(fd: impl AsFd, buffers: &mut [IoSliceMut<'_>]) -> Result<usize, Error> {
    readv_since(Began::UNKNOWN, fd.as_fd(), buffers)
}

/// Writes several buffers, one after the other; the number of bytes written may be less than they
/// have. Buffers beyond the kernel's limit of 1024 are left for the next call.
///
/// # Examples
///
/// ```
/// use std::io::IoSlice;
///
/// let (_reader, writer) = std::io::pipe()?;
/// let buffers = [IoSlice::new(b"head"), IoSlice::new(b"body")];
/// assert_eq!(eintr::io::writev(&writer, &buffers)?, 8);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`write()`].
///
/// # Interruption
///
/// As [`write()`]: on `Interrupted` no byte was written.
///
/// See [writev(2)](https://man7.org/linux/man-pages/man2/writev.2.html).
#[inline]
pub fn writev(fd: impl AsFd, buffers: &[IoSlice<'_>]) -> Result<usize, Error> {
    writev_since(Began::UNKNOWN, fd.as_fd(), buffers)
}

// Once a signal has interrupted the wait on a socket with a timeout, recv and send take over, which can be told not to
// wait.
//
// Inlined: of all that a call of ours adds to the syscall, a second return after it costs most, because
// the kernel leaves the processor without a prediction for it.

#[inline(always)]
pub(super) fn read_since(
    began: Began,
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> Result<usize, Error> {
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    complete_in_time(fd, Way::In, began, |extra| match extra {
        // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
        0 => unsafe { call(libc::SYS_read, [number(fd), address, length]) },
        flags => recv::once(fd, buffer, flags),
    })
}

#[inline(always)]
pub(super) fn write_since(began: Began, fd: BorrowedFd<'_>, buffer: &[u8]) -> Result<usize, Error> {
    let [address, length] = [buffer.as_ptr() as usize, buffer.len()];
    complete_in_time(fd, Way::Out, began, |extra| match extra {
        // SAFETY: the kernel reads at most `length` bytes from the buffer, which is borrowed.
        0 => unsafe { call(libc::SYS_write, [number(fd), address, length]) },
        flags => send::once(fd, buffer, flags, None),
    })
}

#[inline(always)]
pub(super) fn readv_since(
    began: Began,
    fd: BorrowedFd<'_>,
    buffers: &mut [IoSliceMut<'_>],
) -> Result<usize, Error> {
    let count = buffers.len().min(MOST_BUFFERS);
    let buffers = &mut buffers[..count];
    complete_in_time(fd, Way::In, began, |extra| match extra {
        // SAFETY: an `IoSliceMut` is an iovec of a buffer that is borrowed mutably; there are `count`.
        0 => unsafe { call(libc::SYS_readv, [number(fd), buffers.as_mut_ptr() as usize, count]) },
        flags => message::recvv(fd, buffers, flags),
    })
}

#[inline(always)]
pub(super) fn writev_since(
    began: Began,
    fd: BorrowedFd<'_>,
    buffers: &[IoSlice<'_>],
) -> Result<usize, Error> {
    let count = buffers.len().min(MOST_BUFFERS);
    let buffers = &buffers[..count];
    complete_in_time(fd, Way::Out, began, |extra| match extra {
        // SAFETY: an `IoSlice` is an iovec of a buffer that is borrowed; there are `count`.
        0 => unsafe { call(libc::SYS_writev, [number(fd), buffers.as_ptr() as usize, count]) },
        flags => message::sendmsg(fd, &Outgoing { buffers, fds: &[], to: None }, flags),
    })
}

/// Reads from an offset of a file, and leaves its position where it is; 0 at the end.
///
/// # Examples
///
/// ```
/// # let path = std::env::temp_dir().join(format!("eintr-pread-{}", std::process::id()));
/// std::fs::write(&path, "0123456789")?;
/// let file = std::fs::File::open(&path)?;
/// # std::fs::remove_file(&path)?;
/// let mut buffer = [0; 4];
/// assert_eq!(eintr::io::pread(&file, &mut buffer, 3)?, 4);
/// assert_eq!(&buffer, b"3456");
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was read. A local file does not wait: an interrupt is noticed before
/// the call.
///
/// See [pread(2)](https://man7.org/linux/man-pages/man2/pread.2.html).
pub fn pread(fd: impl AsFd, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    let arguments = [number(fd.as_fd()), address, length, offset as usize];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
    complete(|| unsafe { call(libc::SYS_pread64, arguments) })
}

/// Writes at an offset of a file, and leaves its position where it is; the number of bytes written
/// may be less than the buffer's length.
///
/// # Examples
///
/// ```
/// # let path = std::env::temp_dir().join(format!("eintr-pwrite-{}", std::process::id()));
/// let file = std::fs::File::create(&path)?;
/// eintr::io::pwrite(&file, b"world", 6)?;
/// eintr::io::pwrite(&file, b"hello ", 0)?;
/// assert_eq!(std::fs::read_to_string(&path)?, "hello world");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was written. A local file does not wait: an interrupt is noticed before
/// the call.
///
/// See [pwrite(2)](https://man7.org/linux/man-pages/man2/pwrite.2.html).
pub fn pwrite(fd: impl AsFd, buffer: &[u8], offset: u64) -> Result<usize, Error> {
    let arguments = [number(fd.as_fd()), buffer.as_ptr() as usize, buffer.len(), offset as usize];
    // SAFETY: the kernel reads at most as many bytes from the buffer, which is borrowed.
    complete(|| unsafe { call(libc::SYS_pwrite64, arguments) })
}
