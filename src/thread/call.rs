//! The interruptible syscall: the trampoline with a typed result.
//!
//! # Safety
//!
//! The caller vouches for the syscall: its number, and the memory that its arguments point to.

#![allow(unsafe_code)]

use libc::c_long;

use super::block;
use super::retries::Call;
use crate::arch;
use crate::kernel::clock::Moment;
use crate::kernel::memory;

/// Why an interruptible syscall has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The thread was armed before the syscall ran, or while it slept: nothing happened.
    Cancelled,
    /// The kernel's error number.
    Errno(i32),
}

/// What an interruptible syscall returns.
pub(crate) type Outcome<T> = Result<T, Stop>;

/// Makes a syscall that an interrupt of this thread ends.
///
/// # Safety
///
/// As the syscall's own: pointers among the arguments must be valid for what the kernel does to
/// them.
#[inline]
pub(crate) unsafe fn call<const N: usize>(nr: c_long, args: [usize; N]) -> Outcome<usize> {
    let arg = |i: usize| args.get(i).copied().unwrap_or(0);
    let block = block::address().cast();
    // SAFETY: the caller's promise, unchanged; the block is this thread's own.
    let result =
        unsafe { arch::eintr_call(block, nr, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    match result {
        0.. => Ok(result as usize),
        _ => Err(stop(result, nr, arg(0))),
    }
}

/// Why it has no result. Where that may be an interrupt, a report will want to know of which call.
#[cold]
fn stop(result: isize, nr: c_long, first: usize) -> Stop {
    let stop = match result {
        arch::CANCELLED => Stop::Cancelled,
        _ => Stop::Errno(-result as i32),
    };
    if matches!(stop, Stop::Cancelled | Stop::Errno(libc::EINTR)) {
        let polled = (nr == libc::SYS_ppoll).then(|| memory::peek(first)).flatten();
        let about = polled.map_or(first, |[polled]| polled);
        let call = Call { is_own: true, ..Call::plain(nr, about) };
        block::with(|block| block.retries.ask(call, Moment::now()));
    }
    stop
}

/// Whether a program counter stands in such a call.
pub(crate) fn is_own(pc: usize) -> bool {
    arch::is_in_trampoline(pc)
}
