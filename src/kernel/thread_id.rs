//! The calling thread's id, which the kernel is asked for once in each thread.

use std::cell::Cell;

use super::raw;

thread_local! {
    /// Zero is nobody's.
    static ID: Cell<u32> = const { Cell::new(0) };
}

/// Where a sandbox tells none. The kernel's ids are below.
const NOBODYS: u32 = 1 << 22;

/// The calling thread's id, or else a number that is no thread's; never zero.
#[inline]
pub(crate) fn get() -> u32 {
    match ID.get() {
        0 => ask(),
        id => id,
    }
}

#[cold]
fn ask() -> u32 {
    ID.set(match raw::gettid() as u32 {
        0 => NOBODYS,
        id => id,
    });
    ID.get()
}

/// In the child of a fork, where it is another. (That of a raw `clone` keeps what it has copied: a report does
/// not know the owners of its locks.)
pub(crate) fn forget() {
    ID.set(0);
}
