//! What is noted of a stretch.

use crate::kernel::{Moment, Set};
use crate::thread::block::Choice;
use crate::thread::lent;

pub(super) const TASK: u32 = 1 << 0;
/// Hides all that began before it. A root task does.
pub(super) const MASK: u32 = 1 << 1;
pub(super) const DEADLINE: u32 = 1 << 2;
pub(super) const HOOK: u32 = 1 << 3;
/// Says that plain calls are reached.
pub(super) const REACHES: u32 = 1 << 4;
/// Says that they are not.
pub(super) const LEAVES_ALONE: u32 = 1 << 5;
/// It is a deadline, and has them reached since nobody has said anything (see `deadline/open.rs`).
pub(super) const DECIDES: u32 = 1 << 6;
/// It is a deadline, and was raised.
pub(super) const RAISED: u32 = 1 << 7;
/// Its end is to block signals again.
pub(super) const OWES: u32 = 1 << 8;
/// Its end is to tell the helper thread of the change.
pub(super) const BY_HELPER: u32 = 1 << 9;
/// It has ended.
pub(super) const ENDED: u32 = 1 << 10;
/// It is a deadline, and others keep it as well.
pub(super) const LENT: u32 = 1 << 11;

/// A stretch in the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) marks: u32,
    /// What had been said of reach before, if it says something.
    pub(super) choice: Choice,
    /// How many were hidden before, if it is a mask.
    pub(super) floor: u32,
    /// When it began, and its moment, if it is a deadline.
    pub(super) began: Moment,
    pub(super) at: Moment,
    /// The first moment before it began.
    pub(super) earliest: Moment,
    /// Signals that were blocked, if it owes any.
    pub(super) unblocked: Set,
}

impl Entry {
    #[inline]
    pub(super) fn is(&self, mark: u32) -> bool {
        self.marks & mark != 0
    }

    pub(super) fn was_raised(&self) -> bool {
        self.is(RAISED) || self.is(LENT) && lent::was_raised(self.number)
    }

    #[inline]
    pub(super) fn owed(&self) -> Set {
        if self.is(OWES) { self.unblocked } else { 0 }
    }

    /// Signals that others owed are to be blocked again with its own.
    pub(super) fn take_over(&mut self, unblocked: Set) {
        if unblocked != 0 {
            self.unblocked = unblocked | self.owed();
            self.marks |= OWES;
        }
    }
}

/// What is said of reach, if anything is.
#[inline]
pub(super) fn chosen(marks: u32) -> Option<Choice> {
    match marks & (REACHES | LEAVES_ALONE) {
        0 => None,
        REACHES => Some(Choice::On),
        _ => Some(Choice::Off),
    }
}
