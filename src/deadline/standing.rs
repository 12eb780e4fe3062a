//! The deadlines of one thread, which are among its [`stretches`].
//!
//! Most deadlines never pass, so beginning and ending one is a look at the clock and a few stores:
//! no lock, no syscall, no memory. (Rejected: in the thread's record. Its lock and the gate before
//! it cost more than all the rest. And frames on the stack of whoever runs the deadline's body,
//! linked by pointers: a coroutine's stack may be gone when the next one ends.)
//!
//! Only the thread looks at its deadlines. The handler looks at one number, `earliest`: of those
//! that no mask hides, the moment that comes first. It is stored before the timer is asked whether
//! it stands early enough, so a shot that comes in between, and finds nothing to do at its own
//! moment, moves the timer to the new one by itself.
//!
//! # Order
//!
//! Tasks are in the record, and the outermost cause is to be raised first. So a deadline knows how
//! many tasks began before it: those are outside of it, all others inside. Where a mask or a root
//! task begins, the deadlines that there are by then are hidden.
//!
//! # Who was raised
//!
//! A deadline that is raised is marked, and by that its `timeout` knows that the error it gets may
//! be told as `TimedOut`. If an outer deadline has passed by then too, that is the cause which
//! stands, and the inner one does not tell; but nor was the outer one raised, and nobody would
//! tell. So the error is passed on in the name of the outer one, by marking it.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::compiler_fence;

use crate::kernel::Moment;
use crate::thread::stretches::{self, Deadline};
use crate::thread::{Block, DEADLINE, Ended, Stretch, block};

/// Makes the word and the timer follow from `earliest`, after the thread changed its stack. First
/// the bit is cleared, then comes the look at the clock: see [`thread`](crate::thread).
pub(crate) fn follow(block: &Block) {
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
        // The helper thread was there when the deadline began.
        let _ = deadlines.timer.set_for(block, earliest);
    }
    compiler_fence(SeqCst);
    block.hooked.recounting.store(false, Relaxed);
    if !was_armed && block.word.is_armed_by(DEADLINE) {
        block.hooked.count_arming();
    }
}

/// Notices a deadline that has passed while it was hidden, or before a fork.
pub(crate) fn rearm_if_passed(block: &Block) {
    if block.deadlines.earliest.get() != Moment::NEVER {
        follow(block);
    }
}

/// Marks the deadline that a refusal was due to. Or else it was due to one that is being ended, and
/// is inside of all others: whether that of this moment may be it.
pub(super) fn attribute_refusals(block: &Block, ending: Moment) -> bool {
    if !block.deadlines.take_refusal() {
        return false;
    }
    let now = Moment::now();
    stretches::outermost_passed(now, true).is_none() && ending <= now
}

/// Whether a deadline is armed here.
pub(crate) fn is_armed() -> bool {
    block::with(|block| block.word.is_armed_by(DEADLINE))
}

/// The deadline that is armed here, if one is: the outermost of them.
pub(crate) fn armed() -> Option<Deadline> {
    look_at_armed(false)
}

/// Marks it as raised; whether there is one.
pub(crate) fn mark_raised() -> bool {
    look_at_armed(true).is_some()
}

fn look_at_armed(mark: bool) -> Option<Deadline> {
    block::with(|block| {
        if !block.word.is_armed_by(DEADLINE) {
            return None;
        }
        attribute_refusals(block, Moment::NEVER);
        stretches::outermost_passed(Moment::now(), mark)
    })
}

/// The first moment among the deadlines that are not hidden, in time from now.
pub(crate) fn remaining() -> Option<std::time::Duration> {
    let earliest = block::with(|block| block.deadlines.earliest.get());
    let left = || earliest.since(Moment::now());
    (earliest != Moment::NEVER).then(left)
}

/// Begins a mask, which hides all deadlines that this thread has now.
pub(crate) fn begin_mask() -> Stretch {
    block::with(|block| {
        attribute_refusals(block, Moment::NEVER);
        let mask = stretches::begin_mask();
        clear(block);
        mask
    })
}

/// The task that began last is a root, and hides them.
pub(crate) fn make_root(task: Stretch) {
    block::with(|block| {
        attribute_refusals(block, Moment::NEVER);
        stretches::make_root(block, task);
        clear(block);
    });
}

/// The handler arms no more; what it has armed is cleared.
fn clear(block: &Block) {
    compiler_fence(SeqCst);
    block.word.disarm(DEADLINE);
}

/// To be called where a mask or a task has ended, and not with the gate held. If a deadline is armed
/// then, it is to be followed by a [`sync_to_word`](crate::after_change::sync_to_word).
pub(crate) fn show(ended: Ended) {
    if ended.was_mask() {
        compiler_fence(SeqCst);
        block::with(rearm_if_passed);
    }
}

/// At the end of the thread: nothing is in force any more, be it that nothing has ended it.
pub(crate) fn forget(block: &Block) {
    stretches::forget(block);
    clear(block);
}
