//! What a program under the thread sanitizer is told of the order that we promise: what was done before a task was
//! asked is seen where that is raised, and what a task did, where its end was waited for.
//!
//! The sanitizer sees none of our atomics. Its runtime is found by weak symbols; without it they are null. (Rejected:
//! `dlsym`, which is of no use to a runtime that is linked statically by gcc, and overwrites `dlerror`.) One place
//! stands for all tasks: an order that only the same task gives is not told from that of another.
//!
//! # Safety
//!
//! Both functions take any address and keep a clock for it.

#![allow(unsafe_code)]

use std::arch::global_asm;
use std::ffi::c_void;
use std::sync::atomic::AtomicU8;

global_asm!(
    ".weak __tsan_acquire",
    ".weak __tsan_release",
    ".pushsection .data.rel.ro.eintr_tsan, \"aw\"",
    ".balign 8",
    ".hidden eintr_tsan",
    ".globl eintr_tsan",
    "eintr_tsan:",
    ".quad __tsan_acquire",
    ".quad __tsan_release",
    ".popsection",
);

type Tell = Option<unsafe extern "C" fn(*const c_void)>;

unsafe extern "C" {
    static eintr_tsan: [Tell; 2];
}

// Atomics, so that the two are never one: constants may be.
static ASKED: AtomicU8 = AtomicU8::new(0);
static ENDED: AtomicU8 = AtomicU8::new(0);

fn annotate(which: usize, place: &'static AtomicU8) {
    // SAFETY: two words that the linker fills in; null is none.
    if let Some(annotation) = unsafe { eintr_tsan[which] } {
        // SAFETY: any address will do.
        unsafe { annotation((&raw const *place).cast()) }
    }
}

/// Before a task is asked.
pub(super) fn asks() {
    annotate(1, &ASKED);
}

/// After a cause was raised.
pub(super) fn raised() {
    annotate(0, &ASKED);
}

/// Before a task ends.
pub(super) fn ends() {
    annotate(1, &ENDED);
}

/// After a task was seen to have ended.
pub(super) fn has_ended() {
    annotate(0, &ENDED);
}
