//! What a thread has begun and not ended, in the order in which it began: tasks, masks, deadlines,
//! hooks, and stretches with reach on or off.
//!
//! What is in force follows from that order alone: a mask hides what began before it, and a
//! deadline knows how many tasks are outside of it. On one stack things end in the other order than
//! they began, and each end could give back what its beginning has found. Code on coroutines is on
//! many stacks at once. There one ends in the middle of the others, or on another thread, and its
//! stack may be gone after. So what is noted of a stretch is in the thread's own list, by value, and
//! whoever has begun it holds a number and no pointer (S25).
//!
//! An entry remembers what stood before it began. Mostly the last one ends, and gives that back;
//! where another does, all of it is worked out anew.
//!
//! # On another thread
//!
//! A number that is not in the calling thread's list was begun on another one. That one's list is
//! its own, and is not touched. The number is put among the strays, which each thread looks through
//! when it next comes by; and the end panics, for there is no way to do what was meant: what has
//! begun was in force where the code ran before, and not where it went on. (Not in a destructor that
//! a panic runs: that would end the process.) Where the thread on which it began has ended before, it has left
//! the number, and the two cancel each other out.
//!
//! What begins a stretch for code that is not ours, and what ends it, are never inlined there: a compiler takes it that a
//! function stays on its thread, and keeps where the list is across whatever the function calls.
//!
//! (Rejected: a lock on each list, for others to take things off it. Beginning and ending a deadline
//! is a look at the clock and a few stores.)

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use self::entry::{DEADLINE, Entry, HOOK, LENT, RAISED, TASK};
use self::list::{FEW, Stretches, with};
use super::lent;
use super::record::Floor;
use crate::kernel::Moment;

mod begin;
mod end;
mod entry;
mod list;
mod strays;

pub(crate) use self::begin::{
    begin_deadline, begin_deadline_beyond, begin_hook, begin_mask, begin_reach, begin_task,
    make_root, owe, unmake_task,
};
pub(crate) use self::end::{Ended, end, end_deadline, end_deadline_otherwise, forget};
pub(crate) use self::strays::{any_strays, take_in_stray, tell_of_stray};

/// Something that was begun.
#[derive(Debug, Clone, Copy)]
#[must_use = "it is to be ended"]
pub(crate) struct Stretch {
    number: u64,
    /// Where it stood in the list then, and does still if nothing has ended out of turn.
    index: usize,
}

/// How many tasks there are.
pub(crate) fn tasks() -> Floor {
    Floor(with(|all| all.tasks.get()) as usize)
}

/// How many of them are masked.
pub(crate) fn masked_tasks() -> Floor {
    Floor(with(|all| all.count_hidden(TASK)))
}

/// How many hooks are hidden.
pub(crate) fn hidden_hooks() -> usize {
    with(|all| all.count_hidden(HOOK))
}

/// A deadline that is not hidden.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) began: Moment,
    pub(crate) at: Moment,
    /// How many tasks are outside of it.
    pub(crate) tasks_outside: usize,
    /// Whether it was raised, or a syscall was refused because of it.
    pub(crate) was_raised: bool,
}

/// The deadlines that are not hidden, outermost first, for other threads to keep as well: each with
/// what an heir sets if it has raised it.
pub(crate) fn lend_deadlines() -> Vec<(Deadline, Arc<AtomicBool>)> {
    with(|all| {
        let lend = |(index, entry): (usize, Entry)| {
            all.change(index, |entry| entry.marks |= LENT);
            (all.deadline(index, &entry), lent::lend(entry.number))
        };
        all.deadlines().map(lend).collect()
    })
}

/// The outermost deadline that has passed by then and is not hidden. Marks it as raised, if so
/// wanted.
pub(crate) fn outermost_passed(now: Moment, mark: bool) -> Option<Deadline> {
    with(|all| {
        let (index, entry) = all.deadlines().find(|(_, entry)| entry.at <= now)?;
        if mark {
            all.change(index, |entry| entry.marks |= RAISED);
        }
        Some(all.deadline(index, &entry))
    })
}

/// How long the deadline of that moment is, if it is among the first: for the handler, which may come
/// wherever the list is changed.
pub(crate) fn length_of_deadline(at: Moment) -> Option<Duration> {
    with(|Stretches { few, length, .. }| {
        let is_it = |i: &usize| few.marks[*i].get() & DEADLINE != 0 && few.at[*i].get() == at;
        let index = (0..length.get().min(FEW)).rfind(is_it)?;
        Some(at.since(few.began[index].get()))
    })
}

/// Whether there is any deadline besides that one, hidden or not.
pub(crate) fn any_deadline_but(deadline: Stretch) -> bool {
    with(|all| {
        let mut entries = all.between(0, all.length.get());
        entries.any(|(_, entry)| entry.is(DEADLINE) && entry.number != deadline.number)
    })
}
