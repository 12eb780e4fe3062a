//! What the signals and dispatch of a thread do when nothing stands there any more.

use std::sync::atomic::Ordering;

use crate::deadline::timer;
use crate::kernel::{raw, signals};
use crate::reach::dispatch;
use crate::signal::ours;
use crate::thread::{Block, block, fork_gate, hold, registry, target};

/// Makes dispatch and the timer follow from the word. If nothing stands any more, a signal that is still
/// on its way is let in.
pub(crate) fn sync_signals_to_word() {
    block::with(|block| {
        dispatch::sync_to_word(block);
        // What has just found our signal taken is made good.
        ours::move_if_taken();
        if block.word.is_armed() {
            return;
        }
        if let Some(number) = block.delivery.take_deferred() {
            // The handler has put it off. (What looked like a handler of the application's, whose
            // end would unblock it, may have been code below a call that was left by siglongjmp.)
            signals::change_mask(libc::SIG_UNBLOCK, signals::bit(number));
        }
        if block.delivery.is_announced() || block.delivery.is_held() {
            let_signal_in(block);
        }
    });
}

/// On the way out of any syscall, the kernel delivers what was sent before. What was announced and
/// not sent is waited for; what is held back is not sent any more.
#[cold]
fn let_signal_in(block: &Block) {
    raw::gettid();
    if block.delivery.is_announced() || block.delivery.is_held() {
        let gate = fork_gate::gate();
        if let Some(record) = registry::registered() {
            record.under_signal_lock(|| {
                block.delivery.acknowledge_futex();
                if !block.word.is_armed() && hold::give_up(block) {
                    block.delivery.take_back();
                }
            });
        }
        drop(gate);
        raw::gettid();
    }
    // It may have become armed since the look, by a deadline: what was held back for that is made good.
    if block.word.is_armed() {
        let _ = target::signal_block(block, block.tid.load(Ordering::Relaxed));
    }
}

/// Blocks signals that were open for a while. One that is on its way is let in first, so that it does
/// not stay pending.
pub(crate) fn block_again(blocked: signals::Set) {
    if blocked & signals::bit(libc::SIGSYS) != 0 {
        block::with(dispatch::block_sigsys);
    }
    let ours = blocked & !signals::bit(libc::SIGSYS);
    if ours != 0 {
        block::with(timer::rest_if_idle);
        raw::gettid();
        signals::change_mask(libc::SIG_BLOCK, ours);
    }
}
