//! How long what does not wait is done although a cause stands: for so long as makes goodbyes, and
//! hand-shakes that are complete; not for so long that a loop over what is always ready goes on. For
//! a deadline no longer than it was itself.
//!
//! Counted for each cause, in the time in which the thread was armed by it. A mask stops the count
//! and does not begin it anew: a loop that masks or cleans up for each of its items ends as well.
//! Only a take does, or another task or deadline, which is another cause. The thread remembers the
//! last few. (Rejected: in the task. A scope's threads all run it, and would share its time.)
//!
//! # Safety
//!
//! What is pointed at belongs to a task on this thread's stack.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use crate::kernel::clock::Moment;
use crate::thread::block::{Block, Spent};
use crate::thread::stretches;

/// How long it is, at most.
const FOR: Duration = Duration::from_millis(100);

/// The outermost cause that stands: a number that no other has had on this thread. (A task's that
/// stands is another after a take; a deadline is known by its moment.)
pub(crate) fn cause(block: &Block) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    // SAFETY: the pointer is null, or to what lives as long as the task is on this thread's stack,
    // and it is this thread that takes it off.
    match unsafe { block.refusals.load(Acquire).as_ref() } {
        Some(task) => task.id.wrapping_mul(ODD).wrapping_add(task.taken.load(Relaxed)) << 1 | 1,
        None => block.deadlines.earliest.get().number() << 1,
    }
}

/// The thread is armed, and the count goes on. Only the thread itself and its handlers say so, who
/// come and go in between.
pub(crate) fn begin(block: &Block, now: Moment) {
    if block.answering.since.get() == Moment::LONG_AGO {
        block.answering.cause.store(cause(block), Relaxed);
        block.answering.counted_to.set(now);
        block.answering.since.set(now);
    }
}

/// Whether there is any time left for the cause that stands.
pub(crate) fn is_left(block: &Block, now: Moment) -> bool {
    let cause = cause(block);
    let mut spent = count(block, now);
    if block.answering.cause.swap(cause, Relaxed) != cause {
        spent = place(block, cause).time.load(Relaxed);
    }
    spent < allowed(block).as_nanos() as u64
}

/// How long it is for the cause that stands.
fn allowed(block: &Block) -> Duration {
    let length = stretches::length_of_deadline(block.deadlines.earliest.get());
    match length {
        Some(length) if block.refusals.load(Relaxed).is_null() => length.min(FOR),
        _ => FOR,
    }
}

/// The thread is not armed any more.
pub(crate) fn rest(block: &Block) {
    if block.answering.since.get() != Moment::LONG_AGO {
        count(block, Moment::now());
    }
    block.answering.reset();
}

/// In a child of a fork it begins anew.
pub(crate) fn forget(block: &Block) {
    block.answering.reset();
    block.answering.spent.iter().for_each(|spent| spent.cause.store(0, Relaxed));
}

/// Counts the time up to now; what that makes for the cause for which it was counted.
fn count(block: &Block, now: Moment) -> u64 {
    let counted_to = match block.answering.since.get() {
        Moment::LONG_AGO => now,
        _ => block.answering.counted_to.get(),
    };
    block.answering.counted_to.set(now);
    let more = now.since(counted_to).as_nanos() as u64;
    let spent = place(block, block.answering.cause.load(Relaxed));
    spent.time.fetch_add(more, Relaxed) + more
}

/// Where the time of a cause is counted. The last one stands first; the one that was not asked for
/// longest makes room.
fn place(block: &Block, cause: u64) -> &Spent {
    let all = &block.answering.spent;
    let found = all.iter().position(|spent| spent.cause.load(Relaxed) == cause);
    let mut time = found.map_or(0, |index| all[index].time.load(Relaxed));
    let mut moved = cause;
    for spent in &all[..=found.unwrap_or(all.len() - 1)] {
        moved = spent.cause.swap(moved, Relaxed);
        time = spent.time.swap(time, Relaxed);
    }
    &all[0]
}
