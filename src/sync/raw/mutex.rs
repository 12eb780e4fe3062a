//! The lock: one word, which holds the id of the thread that has locked it: so a report tells who that is.
//!
//! Whoever may have to sleep marks the word first, and a marked lock wakes one sleeper when it is
//! unlocked. The one that is woken does not own the lock: it competes again, and leaves the mark on
//! the word, since it cannot know whether it was the last to sleep. That is also what makes it safe
//! to give up: a thread that was woken and finds the lock taken again has marked it before it can
//! be interrupted, so the next unlock wakes somebody else.
//!
//! (Rejected: handing the lock over, in the order of arrival. Each hand-over is a switch of
//! threads, and a lock that is taken often becomes some ten times slower.)

use super::wait::{How, Slept};
use crate::kernel::futex;
use crate::kernel::primitives::Ordering::{Acquire, Relaxed, Release};
use crate::kernel::primitives::{AtomicU32, spin_while, thread_id};

const UNLOCKED: u32 = 0;
/// Somebody may sleep; the rest of the word is the owner.
pub(super) const MARK: u32 = 1 << 28;

pub(crate) struct RawMutex {
    pub(crate) word: AtomicU32,
}

impl RawMutex {
    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.word.compare_exchange(UNLOCKED, thread_id(), Acquire, Relaxed).is_ok()
    }

    #[inline]
    pub(crate) fn lock<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        if self.try_lock() { Ok(()) } else { self.lock_contended(how) }
    }

    #[inline]
    pub(crate) fn unlock(&self) {
        if self.word.swap(UNLOCKED, Release) & MARK != 0 {
            self.wake_one();
        }
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.word.load(Relaxed) != UNLOCKED
    }

    #[cold]
    fn lock_contended<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        // Without the mark, as long as no sleep is behind us.
        if self.spin() == UNLOCKED && self.try_lock() {
            return Ok(());
        }
        loop {
            let word = self.word.load(Relaxed);
            let wanted = if word == UNLOCKED { thread_id() | MARK } else { word | MARK };
            if word != wanted && self.word.compare_exchange(word, wanted, Acquire, Relaxed).is_err()
            {
                continue;
            }
            if word == UNLOCKED {
                return Ok(());
            }
            if how.sleep(&self.word, wanted, Some(&self.word)) == Slept::Ended {
                how.go_on()?;
            }
            self.spin();
        }
    }

    /// Waits a little for a lock that nobody sleeps for. What it is then.
    fn spin(&self) -> u32 {
        spin_while(|| matches!(self.word.load(Relaxed), 1..MARK));
        self.word.load(Relaxed)
    }

    #[cold]
    fn wake_one(&self) {
        futex::wake(&self.word, 1);
    }
}
