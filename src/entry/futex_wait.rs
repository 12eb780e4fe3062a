//! The second way to tell a thread: by waking what it sleeps on, where that is a futex of ours.
//!
//! A wake-up by futex takes half the time of one by signal. So the waits of [`sync`](crate::sync)
//! sleep on two words at once (`futex_waitv`): the one that they wait for, and the thread's own. A
//! requester who has armed the thread wakes whoever sleeps on the thread's word. The kernel says how
//! many that were: if it was one, the thread was asleep there, and knows. If it was none, the
//! thread was elsewhere (on its way in or out, or in a handler of the application's that
//! interrupted the wait), and is sent the signal, as ever. So nobody has to guess where a thread
//! is, and all that is promised of the signal stands. The flag `asleep` only spares the question.
//!
//! To test the thread's word and to sleep on it is one step, so a wake-up is not slept through. The
//! bit that the requester stored is seen by whom it wakes: the kernel's lock on the queue of sleepers,
//! and its scheduler, are the edge that the signal is elsewhere.
//!
//! (Rejected: publishing the word that the thread waits for, for the requester to wake. Others may
//! sleep on it, so the count would not tell whether this thread was among them.)
//!
//! # In the handler's place
//!
//! The signal's handler does more than end the call: it says that nothing is in flight any more,
//! and sees to the plain calls that may follow. A thread that was told by futex does so itself,
//! before its wait returns ([`catch_up`]). That it was told it learns from the kernel as well: the
//! index of the word on which it was woken. If it was woken on both at once, that is the other one;
//! then `woken_by_futex` says so, once the requester has let go of the signal lock.
//!
//! A handler of the application's may come between the waking and the catching up. Own calls in it
//! find the word armed; a task that begins there finds the flag. A plain call that
//! *blocks* in such a handler is not interrupted.
//!
//! # Safety
//!
//! The kernel reads the two words: the caller's, which is borrowed, and the thread's own.

#![allow(unsafe_code)]

use std::mem::offset_of;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU32, fence};

use libc::{c_int, c_long};

use crate::deadline::timer;
use crate::kernel::{Moment, futex, memory};
use crate::reach::dispatch;
use crate::thread::{Block, Outcome, Stop, block, call, fork_gate, registry, repeat_timer};

/// Cleared where the kernel has no `futex_waitv` (before 5.16), or a sandbox does not allow it.
static AVAILABLE: AtomicBool = AtomicBool::new(true);

/// The kernel's `struct futex_waitv`.
#[repr(C)]
struct Waiter {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// A word of 32 bits, of this process only.
const FLAGS: u32 = 0x02 | libc::FUTEX_PRIVATE_FLAG as u32;

/// Whether that syscall is one that only these waits make, and can do without.
pub(crate) fn is_made_by(syscall: c_int) -> bool {
    c_long::from(syscall) == libc::SYS_futex_waitv
}

/// Where the thread's own word stands in the list. The kernel tells the last one on which there was
/// a wake-up; so if it tells this one, none was taken from the other.
const OWN: usize = 0;

fn waiter(word: &AtomicU32, value: u32) -> Waiter {
    Waiter { value: value.into(), address: word.as_ptr() as u64, flags: FLAGS, reserved: 0 }
}

/// Where the word lies for which a thread sleeps by that list, beside its own.
pub(crate) fn word(list: usize) -> Option<usize> {
    let mut address = [0; size_of::<usize>()];
    let at = list + size_of::<Waiter>() + offset_of!(Waiter, address);
    memory::read(at, &mut address).then(|| usize::from_ne_bytes(address))
}

/// Sleeps while the word is `expected`, until it is woken, the moment comes or this thread is
/// interrupted.
pub(crate) fn wait_until(word: &AtomicU32, expected: u32, until: Moment) -> Outcome<()> {
    wait_by_one(word, expected, until, None)
}

fn wait_by_one(
    word: &AtomicU32,
    expected: u32,
    until: Moment,
    lock: Option<&AtomicU32>,
) -> Outcome<()> {
    let until = until.ever();
    // SAFETY: the kernel reads the word, which is borrowed, and the time, which is ours.
    unsafe { call(libc::SYS_futex, futex::arguments(word, expected, &until, lock)) }.map(drop)
}

/// As [`wait_until`] without an end, and a requester may end it by futex.
pub(crate) fn wait(word: &AtomicU32, expected: u32) -> Outcome<()> {
    wait_for_lock(word, expected, None)
}

/// The same, for a lock of that state. A report finds it where the kernel has no argument.
pub(crate) fn wait_for_lock(
    word: &AtomicU32,
    expected: u32,
    lock: Option<&AtomicU32>,
) -> Outcome<()> {
    if !AVAILABLE.load(Relaxed) {
        return wait_by_one(word, expected, Moment::NEVER, lock);
    }
    block::with(|block| {
        // Now, where nobody waits for us. Nothing changes it while we sleep.
        let may_begin = dispatch::may_begin(block);
        let waiters = [waiter(&block.word.0, 0), waiter(word, expected)];
        let [list, lock_at] = [&raw const waiters as usize, futex::lock_argument(lock)];
        let arguments = [list, waiters.len(), 0, 0, 0, lock_at];
        // A handler of the application's may wait in a wait.
        let before = block.delivery.set_asleep(true);
        // SAFETY: the kernel reads the list, and the two words while we sleep.
        let outcome = unsafe { call(libc::SYS_futex_waitv, arguments) };
        block.delivery.set_asleep(before);
        // The requester's store of `woken_by_futex` comes before its wake-up.
        fence(Acquire);
        match outcome {
            Ok(OWN) => {
                block.delivery.acknowledge_futex();
                catch_up(block, may_begin);
                Err(Stop::Cancelled)
            }
            Ok(_) => {
                if block.delivery.may_be_woken_by_futex() {
                    was_told_as_well(block, may_begin);
                }
                Ok(())
            }
            Err(Stop::Errno(libc::EAGAIN)) if block.word.is_armed() => Err(Stop::Cancelled),
            Err(Stop::Errno(libc::EAGAIN | libc::EINTR) | Stop::Cancelled) => outcome.map(drop),
            Err(Stop::Errno(_)) => {
                AVAILABLE.store(false, Relaxed);
                wait_by_one(word, expected, Moment::NEVER, lock)
            }
        }
    })
}

/// Does what else the handler would have done.
fn catch_up(block: &Block, may_begin: bool) {
    timer::look(block);
    if block.word.is_armed() && !(may_begin && dispatch::begin_here(block)) {
        repeat_timer::repeat_after_own_call(block);
    }
}

/// The result is there, and a requester woke the thread's word before it was off the list, or was too
/// late for that and will send the signal.
#[cold]
fn was_told_as_well(block: &Block, may_begin: bool) {
    let gate = fork_gate::gate();
    let record = registry::registered();
    let was_woken = record
        .is_some_and(|record| record.under_signal_lock(|| block.delivery.acknowledge_futex()));
    drop(gate);
    if was_woken {
        catch_up(block, may_begin);
    }
}
