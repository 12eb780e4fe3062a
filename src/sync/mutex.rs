//! [`Mutex`].

use std::ops::DerefMut;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, TryLockResult};

use super::{Poison, Watch, guard_traits, lock_traits, locks, poison};
use crate::Interrupted;

/// A mutual exclusion lock: [`std::sync::Mutex`], and beside it
/// [`lock_interruptible`](Self::lock_interruptible).
///
/// Whatever has std's name does what std's does, poison included: a program may change its import
/// and is the same.
///
/// # Examples
///
/// A thread that waits for a lock gives up when it is asked to:
///
/// ```
/// use eintr::sync::Mutex;
/// use std::sync::Arc;
///
/// let account = Arc::new(Mutex::new(100));
/// let held = account.lock().unwrap();
///
/// let shared = account.clone();
/// let worker = eintr::spawn(move || -> Result<(), eintr::Interrupted> {
///     *shared.lock_interruptible()?.unwrap() -= 10;
///     Ok(())
/// });
/// worker.interrupt();
/// assert!(worker.join().unwrap().is_err());
/// assert_eq!(*held, 100);
/// ```
pub struct Mutex<T: ?Sized> {
    poison: Poison,
    inner: locks::Mutex<T>,
}

/// Unlocks its [`Mutex`] when dropped.
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized> {
    /// Dropped first.
    pub(super) watch: Watch<'a>,
    pub(super) inner: locks::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::new(), inner: locks::Mutex::new(value) }
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned, with the value inside.
    pub fn into_inner(self) -> LockResult<T> {
        let Self { poison, inner } = self;
        poison.checked(inner.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    fn guarded<'a>(&'a self, inner: locks::MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.poison.checked(MutexGuard { watch: self.poison.watch(), inner })
    }

    /// Locks, and waits for that as long as it takes.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned, with the guard inside.
    ///
    /// # Interruption
    ///
    /// None, as std's: an interrupted thread waits on. [`lock_interruptible`] does not.
    ///
    /// [`lock_interruptible`]: Self::lock_interruptible
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.guarded(self.inner.lock())
    }

    /// Locks, unless the thread is interrupted first.
    ///
    /// ```
    /// # use eintr::sync::Mutex;
    /// fn add(sum: &Mutex<u64>, number: u64) -> Result<(), eintr::Interrupted> {
    ///     *sum.lock_interruptible()?.unwrap() += number; // `?` the interrupt, `unwrap` the poison
    ///     Ok(())
    /// }
    /// let sum = Mutex::new(40);
    /// add(&sum, 2)?;
    /// assert_eq!(sum.into_inner().unwrap(), 42);
    /// # Ok::<(), eintr::Interrupted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Interrupted`]. Inside, what [`lock`](Self::lock) returns.
    ///
    /// # Interruption
    ///
    /// On `Interrupted` the mutex was not locked, and the unlock that this thread waited for goes
    /// to the next. A thread that was interrupted before does not lock, be it free or not.
    #[inline]
    pub fn lock_interruptible(&self) -> Result<LockResult<MutexGuard<'_, T>>, Interrupted> {
        Ok(self.guarded(locks::lock_interruptible(&self.inner)?))
    }

    /// Locks, if nobody has.
    ///
    /// # Errors
    ///
    /// If the mutex is locked, or poisoned, with the guard inside.
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        poison::attempted(self.inner.try_lock().map(|inner| self.guarded(inner)))
    }

    /// Whether a thread panicked while it held the lock.
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Says that the value is in order again.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// The value, which nobody else has.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned, with the reference inside.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let Self { poison, inner } = self;
        poison.checked(inner.get_mut())
    }
}

lock_traits!(Mutex, try_lock);
guard_traits!(MutexGuard);

impl<T: ?Sized> UnwindSafe for MutexGuard<'_, T> {}
impl<T: ?Sized> RefUnwindSafe for MutexGuard<'_, T> {}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// After a wait with the mutex unlocked: it may have been poisoned meanwhile.
    pub(super) fn checked(self) -> LockResult<Self> {
        self.watch.poison.checked(self)
    }

    /// The same for a guard that the caller keeps.
    pub(super) fn check(&self) -> LockResult<()> {
        self.watch.poison.checked(())
    }
}
