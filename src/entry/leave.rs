//! Leaving a call that may be left (see [`abandon`](crate::abandon())), from the handler.
//!
//! The call is left only where it runs itself:
//!
//! * not once it has returned: the result stands, and the cause is raised by what comes next;
//! * not in a handler of the application's that has interrupted it, which may have locked
//!   something. A handler is known by its mask, which differs from the one at the entry, or by the
//!   alternate stack;
//! * not in a function of ours that the call has called: those say so, by [`without_abandon`].
//!
//! In these cases the timer asks again, or the call's next syscall, if that is stopped.
//!
//! # Safety
//!
//! A frame that is noted in the block is on the stack, since only that frame's own code takes the
//! note away; a call that was left otherwise is known by the stack that has grown back past it.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering::Relaxed;

use libc::ucontext_t;

use super::place::is_on_alternate_stack;
use crate::arch::{self, AbandonPlace};
use crate::kernel::signals;
use crate::signal::ours;
use crate::thread::{Block, block, target};

/// Runs a piece of ours that must not be left halfway. `f` must not panic.
#[inline]
pub(crate) fn without_abandon<T>(f: impl FnOnce() -> T) -> T {
    let outer = block::with(|block| block.abandonable.load(Relaxed));
    if outer == 0 { f() } else { hidden(outer, f) }
}

/// Answers a plain call that was stopped, by `f`; not if it is one of a call that is to be left, which is
/// left at it. (Rejected: to leave it to our signal. While the call makes others all the time that comes in the
/// handler of SIGSYS, where nothing may be left.)
#[inline]
pub(crate) fn here_or(block: &Block, context: &mut ucontext_t, f: impl FnOnce(&mut ucontext_t)) {
    match block.word.is_armed().then(|| look(block, context)) {
        Some(Leave::At(frame)) => arch::leave_to(context, frame),
        _ => without_abandon(|| f(context)),
    }
}

#[cold]
fn hidden<T>(outer: usize, f: impl FnOnce() -> T) -> T {
    block::with(|block| block.abandonable.store(0, Relaxed));
    let value = f();
    block::with(|block| {
        block.abandonable.store(outer, Relaxed);
        // The handler has looked before. What it leaves here is this frame and those of C's
        // border, with nothing to undo.
        if block.word.is_armed() {
            let _ = target::signal_block(block, block.tid.load(Relaxed));
        }
    });
    value
}

/// Whether the handler may leave a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// There is none.
    Nothing,
    /// It is not to be left here.
    NotNow,
    /// It may, for the frame behind which it runs.
    At(usize),
}

/// Looks at the call of an armed thread that may be left, if there is one, from the handler.
pub(crate) fn look(block: &Block, context: &ucontext_t) -> Leave {
    let frame = block.abandonable.load(Relaxed);
    if frame == 0 {
        return Leave::Nothing;
    }
    match arch::abandon_place(context) {
        // It returns, or is left already.
        AbandonPlace::Ended => return Leave::Nothing,
        AbandonPlace::Begins => {}
        AbandonPlace::Outside if is_on_alternate_stack(block, context) => return Leave::NotNow,
        AbandonPlace::Outside if arch::sp(context) >= frame => {
            block.abandonable.store(0, Relaxed);
            return Leave::Nothing;
        }
        AbandonPlace::Outside => {}
    }
    // SAFETY: the frame is open, and holds the mask of its entry.
    let mask_then = unsafe { arch::abandon_mask(frame) };
    let ours = ours::set() | signals::bit(libc::SIGSYS) | block.dispatch.waiting();
    if (signals::mask_in(context) ^ mask_then) & !ours != 0 {
        Leave::NotNow
    } else {
        Leave::At(frame)
    }
}
