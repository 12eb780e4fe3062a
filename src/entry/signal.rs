//! The handler of our signal.
//!
//! It runs on the thread that is asked, between any two of its instructions. It touches atomics,
//! the saved context and raw syscalls; it takes no lock and allocates nothing (P10). **Whoever
//! edits this file: a `thread_local` with a destructor, a `format!`, a `panic!`, a `Mutex`, an
//! `Arc` that might drop, each is a deadlock that happens once a month.**
//!
//! What it does follows from the thread's word, never from the siginfo (S4). P and S are the numbers of
//! `docs/promises-and-rules.md`; why no wake-up is lost is argued in `src/thread/README.md`.
//!
//! # Safety
//!
//! The kernel hands the handler a siginfo and a context that are the handler's until it returns.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::Ordering;

use libc::{c_int, c_void, siginfo_t, ucontext_t};

use super::place::{Place, is_on_alternate_stack};
use crate::arch;
use crate::deadline::timer::{self, Shot};
use crate::kernel::{raw, signals};
use crate::reach::{alternate_stack, answer, dispatch, eintr, found, run_calls, signal_only};
use crate::signal::{Sender, ours, siginfo};
use crate::thread::{Block, block, hold, registry, repeat_timer, target, wanted};

/// Keeps the interrupted code's errno.
pub(crate) struct ErrnoGuard(c_int);

impl ErrnoGuard {
    pub(crate) fn new() -> Self {
        // SAFETY: errno is a plain integer of this thread's.
        Self(unsafe { *libc::__errno_location() })
    }
}

impl Drop for ErrnoGuard {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = self.0 };
    }
}

/// The function that `rt_sigaction` is given.
///
/// # Safety
///
/// For the kernel to call.
pub(crate) unsafe extern "C" fn on_signal(
    number: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    let _errno = ErrnoGuard::new();
    // SAFETY: the kernel's context, ours alone until we return.
    let saved = unsafe { &mut *context.cast::<ucontext_t>() };
    // SAFETY: the kernel's siginfo.
    let sender = siginfo::sender(unsafe { &*info });
    // Only then is there a block to look at: a thread that nobody can ask has perhaps none yet.
    let is_target = sender == Sender::Ours || registry::is_known();
    let mut was_in_flight = false;
    let mut answered = false;
    let stack = saved.uc_stack;
    alternate_stack::with_room(&stack, || {
        answered = is_target
            && block::with(|block| {
                is_believed(block, sender) && {
                    // What waits for the thread's hooks stays announced.
                    let is_early = hold::is_early(block);
                    // Before the look at the word and at what a reporter wants: a requester that finds
                    // `in_flight` set sends nothing, and relies on this handler (E2 of `thread/README.md`).
                    was_in_flight = !is_early && block.delivery.acknowledge();
                    handle(block, number, saved) || was_in_flight
                }
            });
    });
    if is_target && block::with(|block| block.dispatch.is_anothers.load(Ordering::Relaxed)) {
        dispatch::PREVIOUS.lead_back(context);
    }
    match sender {
        Sender::Ours => {}
        Sender::Unknown if answered => {}
        Sender::Unmarked if was_in_flight => {}
        // It may be one of ours, for which an earlier signal has acknowledged the announcement. So no default
        // action follows. The price: in such a sandbox a program that sends itself this signal to end goes on.
        Sender::Unmarked => ours::previous(number).forward(number, info, context, false),
        // One that merged with ours still goes to the handler that was there before, but a default
        // action does not follow upon a signal that had an answer (S4).
        Sender::Unknown | Sender::Other => {
            ours::previous(number).forward(number, info, context, !answered)
        }
    }
}

/// Whether the block is this thread's. It is not in the child of a vfork, which runs on its
/// parent's memory, nor in that of a raw clone (S6). The kernel need not be asked about a signal of
/// ours: that was sent to the thread whose id stands there, and came to no other.
fn is_believed(block: &Block, sender: Sender) -> bool {
    let tid = block.tid.load(Ordering::Acquire);
    tid != 0 && (sender == Sender::Ours || tid == raw::gettid())
}

/// Does what the thread's word says, by four questions in this order. True if there was anything of ours to do.
fn handle(block: &Block, number: c_int, context: &mut ucontext_t) -> bool {
    // First: has the signal interrupted a plain call that we make, or have made, for the thread? One that has
    // waited long enough ends (S18); any other goes back to where it was stopped, and is asked about anew.
    match run_calls::end(block, context) {
        Some(result) => arch::end_run(context, result),
        None => arch::put_back(context),
    }
    // 1. Is it ours, and are we still asked?
    let beneath = block.alternate_stack.beneath(context);
    wanted::serve(block, beneath, !ptr::eq(beneath, context));
    let shot = timer::look(block);
    if !block.word.is_armed() || block.delivery.waits_for_hooks() {
        return shot != Shot::None;
    }
    // 2. Where does the program counter stand? In the window of a call of our own it is moved out of it: Place.
    let place = Place::of(block, context);
    // 3. What will the next plain call meet? (Whatever this instruction belongs to, the next call may be
    // one.)
    let was_reached = dispatch::has_begun(block);
    let is_reached = dispatch::begin(block, context);
    match place {
        Place::OwnCallBefore => arch::cancel(context),
        Place::OwnCallAfter => {}
        Place::Abandonable(frame) => {
            arch::leave_to(context, frame);
            repeat_timer::repeat(block);
            return true;
        }
        Place::BoundedWrite => {
            eintr::undo_restart(context);
            repeat_timer::repeat(block);
            return true;
        }
        Place::NotToBeLeft | Place::Elsewhere if is_reached => {
            note_if_cut_short(block, context);
            if !was_reached {
                found::answer(block, context);
            }
        }
        Place::NotToBeLeft | Place::Elsewhere if block.reach.is_on() => {
            signal_only::interrupt(block, context);
        }
        Place::NotToBeLeft | Place::Elsewhere if eintr::undo_restart(context) => {
            answer::note_cut_short(block);
        }
        Place::NotToBeLeft | Place::Elsewhere => note_if_cut_short(block, context),
    }
    // 4. Does a call of our own lie below this handler? If not, does anything else ask again?
    if is_open(mark_below(place, block, context), block, context) {
        defer_to_outer_frame(block, number, context);
        return true;
    }
    block.delivery.take_deferred();
    match shot {
        _ if place == Place::NotToBeLeft => repeat_timer::repeat(block),
        _ if is_reached => {}
        Shot::Repeated if place.is_own_call() => {}
        _ if place.is_own_call() => repeat_timer::repeat_after_own_call(block),
        _ => repeat_timer::repeat(block),
    }
    true
}

/// A plain call that the kernel does not restart has returned EINTR, for us.
fn note_if_cut_short(block: &Block, context: &ucontext_t) {
    if eintr::was_cut_short(context) {
        answer::note_cut_short(block);
    }
}

/// The mark of the call of our own that lies below, if one does: not of that in which the context stands.
fn mark_below(place: Place, block: &Block, context: &ucontext_t) -> usize {
    let open = block.open.load(Ordering::Relaxed);
    if !place.is_own_call() {
        return open;
    }
    // Deferred to this call it may have been. Its own end is certain now, that of the call around it
    // is not.
    block.delivery.take_deferred();
    if open == arch::sp(context) { arch::mark_before(context) } else { open }
}

/// Whether that is the mark of a call which a handler of the application's has interrupted, and we
/// are in that handler. When it returns, the kernel goes on with that call: our signal must fire
/// there and not here alone (S3).
fn is_open(mark: usize, block: &Block, context: &ucontext_t) -> bool {
    if mark != 0 && is_left_behind(mark, block, context) {
        let [now, then] = [Ordering::Relaxed; 2];
        let _ = block.open.compare_exchange(mark, 0, now, then);
        return false;
    }
    mark != 0
}

/// Whether the open mark is that of a call that was left by siglongjmp: the stack has grown back
/// past it. (Code on an alternate stack tells nothing, and counts as a handler. The kernel tells of
/// that stack, but not while it has taken it back for a handler's time, by SS_AUTODISARM. But the C
/// library puts a thread's locals, and with them the block, above the thread's stack: what lies
/// beyond is another one.)
fn is_left_behind(open: usize, block: &Block, context: &ucontext_t) -> bool {
    let sp = arch::sp(context);
    let is_beyond = (open..sp).contains(&(&raw const *block as usize));
    sp >= open && !is_on_alternate_stack(block, context) && !is_beyond
}

/// Our signal waits until the handler that it landed in returns. If it fires again, and still
/// not there, then that handler unblocked it by itself, as siglongjmp does on its way out: from
/// then on the timer asks again.
fn defer_to_outer_frame(block: &Block, number: c_int, context: &mut ucontext_t) {
    // It may be one that was ours: a handler that came after ours goes on calling it.
    let number = ours::number().unwrap_or(number);
    if !block.delivery.defer(number) {
        return repeat_timer::repeat(block);
    }
    *signals::saved_mask(context) |= signals::bit(number);
    block.delivery.announce();
    let _ = target::send(block, block.tid.load(Ordering::Relaxed), number);
}
