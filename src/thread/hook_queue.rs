//! Threads whose hooks the hook threads are to run: a deadline of theirs has passed, or somebody asks many.
//!
//! A deadline is noticed by a handler, which runs nothing of the user's. It puts its thread's hooks
//! on a list and wakes the hook threads. The list is a stack of what is linked through itself, and
//! a hook thread takes it as a whole, and puts back all but the first; so the handler needs a swap and
//! nothing else: no lock, no allocation.
//!
//! # Safety
//!
//! A place is the beginning of a thread's hooks, of which the thread's block owns a count. What is on
//! the list owns one more, until whoever takes the list has it.

#![allow(unsafe_code)]

use std::iter;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

use super::{Block, hold};
use crate::kernel::{Moment, futex};

static IN_USE: AtomicBool = AtomicBool::new(false);

/// Whether any thread has ever had a hook.
pub(crate) fn in_use() -> bool {
    IN_USE.load(Relaxed)
}

/// A thread is about to have one.
pub(crate) fn use_it() {
    IN_USE.store(true, Relaxed);
}

/// The last that was put on the list.
static LIST: AtomicPtr<Queued> = AtomicPtr::new(ptr::null_mut());
/// Counts what was put there; a futex.
static ADDITIONS: AtomicU32 = AtomicU32::new(0);

/// A place on the list.
pub(crate) struct Queued {
    is_there: AtomicBool,
    next: AtomicPtr<Queued>,
    /// Counts one more owner of what it is the beginning of.
    retain: unsafe fn(*const Queued),
}

impl Queued {
    pub(crate) const fn new(retain: unsafe fn(*const Queued)) -> Self {
        let next = AtomicPtr::new(ptr::null_mut());
        Self { is_there: AtomicBool::new(false), next, retain }
    }

    /// In the child of a fork, where nobody takes anything off the list yet.
    pub(crate) fn forget(&self) {
        LIST.store(ptr::null_mut(), Relaxed);
        self.is_there.store(false, Relaxed);
    }
}

/// A deadline of that thread's has passed, and has armed it: the hook thread is to look. For the handler.
/// Async-signal-safe.
pub(crate) fn deadline_passed(block: &Block) {
    if block.hooked.recounting.load(Relaxed) {
        return;
    }
    block.hooked.count_arming();
    if block.hooked.is_unmasked.load(Relaxed) {
        let is_first = block.delivery.announce();
        if !hold::begin(block) && is_first {
            block.delivery.take_back();
        }
        // SAFETY: the handler's own thread's, which is there.
        if let Some(queued) = unsafe { block.hooked.hooks.load(Relaxed).as_ref() } {
            enqueue(queued);
        }
    }
}

/// Somebody is to look at these hooks, of which the caller owns a count. Async-signal-safe.
pub(crate) fn enqueue(queued: &Queued) {
    // If it is on the list still, it has not been looked at yet, and will be after this.
    if !queued.is_there.swap(true, AcqRel) {
        // SAFETY: somebody owns a count; this one is the list's.
        unsafe { (queued.retain)(queued) };
        add(queued, queued);
    }
    ADDITIONS.fetch_add(1, Release);
    futex::wake_all(&ADDITIONS);
}

/// Puts a chain on the list.
fn add(first: &Queued, last: &Queued) {
    let mut next = LIST.load(Relaxed);
    loop {
        last.next.store(next, Relaxed);
        let first = ptr::from_ref(first).cast_mut();
        match LIST.compare_exchange_weak(next, first, Release, Relaxed) {
            Ok(_) => return,
            Err(now) => next = now,
        }
    }
}

/// Waits until something is on the list, and hands it out with the count that the list owned. The rest is
/// left to others: this one may be slow.
pub(crate) fn take() -> NonNull<Queued> {
    loop {
        let seen = ADDITIONS.load(Acquire);
        let list = NonNull::new(LIST.swap(ptr::null_mut(), Acquire));
        // SAFETY: what was on the list is owned by it, and is ours until it is there again.
        let mut chain = iter::successors(list.map(|place| unsafe { place.as_ref() }), |queued| {
            // SAFETY: as above.
            unsafe { queued.next.load(Relaxed).as_ref() }
        });
        let Some(queued) = chain.next() else {
            futex::wait(&ADDITIONS, seen, Moment::NEVER);
            continue;
        };
        if let Some(second) = chain.next() {
            add(second, chain.last().unwrap_or(second));
            ADDITIONS.fetch_add(1, Release);
            futex::wake_all(&ADDITIONS);
        }
        // Before it is looked at: a handler that comes after puts it on the list again.
        queued.is_there.store(false, Release);
        return NonNull::from(queued);
    }
}
