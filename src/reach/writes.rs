//! Writes of a reached thread: for a while after arming they run if they do not block, so that
//! goodbyes get out.
//!
//! Whether they block is asked of the kernel in the same call that writes, not guessed: sockets
//! with MSG_DONTWAIT, pipes with RWF_NOWAIT. Where there is neither (a terminal, a named FIFO) it
//! is asked by poll, and given no more than poll promises.
//!
//! # Safety
//!
//! The interrupted code's own write, with its own arguments, of as much or less.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;
use std::time::Duration;

use libc::c_long;

use crate::kernel::clock::Moment;
use crate::kernel::raw::syscall;
use crate::kernel::{descriptor, memory, signals};
use crate::thread::block::Block;
use crate::thread::repeat_timer;

/// How long goodbyes may take.
const FOR: Duration = Duration::from_millis(100);

const DONTWAIT: usize = libc::MSG_DONTWAIT as usize;
const NOWAIT: usize = libc::RWF_NOWAIT as usize;

/// Writes without waiting; none if that is refused.
pub(crate) fn write(
    block: &Block,
    number: c_long,
    arguments: [usize; 6],
    since: Moment,
) -> Option<isize> {
    if Moment::now_in_handler().since(since) > FOR {
        return None;
    }
    let [fd, address, length, flags, ..] = arguments;
    let result = match number {
        libc::SYS_write => {
            let iovec = libc::iovec { iov_base: address as *mut _, iov_len: length };
            write_vector(block, fd, &raw const iovec as usize, 1)
        }
        libc::SYS_writev => write_vector(block, fd, address, length),
        libc::SYS_sendto => with_flags(number, arguments, 3),
        libc::SYS_sendmsg => with_flags(number, arguments, 2),
        libc::SYS_sendmmsg => with_flags(number, [fd, address, length, flags, 0, 0], 3),
        _ => Err(libc::EAGAIN),
    };
    match result {
        Ok(done) => Some(done as isize),
        Err(libc::EAGAIN) => None,
        Err(errno) => Some(-(errno as isize)),
    }
}

fn with_flags(number: c_long, mut arguments: [usize; 6], index: usize) -> Result<usize, i32> {
    arguments[index] |= DONTWAIT;
    // SAFETY: the interrupted code's own send.
    unsafe { syscall(number, arguments) }
}

/// The vector is the interrupted code's, or one of ours that points to its buffer.
fn write_vector(block: &Block, fd: usize, vector: usize, count: usize) -> Result<usize, i32> {
    let mut message = [0_usize; 7];
    // The kernel's `struct msghdr`: name, its length, the vector, its count, control data, its
    // length, flags.
    [message[2], message[3]] = [vector, count];
    // SAFETY: the kernel reads the message of ours and, as the write would have, the vector.
    let sent = unsafe { syscall(libc::SYS_sendmsg, [fd, message.as_ptr() as usize, DONTWAIT]) };
    if sent != Err(libc::ENOTSOCK) {
        return sent;
    }
    // SAFETY: as above; the offset -1 is the descriptor's own position.
    let written =
        unsafe { syscall(libc::SYS_pwritev2, [fd, vector, count, usize::MAX, usize::MAX, NOWAIT]) };
    // What has no such flag, a kernel or emulator without the call, a sandbox that forbids it.
    if !matches!(written, Err(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM)) {
        return written;
    }
    // What cannot be looked at (an emulator has no such syscall either) is not written.
    match memory::peek::<2>(vector).ok_or(libc::EAGAIN)? {
        // Nothing written would be taken for the end.
        [_, 0] if count > 1 => Err(libc::EAGAIN),
        [address, length] => write_limited(block, fd, address, length.min(libc::PIPE_BUF)),
    }
}

/// Writes what poll says there is room for. It may be wrong (a terminal with room for a few bytes
/// is ready, and another thread may be quicker), so the timer's signal ends the write: see
/// [`handler`](crate::entry::signal).
fn write_limited(block: &Block, fd: usize, address: usize, length: usize) -> Result<usize, i32> {
    let ours = crate::signal::ours::set();
    let can_be_ended = signals::mask() & ours == 0 && repeat_timer::start(block);
    if !can_be_ended || !descriptor::is_ready(fd, libc::POLLOUT) {
        return Err(libc::EAGAIN);
    }
    block.answering.limited.store(true, Ordering::Relaxed);
    // SAFETY: the first buffer of the interrupted code's own write, or less of it.
    let written = unsafe { syscall(libc::SYS_write, [fd, address, length]) };
    block.answering.limited.store(false, Ordering::Relaxed);
    repeat_timer::stop(block);
    written.map_err(|errno| if errno == libc::EINTR { libc::EAGAIN } else { errno })
}
