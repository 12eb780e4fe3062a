//! Our own calls, as the man pages have them.
//!
//! The kernel is handed the caller's pointers, and says EFAULT of those that lead nowhere. Where a
//! call is of several steps (a timeout, which no signal starts anew), those are the steps of the
//! Rust call of the same name, over raw arguments.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: a pointer is to be valid for what the man page says is done to
//! it.

#![allow(unsafe_code)]

mod event;
mod files;
mod ipc;
mod plain;
mod sockets;
mod time;

use std::os::fd::BorrowedFd;
use std::time::Duration;

use libc::{c_int, c_long, timespec};

use super::border::{Errno, border, done, numbered};
use crate::complete;
use crate::thread::{Outcome, Stop, call};

/// Makes a syscall until it has a result.
///
/// # Safety
///
/// As the syscall.
unsafe fn plain<const N: usize>(number: c_long, arguments: [usize; N]) -> Result<usize, Errno> {
    // SAFETY: the caller's promise, unchanged.
    Ok(complete(|| unsafe { call(number, arguments) })?)
}

/// A descriptor of the caller's, for the length of a call.
fn borrowed<'fd>(fd: c_int) -> Result<BorrowedFd<'fd>, Errno> {
    if fd < 0 {
        return Err(Errno(libc::EBADF));
    }
    // SAFETY: it is used for syscalls only, which say EBADF of one that is not open.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// A time of C's; none for null.
///
/// # Safety
///
/// Null, or a time.
pub(super) unsafe fn span(time: *const timespec) -> Result<Option<Duration>, Errno> {
    // SAFETY: the caller's promise.
    let Some(time) = (unsafe { time.as_ref() }) else { return Ok(None) };
    let nanoseconds = u32::try_from(time.tv_nsec).ok().filter(|n| *n < 1_000_000_000);
    match (u64::try_from(time.tv_sec), nanoseconds) {
        (Ok(seconds), Some(nanoseconds)) => Ok(Some(Duration::new(seconds, nanoseconds))),
        _ => Err(Errno(libc::EINVAL)),
    }
}

/// A set of signals of C's, less ours and SIGSYS: blocked or waited for they would not reach us
/// (S2, S7). None for null.
///
/// # Safety
///
/// Null, or a set.
unsafe fn signals_less_ours(set: *const libc::sigset_t) -> Option<u64> {
    // SAFETY: the caller's promise. The kernel's set is the first word of libc's.
    let set = unsafe { set.cast::<u64>().as_ref() }?;
    Some(crate::calls::event::signals::less_ours(*set))
}

/// What the call said, for those that do not wait any more.
fn at_once(outcome: Outcome<usize>) -> Result<usize, Errno> {
    outcome.map_err(|stop| match stop {
        Stop::Cancelled => Errno(libc::ECANCELED),
        Stop::Errno(number) => Errno(number),
    })
}
