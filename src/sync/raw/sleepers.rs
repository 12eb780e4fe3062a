//! Those who sleep until there is something to be had: a message, a permit, room.
//!
//! What is to be had is kept elsewhere, in a queue or a count without a lock. Whoever finds nothing
//! announces itself, looks again, and sleeps. Whoever brings something looks whether anybody is
//! announced, after it has brought it. So one of the two sees the other.
//!
//! An announcement is good for one wake-up: who wakes strikes it off, so that a sleeper which takes
//! its time to run is not woken again for each further thing. Nobody else strikes one off, for
//! announcements have no names: a waiter that finds something after all, or gives up, leaves its
//! own behind, and somebody will wake nobody once. That is cheap, and an announcement too few would
//! be a wake-up lost.
//!
//! The sleeper reads the count of wake-ups *before* it announces itself. (The other order: it
//! announces itself, a waker strikes that off and counts, the sleeper reads that count and sleeps,
//! and nobody knows of it.)
//!
//! A sleeper that gives up takes no wake-up with it, as in [`RawCondvar`](super::RawCondvar): of
//! those announced the kernel wakes one that sleeps, and all on their way to sleep look again.

use super::wait::{How, Slept};
use crate::kernel::futex;
use crate::kernel::primitives::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use crate::kernel::primitives::{AtomicU32, Patience, fence};

/// More announcements than a system can have threads (2^22), and far from where they would wrap.
const TOO_MANY: u32 = 1 << 24;

pub(crate) struct Sleepers {
    pub(crate) announced: AtomicU32,
    pub(crate) wakeups: AtomicU32,
    /// Of each of them, before it sleeps.
    pub(crate) patience: Patience,
}

impl Sleepers {
    /// Attempts until there is something. To give up it must have come to nothing once more.
    #[inline]
    pub(crate) fn wait_for<H: How, R>(
        &self,
        how: &H,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Result<R, H::Stop> {
        match attempt() {
            Some(result) => Ok(result),
            None => self.sleep_for(how, attempt),
        }
    }

    #[cold]
    fn sleep_for<H: How, R>(
        &self,
        how: &H,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Result<R, H::Stop> {
        loop {
            if let Some(result) = self.patience.pass(&mut attempt) {
                return Ok(result);
            }
            let wakeups = self.announce();
            if let Some(result) = attempt() {
                return Ok(result);
            }
            let slept = how.sleep(&self.wakeups, wakeups, None);
            if let Some(result) = attempt() {
                return Ok(result);
            }
            if slept == Slept::Ended {
                how.go_on()?;
            }
        }
    }

    /// The count of wake-ups before.
    fn announce(&self) -> u32 {
        let wakeups = self.wakeups.load(Acquire);
        if self.announced.fetch_add(1, AcqRel) >= TOO_MANY {
            // Nearly all are left behind. Whoever sleeps announces itself again, and so shall we.
            self.wake_all();
        }
        // The announcement comes before the look at what is to be had.
        fence(SeqCst);
        wakeups
    }

    /// Something was brought: wakes one who may want it. Whether anybody was announced.
    #[inline]
    pub(crate) fn wake_one(&self) -> bool {
        // What was brought comes before the look at the announcements.
        fence(SeqCst);
        self.announced.load(Relaxed) != 0 && self.wake_announced()
    }

    #[cold]
    fn wake_announced(&self) -> bool {
        let struck = self.announced.fetch_update(AcqRel, Relaxed, |count| count.checked_sub(1));
        if struck.is_ok() {
            self.wakeups.fetch_add(1, AcqRel);
            futex::wake(&self.wakeups, 1);
        }
        struck.is_ok()
    }

    /// Wakes all.
    pub(crate) fn wake_all(&self) {
        fence(SeqCst);
        if self.announced.swap(0, AcqRel) != 0 {
            self.wakeups.fetch_add(1, AcqRel);
            futex::wake_all(&self.wakeups);
        }
    }
}
