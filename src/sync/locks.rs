//! Values behind locks: the generic parts are lock_api's, the state machines are
//! [`raw`](super::raw)'s.
//!
//! # Safety
//!
//! lock_api relies on its raw locks to exclude one another. [`RawMutex`] and [`RawRwLock`] do; loom
//! checks them. What is built here from a raw lock and a cell takes the raw lock first.
//!
//! A [`ReadGuard`] points to the value as long as it holds its share of the lock, in which nobody
//! writes.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem;
use std::ops::Deref;
use std::ptr::NonNull;

use super::{Interruptibly, RawMutex, RawRwLock, ToTheEnd, ended};
use crate::Interrupted;
use crate::kernel::primitives::AtomicU32;

pub(crate) type Mutex<T> = lock_api::Mutex<RawMutex, T>;
pub(crate) type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;
pub(crate) type RwLock<T> = lock_api::RwLock<RawRwLock, T>;
pub(crate) type WriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, RawRwLock, T>;
type SharedGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLock, T>;

/// What may be read. As std's, and not as lock_api's, it is covariant: a guard of a value that lives long is one
/// of a value that does not.
pub(crate) struct ReadGuard<'a, T: ?Sized> {
    value: NonNull<T>,
    raw: &'a RawRwLock,
    _here: PhantomData<lock_api::GuardNoSend>,
}

// SAFETY: it hands out shared references, as one of them does.
unsafe impl<T: ?Sized + Sync> Sync for ReadGuard<'_, T> {}

impl<'a, T: ?Sized> From<SharedGuard<'a, T>> for ReadGuard<'a, T> {
    #[inline]
    fn from(guard: SharedGuard<'a, T>) -> Self {
        // SAFETY: it is unlocked only, once, by the guard that is made of this one.
        let raw = unsafe { SharedGuard::rwlock(&guard).raw() };
        let value = NonNull::from(&*guard);
        mem::forget(guard);
        Self { value, raw, _here: PhantomData }
    }
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: see the module.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.raw.unlock_read();
    }
}

// SAFETY: `lock` and a `try_lock` that says so have changed the word from unlocked, with Acquire;
// nobody else does until `unlock` has changed it back, with Release.
unsafe impl lock_api::RawMutex for RawMutex {
    #[allow(clippy::declare_interior_mutable_const, reason = "lock_api makes each lock from it")]
    const INIT: Self = Self { word: AtomicU32::new(0) };

    /// As std's.
    type GuardMarker = lock_api::GuardNoSend;

    #[inline]
    fn lock(&self) {
        ended(RawMutex::lock(self, &ToTheEnd));
    }

    #[inline]
    fn try_lock(&self) -> bool {
        RawMutex::try_lock(self)
    }

    #[inline]
    unsafe fn unlock(&self) {
        RawMutex::unlock(self);
    }

    fn is_locked(&self) -> bool {
        RawMutex::is_locked(self)
    }
}

// SAFETY: a writer has changed the word from free, a reader has counted itself where no writer was;
// both with Acquire. Each takes back what it has added, with Release.
unsafe impl lock_api::RawRwLock for RawRwLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "lock_api makes each lock from it")]
    const INIT: Self = Self { word: AtomicU32::new(0), calls: AtomicU32::new(0) };

    /// As std's.
    type GuardMarker = lock_api::GuardNoSend;

    #[inline]
    fn lock_shared(&self) {
        ended(self.read(&ToTheEnd));
    }

    #[inline]
    fn try_lock_shared(&self) -> bool {
        self.try_read()
    }

    #[inline]
    unsafe fn unlock_shared(&self) {
        self.unlock_read();
    }

    #[inline]
    fn lock_exclusive(&self) {
        ended(self.write(&ToTheEnd));
    }

    #[inline]
    fn try_lock_exclusive(&self) -> bool {
        self.try_write()
    }

    #[inline]
    unsafe fn unlock_exclusive(&self) {
        self.unlock_write();
    }

    fn is_locked(&self) -> bool {
        RawRwLock::is_locked(self)
    }

    fn is_locked_exclusive(&self) -> bool {
        self.is_locked_exclusively()
    }
}

// SAFETY: the word goes from a writer's to a reader's in one step, with Release.
unsafe impl lock_api::RawRwLockDowngrade for RawRwLock {
    #[inline]
    unsafe fn downgrade(&self) {
        RawRwLock::downgrade(self);
    }
}

/// Locks, unless the thread is interrupted before.
#[inline]
pub(crate) fn lock_interruptible<T: ?Sized>(
    mutex: &Mutex<T>,
) -> Result<MutexGuard<'_, T>, Interrupted> {
    let how = Interruptibly::begin()?;
    // SAFETY: it is locked only.
    unsafe { mutex.raw() }.lock(&how)?;
    // SAFETY: this thread has just locked it, and no guard knows of that yet.
    Ok(unsafe { mutex.make_guard_unchecked() })
}

/// Locks for reading, unless the thread is interrupted before.
#[inline]
pub(crate) fn read_interruptible<T: ?Sized>(
    lock: &RwLock<T>,
) -> Result<ReadGuard<'_, T>, Interrupted> {
    let how = Interruptibly::begin()?;
    // SAFETY: it is locked only.
    unsafe { lock.raw() }.read(&how)?;
    // SAFETY: this thread has just locked it for reading, and no guard knows of that yet.
    Ok(unsafe { lock.make_read_guard_unchecked() }.into())
}

/// Locks for writing, unless the thread is interrupted before.
#[inline]
pub(crate) fn write_interruptible<T: ?Sized>(
    lock: &RwLock<T>,
) -> Result<WriteGuard<'_, T>, Interrupted> {
    let how = Interruptibly::begin()?;
    // SAFETY: it is locked only.
    unsafe { lock.raw() }.write(&how)?;
    // SAFETY: this thread has just locked it for writing, and no guard knows of that yet.
    Ok(unsafe { lock.make_write_guard_unchecked() })
}
