//! The signal waits for the thread's hooks.
//!
//! A thread inside of `with_hook` is woken by its hook, and the signal follows: what the hook wakes ends as
//! it would by itself, and is not refused before. So the signal is announced, and held back. Who has run
//! the hooks sends it.
//!
//! Before any hook runs, the thread's timer is set to send it: also if a hook does not return, or nobody is left to
//! run it. Who has run the hooks sets it to now. It is the repeat timer, which stands still on a thread that was not armed. A
//! handler that comes early, by another's signal or by a deadline's shot, leaves what is held alone, and
//! sets the timer anew.
//!
//! So whoever finds a signal announced may rely on it, as ever: it comes, by the one or the other.
//! (Rejected: no announcement until the hooks have run. A second requester would send at once.)
//!
//! Where the kernel has no timer to give, nothing is held: the signal goes first.

use std::time::Duration;

use super::block::Block;
use super::repeat_timer;
use crate::kernel::clock::Moment;

/// How long the signal waits for a hook.
const AT_MOST: Duration = Duration::from_millis(10);

/// Holds the signal back that was announced; false if there is no timer. For a requester who has the signal lock, or
/// the thread's own handler.
pub(crate) fn begin(block: &Block) -> bool {
    // First: a shot of the timer's that finds nothing held is a signal as any other.
    block.delivery.held_until.set(Moment::now_in_handler().after(AT_MOST));
    let is_set = repeat_timer::ensure(&block.repeat.timer, block) && repeat_timer::shoot(block);
    if !is_set {
        block.delivery.held_until.set(Moment::LONG_AGO);
    }
    is_set
}

/// Whether a handler comes before what is held is due. Of the time that is up nothing is left.
pub(crate) fn is_early(block: &Block) -> bool {
    if !block.delivery.is_held() {
        return false;
    }
    let is_early = Moment::now_in_handler() < block.delivery.held_until.get();
    if is_early {
        // This may have been its shot, if another has set it meanwhile.
        repeat_timer::shoot(block);
    } else {
        block.delivery.held_until.set(Moment::LONG_AGO);
    }
    is_early
}

/// The hooks have run: the signal follows. For whoever holds the signal lock.
///
/// By the timer, whose time is up now. (Rejected: to stop it and send. If its shot is pending, a signal that is sent
/// merges with that, and the kernel throws the shot of a stopped timer away, since 6.13.)
pub(crate) fn let_follow(block: &Block) {
    if block.delivery.is_held() {
        block.delivery.held_until.set(Moment::now_in_handler());
        repeat_timer::shoot(block);
    }
}

/// The signal is not to come any more; whether it was held back. For the thread itself, which is not armed, with the
/// signal lock held.
pub(crate) fn give_up(block: &Block) -> bool {
    let was_held = block.delivery.held_until.replace(Moment::LONG_AGO) != Moment::LONG_AGO;
    if was_held {
        block.repeat.timer.stop();
    }
    was_held
}
