//! Poison, as std's: a panic with a value in hand marks its lock, for those who lock it after.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};
use std::thread;

/// A lock's mark.
pub(super) struct Poison(AtomicBool);

/// Part of a guard: sets the mark if a panic began meanwhile. Dropped before the lock is unlocked,
/// which is the edge by which the next one sees it.
pub(super) struct Watch<'a> {
    pub(super) poison: &'a Poison,
    was_panicking: bool,
}

impl Poison {
    pub(super) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Relaxed);
    }

    #[inline]
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch { poison: self, was_panicking: thread::panicking() }
    }

    /// What a lock returns.
    #[inline]
    pub(super) fn checked<G>(&self, guard: G) -> LockResult<G> {
        if self.is_set() { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }
}

/// What an attempt to lock returns.
pub(super) fn attempted<G>(result: Option<LockResult<G>>) -> TryLockResult<G> {
    Ok(result.ok_or(TryLockError::WouldBlock)??)
}

impl Drop for Watch<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.was_panicking && thread::panicking() {
            self.poison.0.store(true, Relaxed);
        }
    }
}
