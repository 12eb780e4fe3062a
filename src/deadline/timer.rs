//! What tells a thread that a deadline has passed: a kernel timer of its own (S16).
//!
//! It is made at the thread's first deadline, signals that thread alone, and stays until the thread
//! ends. It is set only when it must fire earlier than it stands. A deadline that ends leaves it as
//! it is; it then fires at a moment of the past that nobody waits for any more, and its handler
//! sets it for the moment that is the first by now, if there is one. So a loop of short calls with
//! a limit of a second each makes a handful of syscalls in a second, not two for each call.
//!
//! The repeat timer of [`repeat_timer`] is another one: the two run at the same time, and
//! stop for different reasons. Both carry the same mark, since by S4 nothing follows from a siginfo
//! but that the signal is ours: every signal of ours, whoever sent it, has the handler compare the
//! clock with the thread's earliest deadline.
//!
//! Where plain calls are not reached, the kernel repeats the shot every 50 ms, until the timer is
//! set anew. That is for the plain call that may follow after the shot has ended a call of ours,
//! and the error was ignored (P11): to set the repeat timer on that occasion would make every
//! deadline a microsecond later. For the same reason it is not stopped where the deadline ends. One
//! shot of no use comes after, as it does after a deadline that did not pass.
//!
//! Where plain calls are reached, the shot comes a few microseconds early, by as much as it takes to
//! look at the masks of all handlers (S2). The handler does that, and then waits for the moment:
//! else each deadline would be late by the time that it takes.
//!
//! Where the kernel gives no timer (EAGAIN at the limit on queued signals), the [`helper`] signals
//! in its place. Its lock is not for handlers, so there the thread itself tells every change of its
//! earliest deadline.

use std::hint::spin_loop;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::helper;
use crate::kernel::Moment;
use crate::reach::dispatch;
use crate::signal::{Unsendable, handlers, ours};
use crate::thread::block::{DeadlineTimer, Dispatching};
use crate::thread::{Block, DEADLINE, hook_queue, registry, repeat_timer, target};

/// From a shot to the next, if the timer is not set anew.
const INTERVAL: Duration = Duration::from_millis(50);

impl DeadlineTimer {
    /// Whether it is set to fire at that moment or before it, seen from now. A moment that has come
    /// and was not noticed serves nobody: the shot was lost, to a sigwait of the application's or
    /// to a handler in the place of ours.
    #[inline]
    pub(crate) fn serves(&self, at: Moment, now: Moment) -> bool {
        let stands_at = self.stands_at.get();
        now < stands_at && stands_at <= at
    }

    /// Signals the thread, which is the calling one, at that moment; by whom, unless there is nobody.
    pub(crate) fn set_for(&self, block: &Block, at: Moment) -> io::Result<Signaller> {
        if target::is_hushed(block) {
            return Ok(Signaller::Kernel);
        }
        let is_taken = || ours::in_force() == Err(Unsendable::Taken);
        if is_taken() && !ours::move_away() {
            // Its shot would be another's, or the process's end (S21).
            self.kernel.delete();
            self.stands_at.set(Moment::NEVER);
            return Ok(Signaller::Kernel);
        }
        if repeat_timer::ensure(&self.kernel, block) && self.set(block, at) {
            return Ok(Signaller::Kernel);
        }
        self.notify_helper(at).map(|()| Signaller::Helper)
    }

    /// Tells the helper thread that the earliest deadline of the calling thread is now that. It fails where there
    /// is none.
    pub(crate) fn notify_helper(&self, at: Moment) -> io::Result<()> {
        let Some(record) = registry::registered() else { return Ok(()) };
        helper::keep(&record, self.kept_at.replace(at), at)
    }

    /// A shot at that moment, and more after if the thread is not reached; a moment that does not
    /// come stops it. False if there is none, by now: then the helper thread keeps what the thread has told it.
    fn set(&self, block: &Block, at: Moment) -> bool {
        if !self.kernel.exists() {
            return false;
        }
        let repeats = !block.reach.is_on();
        let at = at.before(dispatch::setup_time(block));
        // Before the syscall: the shot may come at its end.
        self.repeats.store(repeats, Relaxed);
        self.stands_at.set(at);
        if at == Moment::NEVER {
            self.kernel.stop();
            return true;
        }
        let is_set = self.kernel.set_at(at, if repeats { INTERVAL } else { Duration::ZERO });
        if !is_set {
            self.stands_at.set(Moment::NEVER);
        }
        is_set
    }
}

/// Who signals a thread at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signaller {
    /// Its own timer.
    Kernel,
    /// The helper thread, which has to be told of each change.
    Helper,
}

/// What a handler finds out about its thread's deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shot {
    /// The timer has not fired.
    None,
    /// It has, too early or for the only time.
    Single,
    /// It has for a deadline that has passed, and will again.
    Repeated,
}

/// The handler's part: arms the thread if its earliest deadline has passed, or sets the timer for
/// it if a shot has come too early for that. Async-signal-safe.
pub(crate) fn look(block: &Block) -> Shot {
    let timer = &block.deadlines.timer;
    let earliest = block.deadlines.earliest.get();
    let stands_at = timer.stands_at.get();
    if earliest == Moment::NEVER && stands_at == Moment::NEVER {
        return Shot::None;
    }
    let is_dispatching = block.dispatch.state() != Dispatching::Off;
    let clock = if is_dispatching { Moment::now_in_handler } else { Moment::now };
    let mut now = clock();
    if stands_at <= now && now < earliest && earliest.since(now) <= dispatch::setup_time(block) {
        handlers::open_all(now);
        while now < earliest {
            spin_loop();
            now = clock();
        }
    }
    let has_passed = earliest <= now;
    if has_passed && block.word.arm(DEADLINE) {
        hook_queue::deadline_passed(block);
    }
    if now < stands_at {
        if !has_passed && !timer.serves(earliest, now) {
            timer.set(block, earliest);
        }
        return Shot::None;
    }
    if !has_passed {
        // It is a moment that does not come which stops a timer for which there is no use any more.
        timer.set(block, earliest);
        return Shot::Single;
    }
    if !timer.repeats.load(Relaxed) {
        timer.stands_at.set(Moment::NEVER);
        return Shot::Single;
    }
    let periods = now.since(stands_at).as_nanos() / INTERVAL.as_nanos() + 1;
    timer.stands_at.set(stands_at.after(INTERVAL * periods as u32));
    Shot::Repeated
}

/// Stops the timer before our signal is blocked, if no deadline needs it: a shot must not stay
/// pending, nor be taken for an application's signal by its sigwait.
pub(crate) fn rest_if_idle(block: &Block) {
    let timer = &block.deadlines.timer;
    let is_idle = block.deadlines.earliest.get() == Moment::NEVER;
    if is_idle && timer.stands_at.get() != Moment::NEVER {
        timer.set(block, Moment::NEVER);
    }
}

/// Deletes the timer of a thread that ends.
pub(crate) fn delete(block: &Block) {
    block.deadlines.timer.kernel.delete();
    block.deadlines.timer.reset();
}
