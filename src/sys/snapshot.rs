//! A thread's registers and a piece of its stack, for a report (S17).
//!
//! The reporter lays a buffer out for the thread and signals it; the thread's handler copies, and
//! does no more: unwinding may take the loader's lock, so it is the reporter's business. A thread
//! that does not answer within a limit is not waited for.
//!
//! # Whose the buffer is
//!
//! Its pointer stands in the thread's block, and belongs to whoever swaps it out: the handler, which
//! then fills it and says so; the thread's end, which says that nothing comes; the next fork's
//! child; or the reporter, which has waited long enough. A reporter that finds its pointer gone
//! waits once more, for a handler that copies is about to be done. If it still is not (the thread
//! was stopped by a debugger right there), the buffer is left to it for ever: a leak, and not a
//! write into memory that is another's by then.
//!
//! # Safety
//!
//! The buffer is touched by whoever has its pointer, and by nobody else; a reporter that waits has the
//! state and the pipe in common with the handler. The stack is read through the kernel: see
//! [`stack_copy`](super::stack_copy).

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::ucontext_t;

use super::arch;
use super::block::Block;
use super::clock::{self, Moment};
use super::stack_copy::Carrier;
use super::thread::{Target, ThreadRecord};
use super::{fork, futex};
use crate::node::Node;
use crate::state::Thread;

pub(crate) use super::arch::Registers;

/// How much of a stack is copied, from its innermost end.
const STACK: usize = 64 << 10;

/// What a thread was doing.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) registers: Registers,
    /// What lies from the stack pointer on.
    pub(crate) stack: Box<[u8]>,
    /// How much of that was copied.
    pub(crate) length: usize,
}

/// A snapshot that is to be taken.
pub(super) struct Wanted {
    /// One of the states below; a futex.
    state: AtomicU32,
    carrier: Carrier,
    snapshot: UnsafeCell<Snapshot>,
}

/// Nobody has taken it yet.
const WANTED: u32 = 0;
/// It is there.
const TAKEN: u32 = 1;
/// The thread has ended.
const GONE: u32 = 2;

/// The handler's part. Async-signal-safe.
pub(super) fn serve(block: &Block, context: &ucontext_t) {
    // SAFETY: see the module.
    let Some(wanted) = (unsafe { claim(block).as_ref() }) else { return };
    // SAFETY: the reporter touches it again once the state says so.
    let snapshot = unsafe { &mut *wanted.snapshot.get() };
    snapshot.registers = arch::registers(context);
    snapshot.length = wanted.carrier.send(snapshot.registers.sp, &mut snapshot.stack);
    wanted.tell(TAKEN);
}

/// The thread ends: to be called once nobody can lay out another.
pub(super) fn refuse(block: &Block) {
    // SAFETY: see the module.
    if let Some(wanted) = unsafe { claim(block).as_ref() } {
        wanted.tell(GONE);
    }
}

/// In the child of a fork there is no reporter.
pub(super) fn forget(block: &Block) {
    claim(block);
}

fn claim(block: &Block) -> *mut Wanted {
    if block.snapshot.load(Ordering::Relaxed).is_null() {
        return ptr::null_mut();
    }
    block.snapshot.swap(ptr::null_mut(), Ordering::AcqRel)
}

impl Wanted {
    /// The last that is done with it: the reporter may free it before the futex is woken, whose
    /// address is a number to the kernel.
    fn tell(&self, state: u32) {
        let word = &raw const self.state;
        self.state.store(state, Ordering::Release);
        futex::wake_address(word as usize);
    }

    /// Waits until it is told, but not beyond that moment.
    fn wait(&self, until: Moment) -> u32 {
        loop {
            let state = self.state.load(Ordering::Acquire);
            if state != WANTED || until <= Moment::now() {
                return state;
            }
            futex::wait(&self.state, WANTED, until);
        }
    }
}

/// Has a snapshot taken of the thread of that record, if it runs that task; none if it does not
/// answer within the limit.
pub(crate) fn take(
    record: &Arc<ThreadRecord>,
    task: &Arc<Node>,
    limit: Duration,
) -> Option<Snapshot> {
    let stack = vec![0; STACK].into_boxed_slice();
    let snapshot = Snapshot { registers: Registers::default(), stack, length: 0 };
    let state = AtomicU32::new(WANTED);
    let snapshot = UnsafeCell::new(snapshot);
    let wanted = Box::into_raw(Box::new(Wanted { state, carrier: Carrier::choose(), snapshot }));
    // SAFETY: it is freed by us, below, and by nobody else.
    let shared = unsafe { &*wanted };
    let until = Moment::in_time(limit);
    let state = match lay_out_until(until, record, task, wanted) {
        LaidOut::Yes => match shared.wait(until) {
            WANTED if withdraw(record, wanted) => GONE,
            WANTED => shared.wait(Moment::in_time(limit)),
            state => state,
        },
        LaidOut::NotYet | LaidOut::No => GONE,
    };
    if state == WANTED {
        // A handler has it and does not come to its end: see the module.
        return None;
    }
    // SAFETY: nobody else has it any more.
    let Wanted { carrier, snapshot, .. } = *unsafe { Box::from_raw(wanted) };
    (state == TAKEN).then(|| {
        let mut snapshot = snapshot.into_inner();
        snapshot.length = carrier.receive(&mut snapshot.stack[..snapshot.length]);
        snapshot
    })
}

enum LaidOut {
    Yes,
    /// Another reporter is at it.
    NotYet,
    /// There is no such thread, or it cannot be signalled.
    No,
}

fn lay_out_until(
    until: Moment,
    record: &ThreadRecord,
    task: &Arc<Node>,
    wanted: *mut Wanted,
) -> LaidOut {
    loop {
        match lay_out(record, task, wanted) {
            LaidOut::NotYet if Moment::now() < until => clock::pause(Duration::from_micros(50)),
            laid_out => return laid_out,
        }
    }
}

/// Lays it out and signals the thread.
fn lay_out(record: &ThreadRecord, task: &Arc<Node>, wanted: *mut Wanted) -> LaidOut {
    let _gate = fork::gate();
    // The task cannot end while we hold its thread's lock, and a signal that is sent by then is let
    // in before it does (P6).
    record.thread_of(task, |thread| lay_out_for(thread, wanted)).unwrap_or(LaidOut::No)
}

fn lay_out_for(thread: &Target, wanted: *mut Wanted) -> LaidOut {
    let place = &thread.block().snapshot;
    let [now, then] = [Ordering::AcqRel, Ordering::Relaxed];
    if place.compare_exchange(ptr::null_mut(), wanted, now, then).is_err() {
        return LaidOut::NotYet;
    }
    // What could not be signalled may have come round by itself.
    if thread.signal().is_ok() || !take_back(thread, wanted) { LaidOut::Yes } else { LaidOut::No }
}

/// Takes it back; false if the thread has it.
fn withdraw(record: &ThreadRecord, wanted: *mut Wanted) -> bool {
    let _gate = fork::gate();
    record.thread(|thread| take_back(thread, wanted)).unwrap_or(false)
}

fn take_back(thread: &Target, wanted: *mut Wanted) -> bool {
    let [now, then] = [Ordering::AcqRel, Ordering::Relaxed];
    let place = &thread.block().snapshot;
    place.compare_exchange(wanted, ptr::null_mut(), now, then).is_ok()
}
