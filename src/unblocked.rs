//! Our signals are open on a thread while a task or a deadline runs there.

use crate::kernel::{Set, raw, signals};
use crate::reach::dispatch;
use crate::signal::ours;
use crate::thread::{Ended, Stretch, ThreadRecord, block, fork_gate, stretches};
use crate::{after_change, rest};

/// Unblocks our signal on this thread, and SIGSYS: where that is blocked, dispatch cannot begin
/// (S2). Those that were blocked, and are to be again.
#[must_use]
pub(crate) fn unblock_signals() -> Set {
    let Some(number) = ours::number() else { return 0 };
    let sigsys = if dispatch::is_available() { signals::bit(libc::SIGSYS) } else { 0 };
    let needed = signals::bit(number) | sigsys;
    // What we have blocked ourselves (S3) is not to be again.
    let by_us = block::with(|block| block.delivery.take_deferred()).map_or(0, signals::bit);
    let blocked = signals::change_mask(libc::SIG_UNBLOCK, needed | by_us) & needed & !by_us;
    block::with(after_change::end_hush);
    blocked
}

/// They are to be blocked again where that stretch ends; or, if others that began later go on then,
/// where the next of these ends.
pub(crate) fn owe(stretch: Stretch, unblocked: Set) {
    if unblocked != 0 {
        stretches::owe(stretch, unblocked, false);
    }
}

/// Blocks again what a stretch owed, which has ended.
#[inline]
pub(crate) fn undo(ended: Ended) {
    if ended.unblocked() != 0 {
        rest::block_again(ended.unblocked());
    }
}

/// To be called before a thread's outermost task or deadline begins, with our signal open: a signal
/// that is still on its way here was lost (to a sigwait of the application's, or to a handler that
/// replaced ours), and must not keep others from being sent. What the helper thread has just sent is let in
/// first. (Unannounced it would pass for somebody else's: it has no siginfo where there is a
/// helper thread.)
pub(crate) fn forget_lost_signal(record: &ThreadRecord) {
    block::with(|block| {
        if block.delivery.is_announced() && !block.delivery.is_held() {
            let _gate = fork_gate::gate();
            if record.innermost().is_none() {
                record.under_signal_lock(|| {
                    raw::gettid();
                    block.delivery.take_back();
                });
            }
        }
    });
}
