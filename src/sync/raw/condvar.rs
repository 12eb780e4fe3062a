//! The condition variable: a count of notifications, on which its waiters sleep.
//!
//! A waiter reads the count with the mutex held, unlocks, and sleeps while the count is what it
//! was. So of those who wait when a notification comes, the kernel wakes one that sleeps; all who
//! are on their way to sleep find another count, and return as well. Therefore a waiter whose wait
//! ends by itself has taken nothing from anybody: had the kernel woken it, its wait would not have
//! ended by itself; and had it been the one for whom no sleeper was woken, there was none.

use super::wait::{How, Slept};
use crate::kernel::futex;
use crate::kernel::primitives::AtomicU32;
use crate::kernel::primitives::Ordering::Relaxed;

#[derive(Default)]
pub(crate) struct RawCondvar {
    pub(crate) count: AtomicU32,
}

/// The count when a wait began.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(crate) struct Ticket(u32);

impl RawCondvar {
    /// To be taken with the mutex held: by that, and by the futex call's own order, it is enough to
    /// be `Relaxed`.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.count.load(Relaxed))
    }

    /// Sleeps, with the mutex unlocked, until there is a notification. One that has come counts,
    /// even if the wait has ended as well.
    pub(crate) fn sleep<H: How>(&self, Ticket(count): Ticket, how: &H) -> Slept {
        match how.sleep(&self.count, count, None) {
            Slept::Ended if self.count.load(Relaxed) == count => Slept::Ended,
            _ => Slept::Woken,
        }
    }

    pub(crate) fn notify_one(&self) {
        self.count.fetch_add(1, Relaxed);
        futex::wake(&self.count, 1);
    }

    pub(crate) fn notify_all(&self) {
        self.count.fetch_add(1, Relaxed);
        futex::wake_all(&self.count);
    }
}
