//! Where a stretch ends.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::compiler_fence;

use super::Stretch;
use super::entry::{BY_HELPER, DECIDES, ENDED, HOOK, LENT, MASK, OWES, RAISED, TASK};
use super::list::{Stretches, with};
use super::strays::{self, LEFT};
use crate::kernel::{Moment, Set};
use crate::thread::block::{self, Choice};
use crate::thread::{Block, lent};

/// What has ended: its marks, and in the upper half how many of its kind began before it. (As one
/// number: see [`Few`](super::list::Few).) And signals that were blocked, and are to be again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended(NonZeroU64, Set);

impl Ended {
    #[inline]
    pub(super) fn new(marks: u32, before: u32, unblocked: Set) -> Option<Self> {
        let packed = u64::from(before) << 32 | u64::from(marks | ENDED);
        NonZeroU64::new(packed).map(|packed| Self(packed, unblocked))
    }

    #[inline]
    fn is(self, mark: u32) -> bool {
        self.0.get() & u64::from(mark) != 0
    }

    pub(crate) fn was_task(self) -> bool {
        self.is(TASK)
    }

    pub(crate) fn was_hook(self) -> bool {
        self.is(HOOK)
    }

    /// Whether it hid what began before it.
    #[inline]
    pub(crate) fn was_mask(self) -> bool {
        self.is(MASK)
    }

    /// How many tasks began before it, if it was a task; or how many hooks.
    pub(crate) fn place(self) -> usize {
        (self.0.get() >> 32) as usize
    }

    /// Signals that were blocked, and are to be again.
    #[inline]
    pub(crate) fn unblocked(self) -> Set {
        self.1
    }
}

/// Ends a stretch: what stands then is in the block, and is to be followed by the rest. None if it
/// was begun on another thread: then [`tell_of_stray`](super::tell_of_stray) is to be called, once all is undone that can
/// be.
#[inline]
pub(crate) fn end(stretch: Stretch) -> Option<Ended> {
    let end = |all: &Stretches, block: &Block| {
        let Some(place) = all.last(stretch) else {
            return all.end_otherwise(block, stretch).map(|(ended, _)| ended);
        };
        let entry = all.few.get(place);
        all.length.set(stretch.index);
        compiler_fence(SeqCst);
        Ended::new(entry.marks, all.give_back(block, &entry), entry.owed())
    };
    block::with(|block| with(|all| end(all, block)))
}

/// Ends a deadline, as most do: whether it was raised. None if it has not ended, since it owes
/// something or is not the last to have begun: see [`end_deadline_otherwise`].
#[inline(always)]
pub(crate) fn end_deadline(block: &Block, deadline: Stretch) -> Option<bool> {
    with(|all| {
        let place = all.last(deadline)?;
        let marks = all.few.marks[place].get();
        if marks & (OWES | BY_HELPER | LENT) != 0 {
            return None;
        }
        let earliest = all.few.earliest[place].get();
        all.length.set(deadline.index);
        compiler_fence(SeqCst);
        if marks & DECIDES != 0 {
            block.reach.choose(Choice::Undecided);
        }
        block.deadlines.earliest.set(earliest);
        Some(marks & RAISED != 0)
    })
}

/// A deadline that has ended otherwise.
pub(crate) struct EndedOtherwise {
    pub(crate) at: Moment,
    pub(crate) was_raised: bool,
    pub(crate) notify_helper: bool,
    pub(crate) ended: Ended,
}

/// Ends a deadline. None as for [`end`].
pub(crate) fn end_deadline_otherwise(block: &Block, deadline: Stretch) -> Option<EndedOtherwise> {
    let (ended, entry) = with(|all| all.end_otherwise(block, deadline))?;
    let [was_raised, notify_helper] = [entry.was_raised(), entry.is(BY_HELPER)];
    if entry.is(LENT) {
        lent::forget(entry.number);
    }
    Some(EndedOtherwise { at: entry.at, was_raised, notify_helper, ended })
}

/// At the end of the thread: nothing is in force any more, be it that nothing has ended it.
pub(crate) fn forget(block: &Block) {
    with(|all| {
        for (_, entry) in all.between(0, all.length.get()) {
            strays::note(LEFT, entry.number);
        }
        all.truncate(0);
        all.replay(block);
    });
}
