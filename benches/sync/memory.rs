//! Memory: of the objects themselves, and of what a channel allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::turns::Turns;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, with a counter beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `f` allocates.
fn heap<T>(f: impl Fn() -> T) -> usize {
    drop(f());
    let before = BYTES.load(Ordering::Relaxed);
    let made = f();
    let after = BYTES.load(Ordering::Relaxed);
    drop(made);
    after - before
}

pub fn measure(turns: &mut Turns) {
    if !turns.wants("memory") {
        return;
    }
    let table = turns.table();
    let mut size = |what: &str, ours: usize, std: Option<usize>| {
        table.count(&format!("memory of a {what}"), ours, "B", std);
    };
    use eintr::sync::{Barrier, Condvar, Event, Mutex, RwLock, Semaphore};
    size("Mutex<()>, limit std's", size_of::<Mutex<()>>(), Some(size_of::<std::sync::Mutex<()>>()));
    size(
        "RwLock<()>, limit std's",
        size_of::<RwLock<()>>(),
        Some(size_of::<std::sync::RwLock<()>>()),
    );
    size("Condvar, limit std's", size_of::<Condvar>(), Some(size_of::<std::sync::Condvar>()));
    size("Barrier, limit std's", size_of::<Barrier>(), Some(size_of::<std::sync::Barrier>()));
    size("Semaphore", size_of::<Semaphore>(), None);
    size("Event", size_of::<Event>(), None);
    let std = heap(mpsc::channel::<u64>);
    size("channel, limit std's", heap(eintr::sync::channel::<u64>), Some(std));
    let std = heap(|| mpsc::sync_channel::<u64>(1));
    size("channel, bound 1, limit std's", heap(|| eintr::sync::sync_channel::<u64>(1)), Some(std));
    let message = |channel: (eintr::sync::Sender<u64>, _)| {
        channel.0.send(1).unwrap();
        channel
    };
    let std = heap(|| {
        let channel = mpsc::channel::<u64>();
        channel.0.send(1).unwrap();
        channel
    });
    let ours = heap(|| message(eintr::sync::channel::<u64>()));
    size("channel with a message, limit std's", ours, Some(std));
}
