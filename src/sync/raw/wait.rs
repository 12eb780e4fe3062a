//! How a thread waits, to a machine.

use crate::kernel::primitives::AtomicU32;

/// How a thread waits: to the end, to some moment, or until it is interrupted.
pub(crate) trait How {
    /// What a wait that was given up returns.
    type Stop;

    /// Sleeps while the word is `expected`, until it is woken. A lock shows its state, by which a report tells
    /// [who holds it](super::Held).
    fn sleep(&self, word: &AtomicU32, expected: u32, lock: Option<&AtomicU32>) -> Slept;

    /// After [`Slept::Ended`], once the machine has found that there is no result: fails with why
    /// the wait is to be given up.
    ///
    /// Apart from `sleep`, since what this hands out counts as raised, and must be returned.
    fn go_on(&self) -> Result<(), Self::Stop>;
}

/// Why a thread no longer sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Slept {
    /// It was woken, perhaps for no reason, or the word was another.
    Woken,
    /// Its wait has ended by itself. It took no wake-up with it: whoever sleeps there still will
    /// have the next.
    Ended,
}
