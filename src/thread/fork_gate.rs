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
//! Behind the gate nothing is allocated and nothing is freed (S22). Handlers of `fork`'s run in the
//! reverse order of their registration, so an allocator that locks itself around a fork, and has
//! registered after us (jemalloc does both), holds its lock when our handler waits for the gate; a
//! thread that keeps the gate open and wants memory would wait for that lock. What grows behind the
//! gate does so by [`with_room`]; what is to be freed is handed out. The handlers here keep to it as
//! well: in the child that lock is still held when ours runs. What a child has to do that needs
//! memory is done by one that is registered later, and so runs later.
//!
//! A child that was made by a raw `clone` runs no such handlers. Its thread has another id than its
//! record says, so that neither our handler nor a task's beginning there believes the record (S6).
//!
//! # Safety
//!
//! The cell is touched only by the thread that holds the gate closed.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{block, target};
use crate::deadline::frames;
use crate::kernel::pid;
use crate::room::{Full, MakeRoom};

#[cfg(test)]
mod tests;

static GATE: RwLock<()> = RwLock::new(());
static GENERATION: AtomicU32 = AtomicU32::new(0);
static CLOSED: Closed = Closed(UnsafeCell::new(None));

/// As long as it lives, the process does not fork. Not to be held while anything of the user's
/// runs, nor taken twice. Nothing is allocated or freed meanwhile (S22).
pub(crate) struct Gate {
    _open: RwLockReadGuard<'static, ()>,
    #[cfg(test)]
    _held: tests::Held,
}

/// Keeps forks away.
#[cfg_attr(test, track_caller)]
pub(crate) fn gate() -> Gate {
    // In a library that was loaded while the program ran, a thread's first touch allocates it.
    black_box(block::address());
    Gate {
        _open: GATE.read().unwrap_or_else(PoisonError::into_inner),
        #[cfg(test)]
        _held: tests::Held::here(),
    }
}

/// Does something behind the gate that may need room: if there is none, it is made with the gate
/// open, and `attempt` is called again; what it has changed by then others may see. What it returns
/// is dropped by the caller, with the gate open.
#[cfg_attr(test, track_caller)]
pub(crate) fn with_room<R: MakeRoom, T>(
    mut attempt: impl FnMut(&Gate, &mut R) -> Result<T, Full>,
) -> T {
    let mut room = R::default();
    loop {
        let gate = gate();
        let done = attempt(&gate, &mut room);
        drop(gate);
        match done {
            Ok(value) => return value,
            Err(Full) => room.make(),
        }
    }
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
    #[cfg(test)]
    std::mem::forget(tests::Held::here());
}

extern "C" fn parent() {
    // SAFETY: this thread has held the write lock since `prepare`.
    let closed = unsafe { (*CLOSED.0.get()).take() };
    drop(closed);
    #[cfg(test)]
    tests::Held::end();
}

extern "C" fn child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    pid::remember();
    target::adopt();
    parent();
}

/// Has the deadlines of a thread that forks go on in the child, from now on. To be called where
/// they begin, and not at the start: a helper thread may have to be made, for which the allocator's
/// handler must have run in the child, and so must have been registered before this one.
pub(crate) fn resume_deadlines() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.load(Ordering::Relaxed) {
        // Perhaps twice, by two threads at once, which does no harm. (No `Once`: the child of a fork
        // that comes between would wait for the other thread, which it does not have.)
        // SAFETY: a plain function that lives as long as the program.
        unsafe { libc::pthread_atfork(None, None, Some(frames::resume)) };
        DONE.store(true, Ordering::Relaxed);
    }
}
