//! The deadlines of one thread: frames on its own stack, linked from its block.
//!
//! Most deadlines never pass, so beginning and ending one is a look at the clock and a few stores:
//! no lock, no syscall, no memory. The frame lies on the stack of the function that runs the
//! deadline's body, and unlinks itself on the way out, also by a panic. (Rejected: frames in the
//! thread's record. Its lock and the gate before it cost more than all the rest.)
//!
//! Only the thread looks at its frames. The handler looks at one number, `earliest`: of the frames
//! that no mask hides, the moment that comes first. It is stored before the timer is asked whether
//! it stands early enough, so a shot that comes in between, and finds nothing to do at its own
//! moment, moves the timer to the new one by itself.
//!
//! # Order
//!
//! Tasks are in the record, deadlines are here, and the outermost cause is to be raised first. So a
//! frame remembers how many tasks began before it: those are outside of it, all others inside.
//! Where a mask or a root task begins, what the list holds by then is hidden.
//!
//! # Who was raised
//!
//! A deadline that is raised is marked, and by that its `timeout` knows that the error it gets may
//! be told as `TimedOut`. If an outer deadline has passed by then too, that is the cause which
//! stands, and the inner one does not tell; but nor was the outer one raised, and nobody would
//! tell. So the error is passed on in the name of the outer one, by marking it.
//!
//! # Safety
//!
//! Frames are reached through pointers. A frame is linked while it is borrowed, and unlinked
//! before it goes; frames begin and end on one thread in the order of its stack; and only that
//! thread follows the pointers. What leaves a body by `longjmp` breaks this, as it breaks every
//! destructor that it passes over.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::compiler_fence;

use crate::kernel::clock::Moment;
use crate::thread::block::{self, Block};
use crate::thread::word::DEADLINE;

thread_local! {
    static FRAMES: Frames = const {
        Frames {
            innermost: Cell::new(ptr::null()),
            floor: Cell::new(ptr::null()),
            tasks: Cell::new(0),
        }
    };
}

/// The deadlines of the calling thread.
struct Frames {
    innermost: Cell<*const Frame>,
    /// This frame and those outside of it are hidden.
    floor: Cell<*const Frame>,
    /// How many tasks run on this thread.
    tasks: Cell<u32>,
}

/// One deadline, on the stack of the function that runs its body.
pub(super) struct Frame {
    outer: *const Frame,
    pub(super) at: Moment,
    /// `earliest` before this frame, which is given back.
    pub(super) earliest_before: Moment,
    /// How many tasks are outside.
    tasks: u32,
    raised: Cell<bool>,
}

impl Frame {
    /// A frame that is to be linked next.
    #[inline]
    pub(super) fn new(block: &Block, at: Moment) -> Self {
        FRAMES.with(|frames| Self {
            outer: frames.innermost.get(),
            at,
            earliest_before: block.deadlines.earliest.get(),
            tasks: frames.tasks.get(),
            raised: Cell::new(false),
        })
    }

    /// To be unlinked before it goes, by the same thread and in the order of its stack.
    #[inline]
    pub(super) fn link(&self) {
        FRAMES.with(|frames| frames.innermost.set(self));
    }

    #[inline]
    pub(super) fn unlink(&self) {
        FRAMES.with(|frames| frames.innermost.set(self.outer));
    }

    pub(super) fn is_outermost(&self) -> bool {
        self.outer.is_null()
    }

    pub(super) fn was_raised(&self) -> bool {
        self.raised.get()
    }
}

/// Makes the word and the timer follow from `earliest`, after the thread changed its stack. First
/// the bit is cleared, then comes the look at the clock: see [`thread`](crate::thread).
pub(super) fn follow(block: &Block) {
    let deadlines = &block.deadlines;
    // If it stands after as it did before, it has not become armed, whatever the word said meanwhile.
    let was_armed = block.word.is_armed();
    block.hooked.recounting.store(true, Relaxed);
    compiler_fence(SeqCst);
    block.word.disarm(DEADLINE);
    let earliest = deadlines.earliest.get();
    let now = if earliest == Moment::NEVER { Moment::LONG_AGO } else { Moment::now() };
    if earliest <= now {
        block.word.arm(DEADLINE);
    } else if earliest != Moment::NEVER && !deadlines.timer.serves(earliest, now) {
        // The keeper was there when the deadline began.
        let _ = deadlines.timer.set_for(block, earliest);
    }
    compiler_fence(SeqCst);
    block.hooked.recounting.store(false, Relaxed);
    if !was_armed && block.word.is_armed_by(DEADLINE) {
        block.hooked.count_arming();
    }
}

/// Notices a deadline that has passed while it was hidden, or before a fork.
pub(crate) fn come_to_light(block: &Block) {
    if block.deadlines.earliest.get() != Moment::NEVER {
        follow(block);
    }
}

/// Looks at the outermost deadline that has passed and is not hidden, beginning inside at that frame.
fn outermost_passed<T>(from: *const Frame, look: impl FnOnce(&Frame) -> T) -> Option<T> {
    let now = Moment::now();
    let floor = FRAMES.with(|frames| frames.floor.get());
    let mut outermost = None;
    let mut next = from;
    while next != floor {
        // SAFETY: the caller begins at a frame of this thread's that is linked or is being ended, and
        // each one's outer frame outlives it. The list ends at null, and so does a floor that is in no
        // list: it is a frame of this list or null.
        let Some(frame) = (unsafe { next.as_ref() }) else { break };
        if frame.at <= now {
            outermost = Some(frame);
        }
        next = frame.outer;
    }
    outermost.map(look)
}

/// Looks at each deadline that is not hidden, innermost first.
fn each(mut look: impl FnMut(&Frame)) {
    let (floor, mut next) = FRAMES.with(|frames| (frames.floor.get(), frames.innermost.get()));
    while next != floor {
        // SAFETY: as in `outermost_passed`.
        let Some(frame) = (unsafe { next.as_ref() }) else { break };
        look(frame);
        next = frame.outer;
    }
}

/// Marks the deadline that a refusal was due to, beginning at that frame.
pub(super) fn credit_refusals(block: &Block, from: *const Frame) {
    if block.deadlines.take_refusal() {
        outermost_passed(from, |frame| frame.raised.set(true));
    }
}

/// Whether a deadline is armed here.
pub(crate) fn is_armed() -> bool {
    block::with(|block| block.word.is_armed_by(DEADLINE))
}

/// The deadline that is armed here, the outermost of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Armed {
    /// How many tasks are outside of it.
    pub(crate) tasks_outside: usize,
    /// Whether it was raised, or a syscall was refused because of it.
    pub(crate) was_raised: bool,
}

/// The deadline that is armed here, if one is.
pub(crate) fn armed() -> Option<Armed> {
    look_at_armed(|frame| Armed {
        tasks_outside: frame.tasks as usize,
        was_raised: frame.raised.get(),
    })
}

/// Marks it as raised; whether there is one.
pub(crate) fn mark_raised() -> bool {
    look_at_armed(|frame| frame.raised.set(true)).is_some()
}

fn look_at_armed<T>(look: impl FnOnce(&Frame) -> T) -> Option<T> {
    block::with(|block| {
        let innermost = FRAMES.with(|frames| frames.innermost.get());
        let is_armed = block.word.is_armed_by(DEADLINE);
        is_armed.then(|| {
            credit_refusals(block, innermost);
            outermost_passed(innermost, look)
        })?
    })
}

/// The first moment among the deadlines that are not hidden, in time from now.
pub(crate) fn remaining() -> Option<std::time::Duration> {
    let earliest = block::with(|block| block.deadlines.earliest.get());
    let left = || earliest.since(Moment::now());
    (earliest != Moment::NEVER).then(left)
}

/// A deadline in force here, for another thread to keep as well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InForce {
    pub(crate) at: Moment,
    /// How many tasks are outside of it.
    pub(crate) tasks_outside: usize,
}

/// The deadlines in force here, innermost first.
pub(crate) fn in_force() -> Vec<InForce> {
    let mut all = Vec::new();
    each(|frame| all.push(InForce { at: frame.at, tasks_outside: frame.tasks as usize }));
    all
}

/// Marks those of the deadlines in force here that were raised elsewhere, by their numbers, which
/// are in the order of [`in_force`].
pub(crate) fn mark_raised_elsewhere(raised: impl Fn(usize) -> bool) {
    let mut number = 0;
    each(|frame| {
        if raised(number) {
            frame.raised.set(true);
        }
        number += 1;
    });
}

/// What was in force before a mask or a root task hid it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hidden {
    floor: *const Frame,
    earliest: Moment,
}

/// Hides all deadlines that this thread has now.
pub(crate) fn hide() -> Hidden {
    block::with(|block| {
        let innermost = FRAMES.with(|frames| frames.innermost.get());
        credit_refusals(block, innermost);
        let floor = FRAMES.with(|frames| frames.floor.replace(innermost));
        let earliest = block.deadlines.earliest.replace(Moment::NEVER);
        // The handler arms no more; what it has armed is cleared.
        compiler_fence(SeqCst);
        block.word.disarm(DEADLINE);
        Hidden { floor, earliest }
    })
}

/// Ends the hiding. If a deadline is armed then, it is to be followed by a
/// [`settle`](crate::settle::settle). Not to be called with the gate held.
pub(crate) fn show(hidden: Hidden) {
    block::with(|block| {
        FRAMES.with(|frames| frames.floor.set(hidden.floor));
        block.deadlines.earliest.set(hidden.earliest);
        compiler_fence(SeqCst);
        come_to_light(block);
    });
}

/// A task begins on this thread. A root hides the deadlines that are there.
pub(crate) fn begin_task(root: bool) -> Option<Hidden> {
    FRAMES.with(|frames| frames.tasks.set(frames.tasks.get() + 1));
    root.then(hide)
}

/// The innermost task ends. Not to be called with the gate held.
pub(crate) fn end_task(hidden: Option<Hidden>) {
    FRAMES.with(|frames| frames.tasks.set(frames.tasks.get() - 1));
    if let Some(hidden) = hidden {
        show(hidden);
    }
}

/// At the end of the thread: there are no frames any more, be it that nothing unlinked them.
pub(crate) fn forget(block: &Block) {
    FRAMES.with(|frames| {
        frames.innermost.set(ptr::null());
        frames.floor.set(ptr::null());
        frames.tasks.set(0);
    });
    block.deadlines.earliest.set(Moment::NEVER);
    compiler_fence(SeqCst);
    block.word.disarm(DEADLINE);
}
