//! What follows when a thread has changed its own stack: dispatch, timer, hooks.
//!
//! # Safety
//!
//! What libc is given to call is a plain function that lives as long as the program.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use crate::deadline::standing;
use crate::hook::{list, thread as hook_thread};
use crate::reach::dispatch;
use crate::rest;
use crate::thread::{Block, block, fork_gate, registry, stretches, target};

/// To be called after the thread changed its own stack or its reach, with no lock of ours held: the
/// timer, dispatch and hooks follow. If nothing stands any more, a signal that is still on its way is let
/// in: what runs next is not who was asked (P6).
pub(crate) fn sync_to_word() {
    take_in_strays();
    block::with(end_hush);
    list::sync_to_word();
}

/// To be called before it is asked what stands on this thread: what has ended on another one is
/// taken off here.
#[inline]
pub(crate) fn take_in_strays() {
    if stretches::any_strays() {
        block::with(take_in);
    }
}

#[cold]
fn take_in(block: &Block) {
    while let Some(ended) = stretches::take_in_stray(block) {
        let record = registry::registered();
        let floor = stretches::masked_tasks();
        let gate = fork_gate::gate();
        let task = record.as_ref().and_then(|record| match ended.was_task() {
            true => record.leave(ended.place(), floor),
            false => {
                record.mask(floor);
                None
            }
        });
        drop(gate);
        drop(task);
        list::forget_stray(ended);
        standing::follow(block);
        rest::sync_signals_to_word();
        rest::block_again(ended.unblocked());
    }
}

/// Makes up for what was left undone, once the signal is open: where a task or a deadline begins,
/// which opens it, and where the thread changes its stack or its reach. Until then checkpoints and
/// calls of our own find a request, and a deadline that had passed by the fork. (A child that opens
/// the signal by itself and then waits in a deadline of its parent's, with nothing begun or ended
/// since, waits on.)
pub(crate) fn end_hush(block: &Block) {
    if block.delivery.hushed.load(Ordering::Relaxed) && !target::our_signal_is_blocked() {
        block.delivery.hushed.store(false, Ordering::Relaxed);
        resume();
        dispatch::sync_to_word(block);
    }
}

/// In the child of a fork: the deadlines of the thread that forked go on, by a timer of this
/// process's; or, while it is hushed, by none. Called by `fork`, when the allocator is in order again.
pub(crate) extern "C" fn resume() {
    if hook_thread::own().is_some() && !block::with(target::is_hushed) {
        // Nobody can be told here that there is none: the next deadline or hook tries again.
        let _ = hook_thread::meet_deadline();
    }
    block::with(standing::rearm_if_passed);
    if standing::is_armed() {
        sync_to_word();
    }
}

/// The deadlines of a thread that forks go on in the child, from now on. To be called where
/// they begin, and not at the start: a helper thread may have to be made, for which the allocator's
/// handler must have run in the child, and so must have been registered before this one.
pub(crate) fn resume_in_children() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.load(Ordering::Relaxed) {
        // Perhaps twice, by two threads at once, which does no harm. (No `Once`: the child of a fork
        // that comes between would wait for the other thread, which it does not have.)
        // SAFETY: a plain function that lives as long as the program.
        unsafe { libc::pthread_atfork(None, None, Some(resume)) };
        DONE.store(true, Ordering::Relaxed);
    }
}
