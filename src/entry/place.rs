//! Where the program counter of an interrupted thread stands.

use std::sync::atomic::Ordering;

use libc::ucontext_t;

use super::leave::{self, Leave};
use crate::arch;
use crate::thread::Block;

/// Where an armed thread was interrupted, and what becomes of it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a call of our own whose syscall has not run, or is about to be made again. Nothing has
    /// happened: the call is cancelled.
    OwnCallBefore,
    /// In a call of our own, before the test of the word or with the result in hand. It goes on.
    OwnCallAfter,
    /// In a call that may be left, behind that frame. It is left.
    Abandonable(usize),
    /// The same, where it must not be left. It goes on, and the timer asks again.
    NotToBeLeft,
    /// In a write that is to be short. It ends, and the timer asks again, for it may not have begun.
    BoundedWrite,
    /// In code that computes, in a plain call, in a handler of the application's.
    Elsewhere,
}

impl Place {
    pub(crate) fn of(block: &Block, context: &ucontext_t) -> Self {
        match arch::place(context) {
            arch::Place::Window => return Self::OwnCallBefore,
            arch::Place::Trampoline => return Self::OwnCallAfter,
            arch::Place::Outside => {}
        }
        match leave::look(block, context) {
            Leave::At(frame) => Self::Abandonable(frame),
            Leave::NotNow => Self::NotToBeLeft,
            Leave::Nothing if block.answering.in_bounded_write.load(Ordering::Relaxed) => {
                Self::BoundedWrite
            }
            Leave::Nothing => Self::Elsewhere,
        }
    }

    pub(crate) fn is_own_call(self) -> bool {
        matches!(self, Self::OwnCallBefore | Self::OwnCallAfter)
    }
}

/// Whether the interrupted code runs on an alternate stack: the one in force, the one that we lend, or
/// the thread's own.
pub(crate) fn is_on_alternate_stack(block: &Block, context: &ucontext_t) -> bool {
    let sp = arch::sp(context);
    let alternate = &context.uc_stack;
    sp.wrapping_sub(alternate.ss_sp as usize) < alternate.ss_size
        || block.alternate_stack.holds(sp)
        || block.alternate_stack.own_holds(sp)
}
