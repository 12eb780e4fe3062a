//! [`Semaphore`].

use std::{fmt, mem};

use super::{How, Interruptibly, Sleepers, ToTheEnd, ended};
use crate::Interrupted;
use crate::kernel::primitives::Ordering::{AcqRel, Acquire, Relaxed};
use crate::kernel::primitives::{AtomicU32, Patience};

/// A number of permits, for which threads wait.
///
/// # Examples
///
/// At most two at a time:
///
/// ```
/// use eintr::sync::Semaphore;
///
/// let connections = Semaphore::new(2);
/// let first = connections.acquire_interruptible()?;
/// let second = connections.acquire_interruptible()?;
/// assert!(connections.try_acquire().is_none());
/// drop(first);
/// assert_eq!(connections.available(), 1);
/// # drop(second);
/// # Ok::<(), eintr::Interrupted>(())
/// ```
pub struct Semaphore {
    permits: AtomicU32,
    sleepers: Sleepers,
}

/// A permit of a [`Semaphore`], given back when dropped.
#[derive(Debug)]
#[must_use = "if unused the permit is given back at once"]
pub struct SemaphorePermit<'a>(&'a Semaphore);

impl Semaphore {
    /// A semaphore with so many permits.
    pub const fn new(permits: u32) -> Self {
        let sleepers = Sleepers {
            announced: AtomicU32::new(0),
            wakeups: AtomicU32::new(0),
            patience: Patience::SHORT,
        };
        Self { permits: AtomicU32::new(permits), sleepers }
    }

    /// How many permits can be had now.
    pub fn available(&self) -> u32 {
        self.permits.load(Relaxed)
    }

    fn take(&self) -> Option<SemaphorePermit<'_>> {
        let taken = self.permits.fetch_update(Acquire, Relaxed, |permits| permits.checked_sub(1));
        taken.is_ok().then(|| SemaphorePermit(self))
    }

    fn wait<H: How>(&self, how: &H) -> Result<SemaphorePermit<'_>, H::Stop> {
        self.sleepers.wait_for(how, || self.take())
    }

    /// Takes a permit, and waits for it as long as it takes.
    ///
    /// # Interruption
    ///
    /// None. [`acquire_interruptible`](Self::acquire_interruptible) has it.
    pub fn acquire(&self) -> SemaphorePermit<'_> {
        ended(self.wait(&ToTheEnd))
    }

    /// Takes a permit, unless the thread is interrupted first.
    ///
    /// # Errors
    ///
    /// [`Interrupted`].
    ///
    /// # Interruption
    ///
    /// On `Interrupted` no permit was taken: the next waiter has it. A thread that was interrupted
    /// before does not take one, be there any or not.
    pub fn acquire_interruptible(&self) -> Result<SemaphorePermit<'_>, Interrupted> {
        self.wait(&Interruptibly::begin()?)
    }

    /// Takes a permit, if there is one.
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.take()
    }

    /// Adds so many permits: those of permits that were [forgotten](SemaphorePermit::forget), or
    /// new ones.
    ///
    /// # Panics
    ///
    /// If there would be more than [`u32::MAX`].
    pub fn release(&self, permits: u32) {
        let added = self.permits.fetch_update(AcqRel, Relaxed, |now| now.checked_add(permits));
        assert!(added.is_ok(), "too many permits");
        // As many as there are to be had, and to be woken.
        let _ = (0..permits).all(|_| self.sleepers.wake_one());
    }
}

impl SemaphorePermit<'_> {
    /// Does not give it back. [`Semaphore::release`] may, later and elsewhere.
    pub fn forget(self) {
        mem::forget(self);
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish_non_exhaustive()
    }
}
