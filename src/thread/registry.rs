//! The calling thread's record.
//!
//! # Safety
//!
//! The thread owns one count of the record, from its registration to its end.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use super::target::{our_signal_is_blocked, signal_block};
use super::{Record, Target, ThreadRecord, all_threads, block, repeat_timer, wanted};
use crate::kernel::raw;

thread_local! {
    /// An `Arc` turned into a pointer, or null.
    static RECORD: Cell<*const ThreadRecord> = const { Cell::new(ptr::null()) };
}

/// The calling thread's record, if it has one.
pub(crate) fn registered() -> Option<Arc<ThreadRecord>> {
    let record = NonNull::new(RECORD.get().cast_mut())?;
    // SAFETY: the pointer came from `Arc::into_raw` in `register`, and the thread owns one count
    // until the thread ends.
    unsafe {
        Arc::increment_strong_count(record.as_ptr());
        Some(Arc::from_raw(record.as_ptr()))
    }
}

/// Looks at the calling thread's record, if it has one.
pub(crate) fn with_registered<T>(look: impl FnOnce(&ThreadRecord) -> T) -> Option<T> {
    let record = RECORD.get();
    // SAFETY: null, or a record of which the thread owns one count until the thread ends, which is not
    // meanwhile.
    unsafe { record.as_ref() }.map(look)
}

/// Whether that is the calling thread's record.
pub(crate) fn is_registered_as(record: &Arc<ThreadRecord>) -> bool {
    ptr::eq(RECORD.get(), Arc::as_ptr(record))
}

/// Takes the thread's count of its record from it, at its end.
pub(crate) fn give_up() -> Option<Arc<ThreadRecord>> {
    let record = NonNull::new(RECORD.replace(ptr::null()).cast_mut())?;
    // SAFETY: the count that `register` gave to the thread.
    Some(unsafe { Arc::from_raw(record.as_ptr()) })
}

/// The calling thread's record, which is made if there is none. A record that is another thread's
/// (in the child of a raw `clone`, S6) becomes this one's.
pub(crate) fn register() -> Arc<ThreadRecord> {
    if let Some(record) = registered() {
        if block::with(|block| block.tid.load(Ordering::Relaxed)) != raw::gettid() {
            rebind();
        }
        return record;
    }
    let tid = raw::gettid();
    let record = block::with(|block| {
        let record = Arc::new(Record::new(Target::of(block)));
        RECORD.set(Arc::into_raw(record.clone()));
        // Last: from here on a handler on this thread believes the block.
        block.tid.store(tid, Ordering::Release);
        repeat_timer::prepare(block);
        record
    });
    all_threads::enter(&record);
    mark_as_known(block::address().cast());
    record
}

/// Gives the block the id that the thread has now. The old thread's timers and signals are not ours.
pub(crate) fn rebind() {
    let tid = raw::gettid();
    block::with(|block| {
        block.reset_in_child();
        wanted::forget(block);
        block.tid.store(tid, Ordering::Release);
        repeat_timer::prepare(block);
        block.delivery.hushed.store(our_signal_is_blocked(), Ordering::Relaxed);
        if block.word.is_armed() {
            let _ = signal_block(block, tid);
        }
    });
}

/// The key by which threads' ends are noticed; none where the system has none left. Then a record of a few
/// dozen bytes is leaked for each thread; nobody can reach the thread through it, since its tasks have
/// ended.
static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();

/// Calls `end` when a thread that has registered ends; once, and before the first does.
pub(crate) fn at_thread_end(end: unsafe extern "C" fn(*mut libc::c_void)) {
    KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is ours to write, and `end` is made for it.
        (unsafe { libc::pthread_key_create(&mut key, Some(end)) } == 0).then_some(key)
    });
}

/// Whether this thread may have registered, asked without touching its block: in a library that was
/// loaded while the program ran, the first touch allocates it. Async-signal-safe.
pub(crate) fn is_known() -> bool {
    KEY.get().is_some_and(|key| {
        // SAFETY: the key exists.
        key.is_none_or(|key| !unsafe { libc::pthread_getspecific(key) }.is_null())
    })
}

/// Marks the calling thread as one that [`is_known`], or by null as one that is not.
pub(crate) fn mark_as_known(value: *const libc::c_void) {
    if let Some(key) = KEY.get().copied().flatten() {
        // SAFETY: the key exists; the value only has to differ from null for `end` to be called.
        unsafe { libc::pthread_setspecific(key, value) };
    }
}
