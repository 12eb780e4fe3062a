//! A thread's registers and a piece of its stack, for a report (S17): the reporter's half.
//!
//! The thread's half, and whose the buffer is between the two, is [`wanted`]. A
//! thread that does not answer within a limit is not waited for: the reporter takes its buffer back.
//! If it finds the buffer gone it waits once more, for a handler that copies is about to be done. If
//! it still is not (the thread was stopped by a debugger right there), the buffer is left to it for
//! ever: a leak, and not a write into memory that is another's by then.
//!
//! # Safety
//!
//! The buffer is touched by whoever has its pointer, and by nobody else. The reporter has it back
//! where the thread has told that it is done, or has never had it. Each syscall is given memory of
//! ours to write to.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::kernel::clock::{self, Moment};
use crate::kernel::raw::syscall;
use crate::kernel::{futex, memory};
use crate::task::node::Node;
use crate::thread::record::Thread;
use crate::thread::target::{Target, ThreadRecord};
use crate::thread::wanted::{Carrier, GONE, Registers, Snapshot, TAKEN, WANTED, Wanted};
use crate::thread::{fork_gate, wanted};

/// How much of a stack is copied, from its innermost end.
const STACK: usize = 64 << 10;

/// Takes a snapshot of the thread of that record, if it runs that task: where it is, or where the call
/// is cut short that it makes again and again. None if it does not answer within the limit.
pub(crate) fn take(
    record: &Arc<ThreadRecord>,
    task: &Arc<Node>,
    at_call: bool,
    limit: Duration,
) -> Option<Snapshot> {
    let stack = vec![0; STACK].into_boxed_slice();
    let snapshot = Snapshot { registers: Registers::default(), stack, length: 0 };
    let state = AtomicU32::new(WANTED);
    let snapshot = UnsafeCell::new(snapshot);
    let wanted = Box::into_raw(Box::new(Wanted { state, carrier: choose(), at_call, snapshot }));
    // SAFETY: it is freed by us, below, and by nobody else.
    let shared = unsafe { &*wanted };
    let until = Moment::in_time(limit);
    let state = match lay_out_until(until, record, task, wanted) {
        LaidOut::Yes => match wait(shared, until) {
            WANTED if withdraw(record, wanted) => GONE,
            WANTED => wait(shared, Moment::in_time(limit)),
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
        snapshot.length = receive(&carrier, &mut snapshot.stack[..snapshot.length]);
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

/// Waits until the thread tells, but not beyond that moment: the state then.
fn wait(wanted: &Wanted, until: Moment) -> u32 {
    loop {
        let state = wanted.state.load(Ordering::Acquire);
        if state != WANTED || until <= Moment::now() {
            return state;
        }
        futex::wait(&wanted.state, WANTED, until);
    }
}

/// Lays it out and signals the thread.
fn lay_out(record: &ThreadRecord, task: &Arc<Node>, wanted: *mut Wanted) -> LaidOut {
    let _gate = fork_gate::gate();
    // The task cannot end while we hold its thread's lock, and a signal that is sent by then is let
    // in before it does (P6).
    record.thread_of(&**task, |thread| lay_out_for(thread, wanted)).unwrap_or(LaidOut::No)
}

fn lay_out_for(thread: &Target, wanted: *mut Wanted) -> LaidOut {
    // SAFETY: `take` frees it only after one of the two, and leaves it for ever after neither.
    if !unsafe { wanted::lay_out(thread.block(), wanted) } {
        return LaidOut::NotYet;
    }
    // What could not be signalled may have come round by itself.
    let lies_there = thread.signal().is_ok() || !wanted::take_back(thread.block(), wanted);
    if lies_there { LaidOut::Yes } else { LaidOut::No }
}

/// Takes it back; false if the thread has it.
fn withdraw(record: &ThreadRecord, wanted: *mut Wanted) -> bool {
    let _gate = fork_gate::gate();
    record.thread(|thread| wanted::take_back(thread.block(), wanted)).unwrap_or(false)
}

/// How the copy is to come. Chosen before the handler runs: a pipe takes two descriptors.
fn choose() -> Carrier {
    if memory::is_read_by_kernel() {
        return Carrier::Kernel;
    }
    let mut ends = [-1; 2];
    let flags = (libc::O_CLOEXEC | libc::O_NONBLOCK) as usize;
    // SAFETY: the kernel writes two descriptors.
    if unsafe { syscall(libc::SYS_pipe2, [ends.as_mut_ptr() as usize, flags]) }.is_err() {
        return Carrier::Nothing;
    }
    // SAFETY: they are new, and nobody else's.
    let [reader, writer] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    Carrier::Pipe { reader, writer }
}

/// Takes what was sent; how much.
fn receive(carrier: &Carrier, into: &mut [u8]) -> usize {
    let Carrier::Pipe { reader, .. } = carrier else { return into.len() };
    let mut received = 0;
    while received < into.len() {
        let rest = &mut into[received..];
        let arguments = [reader.as_raw_fd() as usize, rest.as_mut_ptr() as usize, rest.len()];
        // SAFETY: the kernel writes to ours.
        match unsafe { syscall(libc::SYS_read, arguments) } {
            Ok(0) | Err(_) => break,
            Ok(count) => received += count,
        }
    }
    received
}
