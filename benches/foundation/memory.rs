//! What a task holds: heap bytes, counted by the allocator, and descriptors, counted by the kernel.
//!
//! The bytes are those that were ever asked for, as if nothing had been given back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use eintr::Task;
use eintr_benches::table::Table;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Off while times are taken: a counter that all threads write to would be in the way.
static ON: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    if ON.load(Ordering::Relaxed) {
        BYTES.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: the system's allocator, with a counter beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

const TIMES: usize = 64;

/// What `f` allocates, on average. Once before that for what is allocated once in a process.
fn bytes(mut f: impl FnMut()) -> usize {
    f();
    BYTES.store(0, Ordering::Relaxed);
    ON.store(true, Ordering::Relaxed);
    (0..TIMES).for_each(|_| f());
    ON.store(false, Ordering::Relaxed);
    BYTES.load(Ordering::Relaxed).div_ceil(TIMES)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Descriptors that so many nested tasks have, all asked, on one thread.
fn descriptors_of(tasks: usize, before: usize) -> usize {
    if tasks == 0 {
        return descriptors() - before;
    }
    let task = Task::root();
    task.interrupter().interrupt();
    task.run(|| descriptors_of(tasks - 1, before))
}

pub fn measure(table: &mut Table) {
    let task = bytes(|| eintr::task().0.run(|| ()));
    let spawned = bytes(|| eintr::spawn(|| ()).join().unwrap());
    let plain = bytes(|| thread::spawn(|| ()).join().unwrap());
    let asked = bytes(|| {
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        task.run(|| assert!(eintr::checkpoint().is_err()));
    });
    table.count("heap of a task", task, "B", Some(512));
    table.count("heap of a managed thread, beyond std's", spawned - plain, "B", Some(512));
    table.count("heap of a request", asked - task, "B", None);
    table.count("descriptors of 64 tasks", descriptors_of(TIMES, descriptors()), "", Some(0));
}
