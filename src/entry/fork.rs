//! A fork: libc calls us before it, and after it in both processes.
//!
//! # Safety
//!
//! The handlers are plain functions that live as long as the program.

#![allow(unsafe_code)]

use std::sync::Once;

use crate::hook::thread as hook_thread;
use crate::kernel::{pid, thread_id};
use crate::thread::{all_threads, block, fork_gate, registry};

/// Runs the three handlers around every `fork` from now on, unless they do already.
pub(crate) extern "C" fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        // SAFETY: the handlers are plain functions that live as long as the program.
        unsafe { libc::pthread_atfork(Some(fork_gate::close), Some(fork_gate::open), Some(child)) };
    });
}

/// Before `main`, while there is one thread. (Not at first use: the child of a fork by another
/// thread at that moment would wait for the one that comes first, which it does not have.) Whatever
/// makes something that a fork could copy calls [`watch`] all the same: there are ways to link a
/// program that drop this.
// SAFETY: an array of functions without arguments, which the loader calls once each; `watch` needs
// nothing that `main` has and a constructor has not.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = watch;

extern "C" fn child() {
    fork_gate::begin_generation();
    pid::remember();
    thread_id::forget();
    adopt();
    fork_gate::open();
}

/// In the child of a fork: the thread that forked is this process's only one, under another id.
fn adopt() {
    if let Some(record) = registry::registered() {
        registry::rebind();
        all_threads::adopt();
        // Without an allocation: the child's turn of a foreign allocator may be still to come.
        record.each_task(|task| task.adopt(&record));
        if let Some(hooks) = block::with(hook_thread::of) {
            hooks.adopt();
            // Not freed here either.
            std::mem::forget(hooks);
        }
    }
}
