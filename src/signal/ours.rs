//! Our signal: which it is, and whether our handler still stands for it.

use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;

use libc::c_int;

use super::previous::Previous;
use crate::kernel::signals::{self, Set};

/// 0 while nothing is installed.
static NUMBER: AtomicI32 = AtomicI32::new(0);
/// What was there before our handler.
pub(crate) static PREVIOUS: Previous = Previous::nothing();

/// Our signal, if there is one. Async-signal-safe.
pub(crate) fn number() -> Option<c_int> {
    let number = NUMBER.load(Relaxed);
    (number != 0).then_some(number)
}

/// The set of our signal, or of none. Async-signal-safe.
pub(crate) fn set() -> Set {
    number().map_or(0, signals::bit)
}

/// From now on it is that one, or none.
pub(crate) fn choose(number: Option<c_int>) {
    NUMBER.store(number.unwrap_or(0), Relaxed);
}

/// Whether the application has put a handler of its own in the place of ours since.
pub(crate) fn is_replaced() -> bool {
    number().is_some_and(|number| !PREVIOUS.is_ours_in_force(number))
}
