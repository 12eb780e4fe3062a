//! The calling thread's id, which the kernel is asked for once in each thread.

use std::cell::Cell;

use super::raw;

thread_local! {
    /// Zero is nobody's.
    static ID: Cell<u32> = const { Cell::new(0) };
}

/// The calling thread's id.
#[inline]
pub(crate) fn get() -> u32 {
    match ID.get() {
        0 => ask(),
        id => id,
    }
}

#[cold]
fn ask() -> u32 {
    ID.set(raw::gettid() as u32);
    ID.get()
}

/// In the child of a fork, where it is another. (That of a raw `clone` keeps what it has copied: a report does
/// not know the owners of its locks.)
pub(crate) fn forget() {
    ID.set(0);
}
