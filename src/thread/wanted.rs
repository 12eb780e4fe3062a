//! What a thread tells a reporter of itself: its registers and a piece of its stack (S17).
//!
//! The reporter lays a buffer out for the thread and signals it; the thread's handler copies, and
//! does no more: unwinding may take the loader's lock, so it is the reporter's business.
//!
//! A thread that makes a call again and again is wanted where that call is cut short. If the signal finds it
//! there, in its pause, it answers at once, else when it comes by: so the stack is the same at whatever
//! moment one asks.
//!
//! # Whose the buffer is
//!
//! Its pointer stands in the thread's block, and belongs to whoever swaps it out: the handler, which
//! then fills it and says so; the thread's end, which says that nothing comes; the next fork's
//! child; or the reporter, which has waited long enough.
//!
//! # As far as there is something
//!
//! Nobody knows where the stack ends, for the interrupted code may run on one of its own, and behind
//! its end may lie what another thread unmaps at this moment. So each page is read by the kernel,
//! in one step with the question whether it is there: by `process_vm_readv`, and where a sandbox or
//! an emulator has none, by a write into a pipe that the reporter empties.
//!
//! # Safety
//!
//! The buffer is touched by whoever has its pointer, and by nobody else; a reporter that waits has the
//! state and the pipe in common with the handler. The syscall is given an address to read from at
//! which nothing need be.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_long, ucontext_t};

use super::Block;
use crate::arch;
use crate::kernel::{futex, memory, syscall};

pub(crate) use crate::arch::Registers;

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
pub(crate) struct Wanted {
    /// One of the states below; a futex.
    pub(crate) state: AtomicU32,
    pub(crate) carrier: Carrier,
    /// It is to be taken where the call is cut short that the thread makes again and again.
    pub(crate) at_call: bool,
    pub(crate) snapshot: UnsafeCell<Snapshot>,
}

/// What is added to the address in the block then.
const AT_CALL: usize = 1;
const _: () = assert!(align_of::<Wanted>() > AT_CALL);

/// Nobody has taken it yet.
pub(crate) const WANTED: u32 = 0;
/// It is there.
pub(crate) const TAKEN: u32 = 1;
/// The thread has ended.
pub(crate) const GONE: u32 = 2;

/// How the copy comes to the reporter.
pub(crate) enum Carrier {
    /// The kernel copies from place to place.
    Kernel,
    Pipe {
        reader: OwnedFd,
        writer: OwnedFd,
    },
    /// There is no way, for want of descriptors.
    Nothing,
}

/// Lays a buffer out; false if another one lies there.
///
/// # Safety
///
/// The buffer must stay until it is taken back, or says that it is no longer [`WANTED`].
pub(crate) unsafe fn lay_out(block: &Block, wanted: *mut Wanted) -> bool {
    let [now, then] = [Ordering::AcqRel, Ordering::Relaxed];
    // SAFETY: it is the caller's, still.
    let at_call = usize::from(unsafe { (*wanted).at_call });
    let wanted = wanted.map_addr(|address| address | at_call);
    block.snapshot.compare_exchange(ptr::null_mut(), wanted, now, then).is_ok()
}

/// Takes it back; false if the thread has it.
pub(crate) fn take_back(block: &Block, wanted: *mut Wanted) -> bool {
    let there = block.snapshot.load(Ordering::Relaxed);
    let is_there = there.map_addr(|address| address & !AT_CALL) == wanted;
    is_there && take_out(block, there)
}

/// Fills the buffer, if one is laid out; where the thread stands, a syscall may be answered. Async-signal-safe.
pub(crate) fn serve(block: &Block, context: &ucontext_t, is_answered: bool) {
    let is_there = || is_answered && block.retries.shows(arch::number(context));
    fill(claim(block, |tag| tag != AT_CALL || is_there()), context);
}

/// The same where a call is cut short.
pub(crate) fn serve_at_call(block: &Block, number: c_long, context: &ucontext_t) {
    fill(claim(block, |tag| tag == AT_CALL && block.retries.shows(number)), context);
}

fn fill(wanted: *mut Wanted, context: &ucontext_t) {
    // SAFETY: see the module.
    let Some(wanted) = (unsafe { wanted.as_ref() }) else { return };
    // SAFETY: the reporter touches it again once the state says so.
    let snapshot = unsafe { &mut *wanted.snapshot.get() };
    snapshot.registers = arch::registers(context);
    snapshot.length = wanted.carrier.send(snapshot.registers.sp, &mut snapshot.stack);
    wanted.tell(TAKEN);
}

/// The thread ends: to be called once nobody can lay out another.
pub(crate) fn refuse(block: &Block) {
    // SAFETY: see the module.
    if let Some(wanted) = unsafe { claim(block, |_| true).as_ref() } {
        wanted.tell(GONE);
    }
}

/// In the child of a fork there is no reporter.
pub(crate) fn forget(block: &Block) {
    claim(block, |_| true);
}

fn claim(block: &Block, is_meant: impl Fn(usize) -> bool) -> *mut Wanted {
    let there = block.snapshot.load(Ordering::Relaxed);
    let is_ours = !there.is_null() && is_meant(there.addr() & AT_CALL) && take_out(block, there);
    if is_ours { there.map_addr(|address| address & !AT_CALL) } else { ptr::null_mut() }
}

/// False if it is there no more.
fn take_out(block: &Block, there: *mut Wanted) -> bool {
    let [now, then] = [Ordering::AcqRel, Ordering::Relaxed];
    block.snapshot.compare_exchange(there, ptr::null_mut(), now, then).is_ok()
}

impl Wanted {
    /// The last that is done with it: the reporter may free it before the futex is woken, whose
    /// address is a number to the kernel.
    fn tell(&self, state: u32) {
        let word = &raw const self.state;
        self.state.store(state, Ordering::Release);
        futex::wake_address(word as usize);
    }
}

impl Carrier {
    /// Copies what lies there; how much. Async-signal-safe.
    fn send(&self, from: usize, into: &mut [u8]) -> usize {
        const PAGE: usize = 4096;
        let mut sent = 0;
        while sent < into.len() {
            let at = from + sent;
            let length = (PAGE - at % PAGE).min(into.len() - sent);
            if !self.send_within_page(at, &mut into[sent..sent + length]) {
                break;
            }
            sent += length;
        }
        sent
    }

    fn send_within_page(&self, from: usize, into: &mut [u8]) -> bool {
        match self {
            Self::Kernel => memory::copy(from, into.as_mut_ptr().cast(), into.len()),
            // SAFETY: the kernel reads what is there, or says EFAULT. A piece of a page is
            // written whole or not at all.
            Self::Pipe { writer, .. } => unsafe {
                let arguments = [writer.as_raw_fd() as usize, from, into.len()];
                syscall(libc::SYS_write, arguments) == Ok(into.len())
            },
            Self::Nothing => false,
        }
    }
}
