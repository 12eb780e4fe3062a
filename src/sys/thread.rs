//! Registering a thread: its record, who may signal it, and what is undone when it ends.
//!
//! # Safety
//!
//! A [`Target`] points to the block of a thread. It is used under the record's lock only, and the record is closed under that lock
//! before the thread's memory goes: by a pthread key, whose destructors run after those of Rust's thread-locals.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use super::block::{self, Block};
use super::{deadline_timer, dispatch, install, raw, second_best, signal, timer};
use crate::node::Node;
use crate::state::{Record, Thread, Word};

/// The record of one thread.
pub(crate) type ThreadRecord = Record<Target, Node>;

/// A thread that can be armed and signalled.
pub(crate) struct Target {
    block: NonNull<Block>,
    tid: i32,
}

// SAFETY: a block is made of atomics; the pointer is valid wherever a record hands a target out, see the module.
unsafe impl Send for Target {}

impl Target {
    /// The kernel's id of the thread.
    pub(crate) fn tid(&self) -> i32 {
        self.tid
    }

    fn block(&self) -> &Block {
        // SAFETY: the record is locked and not closed, so the thread and its block are there.
        unsafe { self.block.as_ref() }
    }
}

impl Thread<Node> for Target {
    fn word(&self) -> &Word {
        &self.block().word
    }

    fn signal(&self) -> io::Result<()> {
        second_best::look(self.block(), self.tid);
        signal_block(self.block(), self.tid)
    }

    fn point_at(&self, cause: Option<&Node>) {
        let refusals = cause.map_or(ptr::null_mut(), |node| (&raw const node.refusals).cast_mut());
        self.block().refusals.store(refusals, Ordering::Release);
    }
}

/// Sends our signal to the thread of that block, unless one is on its way already (S5).
///
/// The swap pairs with the handler's: if we find the flag set, a handler is still to run, and its swap, which comes after ours,
/// makes it see all that we did before.
pub(super) fn signal_block(block: &Block, tid: i32) -> io::Result<()> {
    let Some(number) = install::signal() else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "no signal is free for eintr"));
    };
    if block.in_flight.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    signal::send(tid, number).map_err(|errno| {
        block.in_flight.store(false, Ordering::Release);
        io::Error::from_raw_os_error(errno)
    })
}

/// Tells this thread's block from any other thread's.
pub(crate) fn address() -> usize {
    block::address() as usize
}

/// The calling thread's record, if it has one.
pub(crate) fn registered() -> Option<Arc<ThreadRecord>> {
    let record = NonNull::new(block::with(|block| block.record.load(Ordering::Relaxed)))?;
    // SAFETY: the pointer came from `Arc::into_raw` in `register`, and the block owns one count until the thread ends.
    unsafe {
        Arc::increment_strong_count(record.as_ptr());
        Some(Arc::from_raw(record.as_ptr()))
    }
}

/// Whether that is the calling thread's record.
pub(crate) fn is_registered_as(record: &Arc<ThreadRecord>) -> bool {
    ptr::eq(block::with(|block| block.record.load(Ordering::Relaxed)), Arc::as_ptr(record))
}

/// The calling thread's record, which is made if there is none. A record that is another thread's (in the child of a raw
/// `clone`, S6) becomes this one's.
pub(crate) fn register() -> Arc<ThreadRecord> {
    if let Some(record) = registered() {
        if block::with(|block| block.tid.load(Ordering::Relaxed)) != raw::gettid() {
            settle_in(&record);
        }
        return record;
    }
    let tid = raw::gettid();
    let record = block::with(|block| {
        let record = Arc::new(Record::new(Target { block: NonNull::from(block), tid }));
        block.record.store(Arc::into_raw(record.clone()).cast_mut(), Ordering::Relaxed);
        // Last: from here on a handler on this thread believes the block.
        block.tid.store(tid, Ordering::Release);
        record
    });
    at_thread_end();
    record
}

/// In the child of a fork: the thread that forked is this process's only one, under another id.
pub(super) fn adopt() {
    if let Some(record) = registered() {
        settle_in(&record);
        for task in record.tasks() {
            task.adopt();
        }
    }
}

/// Gives the record and the block the id that the thread has now. The old thread's timer and signals are not ours.
fn settle_in(record: &ThreadRecord) {
    let tid = raw::gettid();
    block::with(|block| {
        timer::forget(block);
        deadline_timer::forget(block);
        dispatch::forget(block);
        block.in_flight.store(false, Ordering::Relaxed);
        block.tid.store(tid, Ordering::Release);
        record.thread(|target| target.tid = tid);
        if block.word.is_armed() {
            let _ = signal_block(block, tid);
        }
    });
}

/// Has `end` called when this thread ends. Where the system has no key left, a record of a few dozen bytes is leaked for each
/// thread; nobody can reach the thread through it, since its tasks have ended.
fn at_thread_end() {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is ours to write, and `end` is a plain function.
        (unsafe { libc::pthread_key_create(&mut key, Some(end)) } == 0).then_some(key)
    });
    if let Some(key) = key {
        // SAFETY: the key exists; the value only has to differ from null for `end` to be called.
        unsafe { libc::pthread_setspecific(*key, block::address().cast()) };
    }
}

/// Closes the record: nobody signals this thread any more. If another destructor registers it again, this one is called again.
extern "C" fn end(_value: *mut libc::c_void) {
    block::with(|block| {
        let Some(record) = registered() else { return };
        record.close();
        dispatch::end(block);
        timer::delete(block);
        deadline_timer::delete(block);
        block.tid.store(0, Ordering::Relaxed);
        let owned = block.record.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the count that `register` gave to the block.
        drop(unsafe { Arc::from_raw(owned) });
    });
}

/// Unblocks our signal on this thread; whether it was blocked.
pub(crate) fn unblock_signal() -> bool {
    let Some(number) = install::signal() else { return false };
    let was = signal::change_mask(libc::SIG_UNBLOCK, signal::bit(number));
    was & signal::bit(number) != 0
}

/// Blocks our signal on this thread again. One that is on its way is let in first, so that it does not stay pending.
pub(crate) fn block_signal() {
    if let Some(number) = install::signal() {
        block::with(deadline_timer::rest_if_idle);
        raw::gettid();
        signal::change_mask(libc::SIG_BLOCK, signal::bit(number));
    }
}

/// To be called before a thread's outermost task begins: a signal that is still on its way here was lost (to a sigwait of the
/// application's, or to a handler that replaced ours), and must not keep others from being sent.
pub(crate) fn forget_lost_signal(record: &ThreadRecord) {
    if record.innermost().is_none() {
        block::with(|block| block.in_flight.store(false, Ordering::Relaxed));
    }
}

/// To be called after the thread changed its own stack or its reach: the timer and dispatch follow.
pub(crate) fn settle() {
    block::with(dispatch::settle);
}
