//! What tells a thread that a deadline has passed: a kernel timer of its own (S16).
//!
//! It is made at the thread's first deadline, signals that thread alone, and stays until the thread
//! ends. It is set only when it must fire earlier than it stands. A deadline that ends leaves it as
//! it is; it then fires at a moment of the past that nobody waits for any more, and its handler
//! sets it for the moment that is the first by now, if there is one. So a loop of short calls with
//! a limit of a second each makes a handful of syscalls in a second, not two for each call.
//!
//! The repeat timer of [`timer`] is another one: the two run at the same time, and
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
//! Where the kernel gives no timer (EAGAIN at the limit on queued signals), the [`keeper`] signals
//! in its place. Its lock is not for handlers, so there the thread itself tells every change of its
//! earliest deadline.
//!
//! # Safety
//!
//! Each block hands the kernel structures of its own.

#![allow(unsafe_code)]

use std::hint::spin_loop;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64};

use super::block::Block;
use super::clock::{self, NEVER};
use super::{dispatch, hooked, keeper, raw, thread, time, timer};
use crate::state::DEADLINE;

/// From a shot to the next, if the timer is not set anew.
const INTERVAL: u64 = 50_000_000;

/// What a thread's block holds of its timer.
pub(super) struct DeadlineTimer {
    /// The kernel's id, plus one; 0 if there is none.
    id: AtomicI32,
    /// The moment at which it fires next; a moment of the past until that shot is seen.
    stands_at: AtomicU64,
    /// Whether it goes on from there.
    repeats: AtomicBool,
    /// The moment at which the keeper has been told to signal.
    kept_at: AtomicU64,
}

impl DeadlineTimer {
    pub(super) const fn new() -> Self {
        Self {
            id: AtomicI32::new(0),
            stands_at: AtomicU64::new(NEVER),
            repeats: AtomicBool::new(false),
            kept_at: AtomicU64::new(NEVER),
        }
    }

    /// Whether it is set to fire at that moment or before it, seen from now. A moment that has come
    /// and was not noticed serves nobody: the shot was lost, to a sigwait of the application's or
    /// to a handler in the place of ours.
    #[inline]
    pub(super) fn serves(&self, at: u64, now: u64) -> bool {
        let stands_at = self.stands_at.load(Relaxed);
        now < stands_at && stands_at <= at
    }

    /// Has the thread, which is the calling one, signalled at that moment; whether that is left to
    /// the keeper.
    pub(super) fn set_for(&self, block: &Block, at: u64) -> bool {
        match self.get_or_create(block) {
            Some(id) => {
                self.set(block, id, at);
                false
            }
            None => {
                self.tell_keeper(at);
                true
            }
        }
    }

    /// Tells the keeper that the earliest deadline of the calling thread is now that.
    pub(super) fn tell_keeper(&self, at: u64) {
        if let Some(record) = thread::registered() {
            keeper::keep(&record, self.kept_at.swap(at, Relaxed), at);
        }
    }

    fn existing(&self) -> Option<i32> {
        self.id.load(Relaxed).checked_sub(1).filter(|id| *id >= 0)
    }

    fn get_or_create(&self, block: &Block) -> Option<i32> {
        self.existing().or_else(|| {
            let id = timer::create(block.tid.load(Relaxed))?;
            self.id.store(id + 1, Relaxed);
            Some(id)
        })
    }

    /// Sets it, if there is one. (If not, the keeper keeps what the thread has told it.)
    fn set_if_there(&self, block: &Block, at: u64) {
        if let Some(id) = self.existing() {
            self.set(block, id, at);
        }
    }

    /// A shot at that moment, and more after if the thread is not reached; [`NEVER`] stops.
    fn set(&self, block: &Block, id: i32, at: u64) {
        let repeats = !block.reach.load(Relaxed);
        let at = if at == NEVER { NEVER } else { at.saturating_sub(dispatch::lead(block)) };
        // Before the syscall: the shot may come at its end.
        self.repeats.store(repeats, Relaxed);
        self.stands_at.store(at, Relaxed);
        let setting = libc::itimerspec {
            it_interval: clock::timespec(if repeats { INTERVAL } else { 0 }),
            // 0 stops it.
            it_value: clock::timespec(if at == NEVER { 0 } else { at.max(1) }),
        };
        let arguments = [id as usize, libc::TIMER_ABSTIME as usize, &raw const setting as usize, 0];
        // SAFETY: the kernel reads the setting.
        let _ = unsafe { raw::syscall(libc::SYS_timer_settime, arguments) };
    }
}

/// What a handler finds out about its thread's deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shot {
    /// The timer has not fired.
    None,
    /// It has, too early or for the only time.
    Single,
    /// It has for a deadline that has passed, and will again.
    Repeated,
}

/// The handler's part: arms the thread if its earliest deadline has passed, or sets the timer for
/// it if a shot has come too early for that. Async-signal-safe.
pub(super) fn look(block: &Block) -> Shot {
    let timer = &block.deadlines.timer;
    let earliest = block.deadlines.earliest.load(Relaxed);
    let stands_at = timer.stands_at.load(Relaxed);
    if earliest == NEVER && stands_at == NEVER {
        return Shot::None;
    }
    // See `time::now_nanos`.
    let clock = if block.dispatching.load(Relaxed) { time::now_nanos } else { clock::now };
    let mut now = clock();
    if stands_at <= now && now < earliest && earliest - now <= dispatch::lead(block) {
        dispatch::sweep(now);
        while now < earliest {
            spin_loop();
            now = clock();
        }
    }
    let has_passed = earliest <= now;
    if has_passed && block.word.arm(DEADLINE) {
        hooked::deadline_passed(block);
    }
    if now < stands_at {
        if !has_passed && !timer.serves(earliest, now) {
            timer.set_if_there(block, earliest);
        }
        return Shot::None;
    }
    if !has_passed {
        // It is `NEVER` that stops a timer for which there is no use any more.
        timer.set_if_there(block, earliest);
        return Shot::Single;
    }
    if !timer.repeats.load(Relaxed) {
        timer.stands_at.store(NEVER, Relaxed);
        return Shot::Single;
    }
    let periods = (now - stands_at) / INTERVAL + 1;
    timer.stands_at.store(stands_at + periods * INTERVAL, Relaxed);
    Shot::Repeated
}

/// Stops the timer before our signal is blocked, if no deadline needs it: a shot must not stay
/// pending, nor be taken for an application's signal by its sigwait.
pub(super) fn rest_if_idle(block: &Block) {
    let timer = &block.deadlines.timer;
    let is_idle = block.deadlines.earliest.load(Relaxed) == NEVER;
    if is_idle && timer.stands_at.load(Relaxed) != NEVER {
        timer.set_if_there(block, NEVER);
    }
}

/// Deletes the timer of a thread that ends.
pub(super) fn delete(block: &Block) {
    let timer = &block.deadlines.timer;
    if let Some(id) = timer.existing() {
        // SAFETY: the timer is this thread's own.
        let _ = unsafe { raw::syscall(libc::SYS_timer_delete, [id as usize]) };
    }
    forget(block);
}

/// Forgets the timer: a child of a fork has none, and its number may be another's there (S6).
pub(super) fn forget(block: &Block) {
    let timer = &block.deadlines.timer;
    timer.id.store(0, Relaxed);
    timer.stands_at.store(NEVER, Relaxed);
    timer.kept_at.store(NEVER, Relaxed);
}
