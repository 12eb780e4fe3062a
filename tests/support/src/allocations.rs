//! An allocator that counts what each thread has and has not given back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// For a test binary's `#[global_allocator]`.
pub struct Counting;

thread_local!(static BYTES: Cell<isize> = const { Cell::new(0) });

/// Bytes that this thread has allocated, less what it has freed.
pub fn here() -> isize {
    BYTES.get()
}

fn count(bytes: usize, sign: isize) {
    BYTES.with(|counted| counted.set(counted.get() + sign * bytes as isize));
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.dealloc(block, layout) }
    }
}
