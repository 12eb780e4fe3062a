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
        // First: whoever holds the signal lock by now is let finish, and nobody comes after. What follows may take the
        // thread's things apart.
        let gate = fork_gate::gate();
        let left = record.close();
        drop(gate);
        // Who goes through all threads, or waits for this one's stack, finds it gone.
        all_threads::leave();
        wanted::refuse(block);
        standing::forget(block);
        left.iter().for_each(|frame| frame.task().give_up_on(&record));
        // Dispatch before its stack: a SIGSYS must not come when that is unmapped. The timers while the thread is
        // known: what they have sent still has a handler that knows whose it is.
        dispatch::end(block);
        dispatch::give_up_stack(block);
        repeat_timer::delete(block);
        timer::delete(block);
        hook_thread::end(block);
        // From here on a handler takes nothing for ours. Last: what the record's end frees, a signal may interrupt.
        block.tid.store(0, Ordering::Relaxed);
        let owned = registry::give_up();
        registry::mark_as_known(ptr::null());
        drop(owned);
    });
}
