//! Telling a thread: Announce and Send of the argument (see the module).
//!
//! # Safety
//!
//! A [`Target`] points to the block of a thread. It is used under one of the record's locks only,
//! and the record is closed under both before the thread's memory goes (`entry/thread_end.rs`).

#![allow(unsafe_code)]

use std::any::Any;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use libc::c_int;

use super::block::{self, Block, Refusals};
use super::record::{Record, Thread};
use super::word::Word;
use super::{hold, proc_syscall, repeat_timer};
use crate::kernel::clock::Moment;
use crate::kernel::{futex, signals};
use crate::signal::ours::{self, Unsendable};
use crate::signal::{handlers, siginfo};

/// The record of one thread.
pub(crate) type ThreadRecord = Record<Target, dyn Task>;

/// A task as its threads know it.
pub(crate) trait Task: Any + Send + Sync {
    fn id(&self) -> u64;

    /// What the SIGSYS handler may touch of it.
    fn refusals(&self) -> &Refusals;

    /// In the child of a fork: it goes on here, on the one thread that there is, whose record that
    /// is. Allocates nothing and frees nothing.
    fn adopt(&self, record: &Arc<ThreadRecord>);

    /// The thread whose record that is has gone, and did not end it.
    fn give_up_on(&self, record: &Arc<ThreadRecord>);

    /// For whoever knows what it is.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// A thread that can be armed and signalled.
#[derive(Clone)]
pub(crate) struct Target {
    block: NonNull<Block>,
}

// SAFETY: a block is made of atomics; the pointer is valid wherever a record hands a target out,
// see the module.
unsafe impl Send for Target {}

impl Target {
    /// The thread of that block, which is the calling one.
    pub(crate) fn of(block: &Block) -> Self {
        Self { block: NonNull::from(block) }
    }

    /// The kernel's id of the thread.
    pub(crate) fn tid(&self) -> i32 {
        self.block().tid.load(Ordering::Relaxed)
    }

    pub(crate) fn block(&self) -> &Block {
        // SAFETY: one of the record's locks is held and it is not closed, so the thread and its
        // block are there.
        unsafe { self.block.as_ref() }
    }
}

impl Thread<dyn Task> for Target {
    fn word(&self) -> &Word {
        &self.block().word
    }

    fn announce(&self) -> bool {
        announce(self.block())
    }

    fn send(&self) -> io::Result<()> {
        proc_syscall::sample(self.block(), self.tid());
        send_announced(self.block(), self.tid())
    }

    fn became_armed(&self) {
        self.block().hooked.count_arming();
    }

    fn notify(&self) -> io::Result<()> {
        let block = self.block();
        // The thread itself runs its hooks after its change, and is woken by nobody.
        let waits = block.hooked.is_unmasked.load(Ordering::Acquire)
            && !ptr::eq(block, block::address())
            && ours::in_force().is_ok()
            && hold::begin(block);
        if waits { Ok(()) } else { notify_now(self) }
    }

    fn point_at(&self, cause: Option<&dyn Task>) {
        let refusals =
            cause.map_or(ptr::null_mut(), |task| ptr::from_ref(task.refusals()).cast_mut());
        self.block().refusals.store(refusals, Ordering::Release);
    }
}

/// Wakes a thread that sleeps in a wait of ours, or sends it our signal. For whoever holds the signal lock.
///
/// Then looks at all handlers, if nobody has just done so: the thread's own does not, and has signals wait
/// until then (S2).
fn notify_now(thread: &Target) -> io::Result<()> {
    let block = thread.block();
    let looks =
        block.reach.is_on() && !proc_syscall::is_needed() && !handlers::are_open(Moment::now());
    if looks {
        block.dispatch.promise_look();
    }
    let wake = || futex::wake(&block.word.0, 1) == 1;
    let told = if block.delivery.notify_by(wake) { Ok(()) } else { thread.send() };
    if looks {
        handlers::open_to_begin(Moment::now());
        if block.dispatch.keep_promise() {
            let _ = thread.signal();
        }
    }
    told
}

/// Our signal is another by now: what was announced may never come, and the thread's timers send the
/// old one. For whoever holds the signal lock.
pub(crate) fn move_over(thread: &Target) {
    let block = thread.block();
    for timer in [&block.repeat.timer, &block.deadlines.timer.kernel] {
        if timer.exists() {
            repeat_timer::ensure(timer, block);
        }
    }
    repeat_timer::prepare(block);
    if !block.delivery.may_be_woken_by_futex() && !block.delivery.is_held() {
        block.delivery.take_back();
    }
    // A shot may have been lost, also one that would have set the timer for what comes later.
    let first = block.deadlines.earliest.get().min(block.deadlines.timer.stands_at.get());
    if block.word.is_armed() || first <= Moment::now() {
        // Whoever comes next moves on, if this one is taken too.
        let _ = thread.signal();
    }
}

/// Sends our signal to the thread of that block, unless one is on its way already (S5).
pub(crate) fn signal_block(block: &Block, tid: i32) -> io::Result<()> {
    if announce(block) { send_announced(block, tid) } else { Ok(()) }
}

fn announce(block: &Block) -> bool {
    block.delivery.announce()
}

fn send_announced(block: &Block, tid: i32) -> io::Result<()> {
    if is_hushed(block) {
        block.delivery.take_back();
        return Ok(());
    }
    let sent = match ours::in_force() {
        Ok(number) => send(block, tid, number).map_err(io::Error::from_raw_os_error),
        // Without a text, which would be allocated: the outcome has one.
        Err(Unsendable::None) => Err(io::ErrorKind::Unsupported.into()),
        Err(Unsendable::Taken) => Err(io::ErrorKind::ResourceBusy.into()),
    };
    sent.inspect_err(|_| block.delivery.take_back())
}

/// Whether that is the calling thread, and it sends itself nothing and sets no timer: it is that of
/// a child of a fork, with our signal blocked ever since. Such a child is often about to run another
/// program, and before that takes its handlers out and opens everything: what is pending then is its
/// end (S23). What others of its threads ask it for, it is told as ever.
pub(crate) fn is_hushed(block: &Block) -> bool {
    let is_here = || ptr::eq(block, block::address());
    block.delivery.hushed.load(Ordering::Relaxed) && is_here() && our_signal_is_blocked()
}

pub(crate) fn our_signal_is_blocked() -> bool {
    ours::number().is_some_and(|number| signals::mask() & signals::bit(number) != 0)
}

/// Sends our signal, or has the thread's timer send it (S5). Async-signal-safe.
pub(crate) fn send(block: &Block, tid: i32, number: c_int) -> Result<(), i32> {
    match siginfo::send(tid, number) {
        Err(libc::EAGAIN) if repeat_timer::shoot(block) => Ok(()),
        sent => sent,
    }
}
