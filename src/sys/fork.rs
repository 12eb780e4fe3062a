//! What holds across `fork`.
//!
//! The child has one thread, and a copy of every lock as it was. So all that we lock is locked
//! behind one gate, which a fork closes first: no lock of ours is ever copied while held, and no
//! structure half changed. In the child the forking thread's own tasks go on; every other task
//! belongs to an older generation and reads as finished, without a look at it.
//!
//! (Rejected: taking each lock in turn, or stealing locks in the child. A lock stolen from a thread
//! that was in the middle of a change protects a structure in the middle of a change.)
//!
//! A child that was made by a raw `clone` runs no such handlers. Its thread has another id than its
//! record says, so that neither our handler nor a task's beginning there believes the record (S6).
//!
//! # Safety
//!
//! The cell is touched only by the thread that holds the gate closed.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{deadlines, pid, thread};

static GATE: RwLock<()> = RwLock::new(());
static GENERATION: AtomicU32 = AtomicU32::new(0);
static CLOSED: Closed = Closed(UnsafeCell::new(None));

/// As long as it lives, the process does not fork. Not to be held while anything of the user's
/// runs, nor taken twice.
pub(crate) struct Gate {
    _open: RwLockReadGuard<'static, ()>,
}

/// Keeps forks away.
pub(crate) fn gate() -> Gate {
    Gate { _open: GATE.read().unwrap_or_else(PoisonError::into_inner) }
}

/// How many forks lie between the first process and this one.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

struct Closed(UnsafeCell<Option<RwLockWriteGuard<'static, ()>>>);

// SAFETY: only `prepare`, `parent` and `child` touch the cell, one after the other on the thread
// that forks, and each of them while that thread holds the write lock.
unsafe impl Sync for Closed {}

/// Has the three handlers run around every `fork` from now on, unless they do already.
pub(crate) fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        // SAFETY: the handlers are plain functions that live as long as the program.
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    });
}

/// Before `main`, while there is one thread. (Not at first use: the child of a fork by another
/// thread at that moment would wait for the one that comes first, which it does not have.) Whatever
/// makes something that a fork could copy calls [`watch`] all the same: there are ways to link a
/// program that drop this.
// SAFETY: an array of functions without arguments, which the loader calls once each; `watch` needs
// nothing that `main` has and a constructor has not.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = at_start;

extern "C" fn at_start() {
    watch();
}

extern "C" fn prepare() {
    let closed = GATE.write().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: we hold the write lock, see `Closed`.
    unsafe { *CLOSED.0.get() = Some(closed) };
}

extern "C" fn parent() {
    // SAFETY: this thread has held the write lock since `prepare`.
    let closed = unsafe { (*CLOSED.0.get()).take() };
    drop(closed);
}

extern "C" fn child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    pid::remember();
    thread::adopt();
    parent();
    // With the gate open: the keeper may have to be asked.
    deadlines::resume();
}
