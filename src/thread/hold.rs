//! The signal waits for the thread's hooks.
//!
//! A thread inside of `with_hook` is woken by its hook, and the signal follows: what the hook wakes ends as
//! it would by itself, and is not refused before. So the signal is announced, and held back. Who has run
//! the hooks sends it.
//!
//! Before any hook runs, the thread's timer is set: it sends the signal if a hook does not return, or if
//! nobody is left to run it. It is the repeat timer, which stands still on a thread that was not armed. A
//! handler that comes early, by another's signal or by a deadline's shot, leaves what is held alone, and
//! sets the timer anew.
//!
//! So whoever finds a signal announced may rely on it, as ever: it comes, by the one or the other.
//! (Rejected: no announcement until the hooks have run. A second asker would send at once.)
//!
//! Where the kernel has no timer to give, nothing is held: the signal goes first.

use std::time::Duration;

use super::block::Block;
use super::repeat_timer;
use crate::kernel::clock::Moment;

/// How long the signal waits for a hook.
const AT_MOST: Duration = Duration::from_millis(10);

/// Holds the signal back that was announced; false if there is no timer. For an asker who has the bell, or
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

/// Ends it; whether the signal is still to be sent. For whoever holds the bell.
pub(crate) fn end(block: &Block) -> bool {
    if !block.delivery.is_held() {
        return false;
    }
    let was_to_come = block.repeat.timer.cancel();
    let was_held = block.delivery.held_until.replace(Moment::LONG_AGO) != Moment::LONG_AGO;
    if was_to_come && !was_held {
        // The time was up, and the thread's handler has set the timer for itself.
        repeat_timer::shoot(block);
    }
    was_to_come && was_held && block.delivery.is_announced()
}
