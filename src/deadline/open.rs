//! A deadline begins and ends.
//!
//! # Reach
//!
//! A task says whether plain calls inside it are reached. Where none runs nobody has said, and there
//! the outermost deadline has them reached: a limit around a call of std's that retries on EINTR
//! would be none. (Rejected: off, as outside of deadlines. It kept to the letter, and `timeout`
//! around `read_line` in `main` never came back.)

use std::io;
use std::mem::{self, ManuallyDrop};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::compiler_fence;

use super::standing;
use super::timer::Signaller;
use crate::hook::{list, thread as hook_thread};
use crate::kernel::Moment;
use crate::thread::{
    Block, DEADLINE, Stretch, backoff, block, helper_thread, registry, stretches, target,
};
use crate::{after_change, unblocked};

/// When a deadline passes, and the look at the clock from which that was worked out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    now: Moment,
    began: Moment,
    at: Moment,
}

impl Limit {
    /// So long from now.
    #[inline]
    pub(crate) fn after(duration: std::time::Duration) -> Self {
        let now = Moment::now();
        Self { now, began: now, at: now.after(duration) }
    }

    /// At that instant.
    pub(crate) fn at(instant: std::time::Instant) -> Self {
        Self::begun(Moment::now(), instant.into())
    }

    /// One that began before, elsewhere.
    pub(crate) fn begun(began: Moment, at: Moment) -> Self {
        Self { now: Moment::now(), began, at }
    }

    /// Whether it has passed.
    pub(crate) fn has_passed(self) -> bool {
        self.at <= Moment::now()
    }
}

/// Runs `f` with a deadline; whether that deadline was raised.
#[inline]
#[track_caller]
pub(crate) fn run<T>(limit: Limit, f: impl FnOnce() -> T) -> (T, bool) {
    let open = helper_thread::needed(Open::begin(limit));
    let value = f();
    (value, open.end())
}

/// A deadline in force. It ends where it is dropped.
pub(crate) struct Open(Stretch);

impl Open {
    /// Fails where a helper thread is needed that cannot be had: then it has not begun.
    #[inline(never)] // See `stretches`.
    pub(crate) fn begin(limit: Limit) -> io::Result<Self> {
        block::with(|block| {
            let earliest = block.deadlines.earliest.get();
            match stretches::begin_deadline(block, [limit.began, limit.at], earliest) {
                Some(deadline) => Self::begun(block, deadline, limit, earliest),
                None => Self::begin_beyond(block, limit),
            }
        })
    }

    /// The same behind many others.
    #[cold]
    fn begin_beyond(block: &Block, limit: Limit) -> io::Result<Self> {
        let earliest = block.deadlines.earliest.get();
        let deadline = stretches::begin_deadline_beyond(block, [limit.began, limit.at], earliest);
        Self::begun(block, deadline, limit, earliest)
    }

    /// What else is to be done, with reach as it is by now: the timer repeats where nothing is
    /// reached.
    #[inline(always)]
    fn begun(
        block: &Block,
        deadline: Stretch,
        Limit { now, at, .. }: Limit,
        earliest: Moment,
    ) -> io::Result<Self> {
        if at < earliest {
            // The handler sees one or the other: the new moment, or a timer that has been looked at.
            compiler_fence(SeqCst);
            if !block.deadlines.timer.serves(at, now) {
                prepare(block, deadline, at, now)?;
            }
            if block.hooked.is_inside.load(Relaxed) {
                begin_hooked(deadline)?;
            }
        }
        Ok(Self(deadline))
    }

    /// Ends it; whether it was raised.
    #[inline(always)]
    pub(crate) fn end(self) -> bool {
        end(ManuallyDrop::new(self).0)
    }
}

impl Drop for Open {
    /// Its body has panicked, or it could not begin.
    #[cold]
    fn drop(&mut self) {
        end(self.0);
    }
}

#[inline(never)] // See `stretches`.
fn end(deadline: Stretch) -> bool {
    block::with(|block| {
        let is_armed = || block.word.is_armed_by(DEADLINE);
        let ended = if is_armed() { None } else { stretches::end_deadline(block, deadline) };
        // From here on the handler does not arm the thread because of it.
        compiler_fence(SeqCst);
        let Some(was_raised) = ended else { return end_otherwise(block, deadline) };
        if is_armed() {
            // Just now, and nothing was refused since.
            end_armed(block, Moment::NEVER);
        }
        was_raised
    })
}

/// Makes sure that a deadline which comes before all others is noticed: the thread is registered,
/// our signal is open, and the timer stands at it or before. Only here is the mask looked at, by
/// syscall: a timer that is set was set with the signal open. (What the thread has blocked by itself
/// since is not seen. To look each time costs twice what a deadline does.) If that fails, it has
/// ended.
#[cold]
fn prepare(block: &Block, deadline: Stretch, at: Moment, now: Moment) -> io::Result<()> {
    let open = Open(deadline);
    let record = registry::register();
    after_change::resume_in_children();
    let unblocked = unblocked::unblock_signals();
    unblocked::owe(deadline, unblocked);
    if !stretches::any_deadline_but(deadline) {
        unblocked::forget_lost_signal(&record);
    }
    if at > now {
        let signaller = block.deadlines.timer.set_for(block, at);
        // Who could not be had has been told of it.
        if !matches!(signaller, Ok(Signaller::Kernel)) {
            stretches::owe(deadline, 0, true);
        }
        signaller?;
    } else if block.word.arm(DEADLINE) {
        block.hooked.count_arming();
        signal_itself(block);
    }
    mem::forget(open);
    Ok(())
}

/// A deadline has begun, the earliest of its thread's, which has a hook. As [`prepare`].
#[cold]
fn begin_hooked(deadline: Stretch) -> io::Result<()> {
    let open = Open(deadline);
    hook_thread::meet_deadline()?;
    after_change::sync_to_word();
    mem::forget(open);
    Ok(())
}

/// Ends a deadline of that moment, which is off the list, on a thread that is armed by one; whether
/// a refusal was due to it.
#[cold]
fn end_armed(block: &Block, at: Moment) -> bool {
    let was_refused = standing::attribute_refusals(block, at);
    list::run_before_end();
    standing::follow(block);
    if !block.word.is_armed() {
        // What was ignored has ended, as if a task had: whoever waits by deadlines again and again
        // is not made to wait.
        backoff::end();
    }
    after_change::sync_to_word();
    was_refused
}

/// Ends a deadline on a thread that is armed by one; or one that owes something, or is not the last to
/// have begun. Whether it was raised.
#[cold]
fn end_otherwise(block: &Block, deadline: Stretch) -> bool {
    let Some(deadline) = stretches::end_deadline_otherwise(block, deadline) else {
        stretches::tell_of_stray("a deadline");
        return false;
    };
    compiler_fence(SeqCst);
    if deadline.notify_helper && !target::is_hushed(block) {
        // It is there, since the deadline began.
        let _ = block.deadlines.timer.notify_helper(block.deadlines.earliest.get());
    }
    let was_refused = end_armed(block, deadline.at);
    unblocked::undo(deadline.ended);
    deadline.was_raised | was_refused
}

fn signal_itself(block: &Block) {
    // What cannot be sent is not needed by our own calls and checkpoints.
    let _ = target::signal_block(block, block.tid.load(Relaxed));
}
