//! A thread ends: libc says so, after the destructors of Rust's thread-locals.
//!
//! # Safety
//!
//! `end` is for libc to call.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::Ordering;

use crate::deadline::{standing, timer};
use crate::hook::thread as hook_thread;
use crate::reach::dispatch;
use crate::thread::{all_threads, block, fork_gate, registry, repeat_timer, wanted};

/// Closes the record: nobody signals this thread any more. If another destructor registers it
/// again, this one is called again. What did not end before, since the thread was ended without
/// unwinding (musl's `pthread_exit`), ends here.
///
/// # Safety
///
/// For libc to call, at the end of a thread.
pub(crate) unsafe extern "C" fn end(value: *mut libc::c_void) {
    block::with(|block| {
        let Some(record) = registry::registered() else { return };
        // libc has taken it off. Handlers are to know the thread as long as it can be signalled.
        registry::mark_as_known(value);
        let gate = fork_gate::gate();
        let left = record.close();
        drop(gate);
        all_threads::leave();
        wanted::refuse(block);
        standing::forget(block);
        left.iter().for_each(|frame| frame.task().give_up_on(&record));
        dispatch::end(block);
        dispatch::give_up_stack(block);
        repeat_timer::delete(block);
        timer::delete(block);
        hook_thread::end(block);
        block.tid.store(0, Ordering::Relaxed);
        let owned = registry::give_up();
        registry::mark_as_known(ptr::null());
        drop(owned);
    });
}
