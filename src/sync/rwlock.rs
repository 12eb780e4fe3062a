//! [`RwLock`].

use std::mem;
use std::ops::DerefMut;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, TryLockResult};

use super::{Poison, Watch, guard_traits, lock_traits, locks, poison};
use crate::Interrupted;

/// A readers-writer lock: [`std::sync::RwLock`], and beside it
/// [`read_interruptible`](Self::read_interruptible) and
/// [`write_interruptible`](Self::write_interruptible).
///
/// # Examples
///
/// ```
/// use eintr::sync::RwLock;
///
/// let limits = RwLock::new(vec![1, 2, 3]);
/// {
///     let one = limits.read_interruptible()?.unwrap();
///     let other = limits.read_interruptible()?.unwrap();
///     assert_eq!(one.len() + other.len(), 6);
/// }
/// limits.write_interruptible()?.unwrap().push(4);
/// assert_eq!(limits.into_inner().unwrap(), [1, 2, 3, 4]);
/// # Ok::<(), eintr::Interrupted>(())
/// ```
pub struct RwLock<T: ?Sized> {
    poison: Poison,
    inner: locks::RwLock<T>,
}

/// Unlocks its [`RwLock`] when dropped.
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    inner: locks::ReadGuard<'a, T>,
}

/// Unlocks its [`RwLock`] when dropped.
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    /// Dropped first.
    _watch: Watch<'a>,
    inner: locks::WriteGuard<'a, T>,
}

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::new(), inner: locks::RwLock::new(value) }
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned, with the value inside.
    pub fn into_inner(self) -> LockResult<T> {
        let Self { poison, inner } = self;
        poison.checked(inner.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    fn shared<'a>(&'a self, inner: locks::ReadGuard<'a, T>) -> LockResult<RwLockReadGuard<'a, T>> {
        self.poison.checked(RwLockReadGuard { inner })
    }

    fn exclusive<'a>(
        &'a self,
        inner: locks::WriteGuard<'a, T>,
    ) -> LockResult<RwLockWriteGuard<'a, T>> {
        self.poison.checked(RwLockWriteGuard { _watch: self.poison.watch(), inner })
    }

    /// Locks for reading, and waits for that as long as it takes.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned, with the guard inside.
    ///
    /// # Panics
    ///
    /// If there are too many readers, as std's.
    ///
    /// # Interruption
    ///
    /// None, as std's. [`read_interruptible`](Self::read_interruptible) has it.
    #[inline]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.shared(self.inner.read().into())
    }

    /// Locks for reading, unless the thread is interrupted first.
    ///
    /// # Errors
    ///
    /// [`Interrupted`]. Inside, what [`read`](Self::read) returns.
    ///
    /// # Panics
    ///
    /// If there are too many readers.
    ///
    /// # Interruption
    ///
    /// On `Interrupted` nothing was locked, and nobody is kept waiting by that this thread waited.
    /// A thread that was interrupted before does not lock, be it free or not.
    #[inline]
    pub fn read_interruptible(&self) -> Result<LockResult<RwLockReadGuard<'_, T>>, Interrupted> {
        Ok(self.shared(locks::read_interruptible(&self.inner)?))
    }

    /// Locks for reading, if that can be had now.
    ///
    /// # Errors
    ///
    /// If it cannot, or the lock is poisoned, with the guard inside.
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        poison::attempted(self.inner.try_read().map(|inner| self.shared(inner.into())))
    }

    /// Locks for writing, and waits for that as long as it takes.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned, with the guard inside.
    ///
    /// # Interruption
    ///
    /// None, as std's. [`write_interruptible`](Self::write_interruptible) has it.
    #[inline]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.exclusive(self.inner.write())
    }

    /// Locks for writing, unless the thread is interrupted first.
    ///
    /// # Errors
    ///
    /// [`Interrupted`]. Inside, what [`write`](Self::write) returns.
    ///
    /// # Interruption
    ///
    /// On `Interrupted` nothing was locked, and the readers that queued up behind this writer go
    /// on. A thread that was interrupted before does not lock, be it free or not.
    #[inline]
    pub fn write_interruptible(&self) -> Result<LockResult<RwLockWriteGuard<'_, T>>, Interrupted> {
        Ok(self.exclusive(locks::write_interruptible(&self.inner)?))
    }

    /// Locks for writing, if nobody has locked.
    ///
    /// # Errors
    ///
    /// If somebody has, or the lock is poisoned, with the guard inside.
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        poison::attempted(self.inner.try_write().map(|inner| self.exclusive(inner)))
    }

    /// Whether a thread panicked while it held the lock for writing.
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
    /// If the lock is poisoned, with the reference inside.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let Self { poison, inner } = self;
        poison.checked(inner.get_mut())
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// A guard that reads on, where it has written: nobody writes in between. Readers that wait go on, unless
    /// a writer waits too.
    ///
    /// ```
    /// use eintr::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let limit = RwLock::new(1);
    /// let mut writes = limit.write().unwrap();
    /// *writes = 2;
    /// let reads = RwLockWriteGuard::downgrade(writes);
    /// assert_eq!(*reads + *limit.read().unwrap(), 4);
    /// ```
    pub fn downgrade(s: Self) -> RwLockReadGuard<'a, T> {
        // As std's, it does not poison: it is not the end of a write by a panic.
        mem::forget(s._watch);
        RwLockReadGuard { inner: locks::WriteGuard::downgrade(s.inner).into() }
    }
}

lock_traits!(RwLock, try_read);
guard_traits!(RwLockReadGuard RwLockWriteGuard);

// A panic of a reader's does not poison.
impl<T: ?Sized + RefUnwindSafe> UnwindSafe for RwLockReadGuard<'_, T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for RwLockReadGuard<'_, T> {}
impl<T: ?Sized> UnwindSafe for RwLockWriteGuard<'_, T> {}
impl<T: ?Sized> RefUnwindSafe for RwLockWriteGuard<'_, T> {}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
