//! Alternate stacks of threads that have ended, for those that are asked next.
//!
//! Where many end at one moment, as at SIGTERM, few are mapped, and not one for each thread: threads
//! wait for each other where memory is mapped and unmapped, and each new page is a fault.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};

/// Where each begins, or 0. They are all of one size.
static SPARE: [AtomicUsize; 16] = [const { AtomicUsize::new(0) }; 16];

/// Takes one. Async-signal-safe.
pub(super) fn take() -> Option<usize> {
    let taken = |slot: &AtomicUsize| match slot.load(Relaxed) {
        0 => 0,
        _ => slot.swap(0, AcqRel),
    };
    SPARE.iter().map(taken).find(|base| *base != 0)
}

/// Keeps one, if there is room.
pub(super) fn keep(base: usize) -> bool {
    SPARE.iter().any(|slot| slot.compare_exchange(0, base, AcqRel, Relaxed).is_ok())
}
