//! Our signal: which it is, and whether our handler still stands for it.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicUsize};

use libc::c_int;

use super::signal::{self, Set};

/// 0 while nothing is installed.
static NUMBER: AtomicI32 = AtomicI32::new(0);
/// The address of our handler.
static HANDLER: AtomicUsize = AtomicUsize::new(0);

/// Our signal, if there is one. Async-signal-safe.
pub(crate) fn number() -> Option<c_int> {
    let number = NUMBER.load(Relaxed);
    (number != 0).then_some(number)
}

/// The set of our signal, or of none. Async-signal-safe.
pub(crate) fn set() -> Set {
    number().map_or(0, signal::bit)
}

/// From now on it is that one, or none, with that handler.
pub(super) fn choose(number: Option<c_int>, handler: usize) {
    HANDLER.store(handler, Relaxed);
    NUMBER.store(number.unwrap_or(0), Relaxed);
}

/// Whether the application has put a handler of its own in the place of ours since.
pub(crate) fn is_replaced() -> bool {
    let is_another =
        |number| signal::action(number).is_ok_and(|now| now.handler != HANDLER.load(Relaxed));
    number().is_some_and(is_another)
}
