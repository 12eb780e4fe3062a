//! [`Condvar`].

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use super::{How, Interruptibly, MutexGuard, RawCondvar, Slept, ToTheEnd, Until, locks, opaque};
use crate::Interrupted;
use crate::kernel::primitives::AtomicU32;

/// A condition variable: [`std::sync::Condvar`] for our [`Mutex`](super::Mutex), and beside it
/// [`wait_interruptible`](Self::wait_interruptible) and
/// [`wait_while_interruptible`](Self::wait_while_interruptible).
///
/// # Examples
///
/// ```
/// use eintr::sync::{Condvar, Mutex};
/// use std::sync::Arc;
///
/// let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
/// let theirs = shared.clone();
/// let worker = eintr::spawn(move || -> Result<u32, eintr::Interrupted> {
///     let (jobs, arrival) = &*theirs;
///     let mut jobs = jobs.lock().unwrap();
///     arrival.wait_while_interruptible(&mut jobs, |jobs| jobs.is_empty())?.unwrap();
///     Ok(jobs.remove(0))
/// });
/// let (jobs, arrival) = &*shared;
/// jobs.lock().unwrap().push(7);
/// arrival.notify_one();
/// assert_eq!(worker.join().unwrap()?, 7);
/// # Ok::<(), eintr::Interrupted>(())
/// ```
#[derive(Default)]
pub struct Condvar {
    raw: RawCondvar,
}

/// Whether a wait ended because its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was up.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// A condition variable that nobody waits on.
    pub const fn new() -> Self {
        Self { raw: RawCondvar { count: AtomicU32::new(0) } }
    }

    /// One sleep, with the mutex unlocked. It is locked again whatever comes.
    pub(super) fn sleep<T: ?Sized, H: How>(
        &self,
        guard: &mut locks::MutexGuard<'_, T>,
        how: &H,
    ) -> Slept {
        let ticket = self.raw.ticket();
        locks::MutexGuard::unlocked(guard, || self.raw.sleep(ticket, how))
    }

    /// Sleeps as long as the condition holds. To give up it must still hold.
    pub(super) fn sleep_while<T: ?Sized, H: How>(
        &self,
        guard: &mut locks::MutexGuard<'_, T>,
        how: &H,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Result<(), H::Stop> {
        while condition(guard) {
            if self.sleep(guard, how) == Slept::Ended && condition(guard) {
                how.go_on()?;
            }
        }
        Ok(())
    }

    /// Unlocks the mutex, waits for a notification, and locks it again. It may return without a
    /// notification.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned by then, with the guard inside.
    ///
    /// # Interruption
    ///
    /// None, as std's. [`wait_interruptible`](Self::wait_interruptible) has it.
    pub fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let _ = self.sleep(&mut guard.inner, &ToTheEnd);
        guard.checked()
    }

    /// Waits as long as the condition holds.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Interruption
    ///
    /// None, as std's. [`wait_while_interruptible`](Self::wait_while_interruptible) has it.
    pub fn wait_while<'a, T, F: FnMut(&mut T) -> bool>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), but no longer than that.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Interruption
    ///
    /// None, as std's. Around [`wait_interruptible`](Self::wait_interruptible),
    /// [`eintr::timeout`](crate::timeout()) limits the time.
    pub fn wait_timeout<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let slept = self.sleep(&mut guard.inner, &Until::after(timeout));
        map(guard.checked(), |guard| (guard, WaitTimeoutResult(slept == Slept::Ended)))
    }

    /// As [`wait_while`](Self::wait_while), but no longer than that: the result tells whether the
    /// time was up while the condition still held.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Interruption
    ///
    /// None, as std's.
    pub fn wait_timeout_while<'a, T, F: FnMut(&mut T) -> bool>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let until = Until::after(timeout);
        while condition(&mut guard) {
            let slept = self.sleep(&mut guard.inner, &until);
            guard = guard.checked().map_err(|poisoned| {
                PoisonError::new((poisoned.into_inner(), WaitTimeoutResult(false)))
            })?;
            if slept == Slept::Ended {
                let holds = condition(&mut guard);
                return Ok((guard, WaitTimeoutResult(holds)));
            }
        }
        Ok((guard, WaitTimeoutResult(false)))
    }

    /// As [`wait_timeout`](Self::wait_timeout), in milliseconds; true if it was notified.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    #[deprecated(note = "replaced by `eintr::sync::Condvar::wait_timeout`, as std's")]
    pub fn wait_timeout_ms<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        milliseconds: u32,
    ) -> LockResult<(MutexGuard<'a, T>, bool)> {
        let result = self.wait_timeout(guard, Duration::from_millis(milliseconds.into()));
        map(result, |(guard, result)| (guard, !result.timed_out()))
    }

    /// As [`wait`](Self::wait), unless the thread is interrupted first. The mutex is held when it
    /// returns, either way.
    ///
    /// ```
    /// use eintr::sync::{Condvar, Mutex};
    ///
    /// let (stopped, changed) = (Mutex::new(false), Condvar::new());
    /// let (task, interrupter) = eintr::task();
    /// interrupter.interrupt();
    /// task.run(|| {
    ///     let mut stopped = stopped.lock().unwrap();
    ///     let waited = changed.wait_interruptible(&mut stopped);
    ///     assert!(waited.is_err());
    ///     *stopped = true; // held still
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Interrupted`]. Inside, the mutex's poison, without the guard: the caller has that.
    ///
    /// # Interruption
    ///
    /// On `Interrupted` no notification was taken: the next waiter has it. To lock the mutex again
    /// is waited for as long as it takes. A thread that was interrupted before does not unlock it.
    pub fn wait_interruptible<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
    ) -> Result<LockResult<()>, Interrupted> {
        let how = Interruptibly::begin()?;
        if self.sleep(&mut guard.inner, &how) == Slept::Ended {
            how.go_on()?;
        }
        Ok(guard.check())
    }

    /// As [`wait_while`](Self::wait_while), unless the thread is interrupted first. The mutex is
    /// held when it returns, either way.
    ///
    /// # Errors
    ///
    /// [`Interrupted`]. Inside, the mutex's poison, without the guard: the caller has that.
    ///
    /// # Interruption
    ///
    /// On `Interrupted` the condition still held, and no notification was taken. Where it does not
    /// hold any more when the thread is interrupted, the result is `Ok`, and the next call raises.
    /// A thread that was interrupted before does not look.
    pub fn wait_while_interruptible<T, F: FnMut(&mut T) -> bool>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: F,
    ) -> Result<LockResult<()>, Interrupted> {
        let how = Interruptibly::begin()?;
        while condition(guard) {
            let slept = self.sleep(&mut guard.inner, &how);
            if let Err(poisoned) = guard.check() {
                return Ok(Err(poisoned));
            }
            if slept == Slept::Ended && condition(guard) {
                how.go_on()?;
            }
        }
        Ok(Ok(()))
    }

    /// Wakes one waiter, if there is one.
    #[inline]
    pub fn notify_one(&self) {
        self.raw.notify_one();
    }

    /// Wakes all waiters.
    #[inline]
    pub fn notify_all(&self) {
        self.raw.notify_all();
    }
}

fn map<T, U>(result: LockResult<T>, f: impl FnOnce(T) -> U) -> LockResult<U> {
    match result {
        Ok(value) => Ok(f(value)),
        Err(poisoned) => Err(PoisonError::new(f(poisoned.into_inner()))),
    }
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

opaque!(Condvar);
