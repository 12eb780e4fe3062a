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
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::block;
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

// SAFETY: only `close` and `open` touch the cell, one after the other on the thread that forks, and each
// of them while that thread holds the write lock.
unsafe impl Sync for Closed {}

/// A fork begins: closes the gate, once all who are behind it have left.
pub(crate) extern "C" fn close() {
    let closed = GATE.write().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: we hold the write lock, see `Closed`.
    unsafe { *CLOSED.0.get() = Some(closed) };
    #[cfg(test)]
    std::mem::forget(tests::Held::here());
}

/// It has ended: opens the gate.
pub(crate) extern "C" fn open() {
    // SAFETY: this thread has held the write lock since `close`.
    let closed = unsafe { (*CLOSED.0.get()).take() };
    drop(closed);
    #[cfg(test)]
    tests::Held::end();
}

/// This is the child of a fork.
pub(crate) fn begin_generation() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
