//! A number for each thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The calling thread's, which no other thread has. (Not the block's address: the next thread often gets
/// the place of one that has ended.)
pub(crate) fn number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        /// 0 if nobody has asked.
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    if NUMBER.get() == 0 {
        NUMBER.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    }
    NUMBER.get()
}
