//! The per-thread block: what the trampoline, the handler and the checkpoint of one thread look at.
//!
//! A thread-local without destructor and without lazy initialisation, so that the handler may touch
//! it. Rust's standard library does not promise that of thread-locals in general; the argument here
//! is that a `const` one without a destructor is plain memory of the thread's static TLS block, and
//! that only a thread which has touched its block is ever a target (S6).
//!
//! # Layout
//!
//! The layout is known to the trampolines: the word stands at 0, the mark of the open call at 8.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use super::alternate_stack::AlternateStack;
use super::clock::{AtomicMoment, Moment};
use super::deadlines::Deadlines;
use super::kernel_timer::KernelTimer;
use super::second_best::Sighting;
use super::snapshot::Wanted;
use super::thread::ThreadRecord;
use crate::hook::Hooks;
use crate::node::Refusals;
use crate::state::Word;

/// One thread's block.
#[repr(C)]
pub(crate) struct Block {
    /// Armed or not.
    pub(crate) word: Word,
    /// The stack pointer of the trampolined call that is open, or 0.
    pub(super) open: AtomicUsize,
    /// The kernel's id of the thread that registered this block, or 0.
    pub(super) tid: AtomicI32,
    /// A signal of ours was sent to this thread and no handler has run since.
    pub(super) in_flight: AtomicBool,
    /// The thread sleeps, or is about to, where waking its word wakes it.
    pub(super) on_futex: AtomicBool,
    /// It has been told by that in the place of the signal; or is being, under the bell.
    pub(super) told_by_futex: AtomicBool,
    /// The handler has put our signal off to the end of an application's handler (S3).
    pub(super) deferred: AtomicBool,
    /// The thread's repeat timer.
    pub(super) timer: KernelTimer,
    /// How long the repeat timer was last set for, in microseconds; 0 if it stands still.
    pub(super) repeat: AtomicU32,
    /// A write of a goodbye's is under way, which the next signal of ours is to end.
    pub(super) limited: AtomicBool,
    /// Whether this stretch of the thread lets itself be reached.
    pub(crate) reach: AtomicBool,
    /// Whether somebody has said so, or the contrary: a task, or a call of `reach`.
    pub(crate) reach_is_chosen: AtomicBool,
    /// Whether event loops are refused like anything else.
    pub(crate) reach_loops: AtomicBool,
    /// Whether the kernel stops this thread at its syscalls.
    pub(super) dispatching: AtomicBool,
    /// It is about to, and handlers are not to rely on the flag before (see `dispatch`).
    pub(super) beginning: AtomicBool,
    /// Whether the thread has asked to have SIGSYS blocked, which waits until dispatch is off (S2).
    pub(super) sigsys_blocked: AtomicBool,
    /// A wider alternate stack, once it was needed.
    pub(super) alternate_stack: AlternateStack,
    /// When the thread's calls began to be answered; long ago if they are not.
    pub(super) answering_since: AtomicMoment,
    /// Where an asker saw this thread sleep.
    pub(super) seen: Sighting,
    /// The last child that this thread has made since; -1 in that child.
    pub(super) forked: AtomicI32,
    /// The last child that this thread has sent SIGKILL since, or that could not exec.
    pub(super) dying: AtomicI32,
    /// What counts the refusals of the outermost cause. It lives as long as its task is on this
    /// thread's stack.
    pub(super) refusals: AtomicPtr<Refusals>,
    /// Errors handed out since the last checkpoint, take or task end: what the brakes go by.
    pub(crate) unheeded: AtomicU32,
    /// What a reporter wants to know of this thread, or null.
    pub(super) snapshot: AtomicPtr<Wanted>,
    /// What this thread is to have done by when.
    pub(super) deadlines: Deadlines,
    /// How often the thread has become armed.
    pub(super) armings: AtomicU32,
    /// The thread is about to find out whether a deadline still stands: the handler leaves it to it
    /// to count.
    pub(super) recounting: AtomicBool,
    /// The thread is inside of a `with_hook`.
    pub(super) hooked: AtomicBool,
    /// How many hooks run on this thread, others' or its own.
    pub(super) running_hooks: AtomicU32,
    /// The thread's hooks, an `Arc` turned into a pointer, or null.
    pub(super) hooks: AtomicPtr<Hooks>,
    /// What tells this thread from all others of the process, or 0 if nobody has asked.
    pub(super) number: AtomicU64,
    /// Where the frame lies behind which a call runs that may be left, or 0.
    pub(super) abandonable: AtomicUsize,
    /// The thread's record, an `Arc` turned into a pointer, or null.
    pub(super) record: AtomicPtr<ThreadRecord>,
}

thread_local! {
    static BLOCK: Block = const {
        Block {
            word: Word(AtomicU32::new(0)),
            open: AtomicUsize::new(0),
            tid: AtomicI32::new(0),
            in_flight: AtomicBool::new(false),
            on_futex: AtomicBool::new(false),
            told_by_futex: AtomicBool::new(false),
            deferred: AtomicBool::new(false),
            timer: KernelTimer::none(),
            repeat: AtomicU32::new(0),
            limited: AtomicBool::new(false),
            reach: AtomicBool::new(false),
            reach_is_chosen: AtomicBool::new(false),
            reach_loops: AtomicBool::new(false),
            dispatching: AtomicBool::new(false),
            beginning: AtomicBool::new(false),
            sigsys_blocked: AtomicBool::new(false),
            alternate_stack: AlternateStack::none(),
            answering_since: AtomicMoment::new(Moment::LONG_AGO),
            seen: Sighting::none(),
            forked: AtomicI32::new(0),
            dying: AtomicI32::new(0),
            refusals: AtomicPtr::new(std::ptr::null_mut()),
            unheeded: AtomicU32::new(0),
            snapshot: AtomicPtr::new(std::ptr::null_mut()),
            deadlines: Deadlines::new(),
            armings: AtomicU32::new(0),
            recounting: AtomicBool::new(false),
            hooked: AtomicBool::new(false),
            running_hooks: AtomicU32::new(0),
            hooks: AtomicPtr::new(std::ptr::null_mut()),
            number: AtomicU64::new(0),
            abandonable: AtomicUsize::new(0),
            record: AtomicPtr::new(std::ptr::null_mut()),
        }
    };
}

const _: () = {
    assert!(std::mem::offset_of!(Block, word) == 0);
    assert!(std::mem::offset_of!(Block, open) == 8);
    assert!(!std::mem::needs_drop::<Block>());
};

/// Looks at the calling thread's block.
#[inline]
pub(crate) fn with<T>(f: impl FnOnce(&Block) -> T) -> T {
    BLOCK.with(f)
}

/// Where the calling thread's block is.
#[inline]
pub(super) fn address() -> *const Block {
    BLOCK.with(|block| &raw const *block)
}
