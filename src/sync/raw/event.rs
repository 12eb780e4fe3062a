//! The event: a bit that stays, with the count of how often it was set beside it.
//!
//! The count is for those who slept while it was set and cleared again before they ran: they see
//! that it was, and do not sleep on.

use super::wait::{How, Slept};
use crate::kernel::futex;
use crate::kernel::primitives::AtomicU32;
use crate::kernel::primitives::Ordering::{AcqRel, Acquire, Relaxed};

const SET: u32 = 1;
/// Somebody may sleep.
const MARK: u32 = 2;
/// The count, in the upper bits.
const ONCE: u32 = 4;

#[derive(Default)]
pub(crate) struct RawEvent {
    pub(crate) word: AtomicU32,
}

impl RawEvent {
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.word.load(Acquire) & SET != 0
    }

    pub(crate) fn set(&self) {
        let set = |word: u32| match word & SET {
            0 => (word & !MARK).wrapping_add(ONCE) | SET,
            // The same, but written: what was done before happens before.
            _ => word,
        };
        let before = self.word.fetch_update(AcqRel, Relaxed, |word| Some(set(word)));
        if before.is_ok_and(|before| before & MARK != 0) {
            futex::wake_all(&self.word);
        }
    }

    pub(crate) fn clear(&self) {
        self.word.fetch_and(!SET, AcqRel);
    }

    pub(crate) fn wait<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        loop {
            let seen = self.word.load(Acquire);
            if seen & SET != 0 {
                return Ok(());
            }
            let marked = seen | MARK;
            if seen != marked && self.word.compare_exchange(seen, marked, Relaxed, Relaxed).is_err()
            {
                continue;
            }
            let slept = how.sleep(&self.word, marked, None);
            if self.word.load(Acquire) / ONCE != seen / ONCE {
                return Ok(());
            }
            if slept == Slept::Ended {
                how.go_on()?;
            }
        }
    }
}
