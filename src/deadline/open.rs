//! A deadline begins and ends.
//!
//! # Reach
//!
//! A task says whether plain calls inside it are reached. Where none runs nobody has said, and there
//! the outermost deadline has them reached: a limit around a call of std's that retries on EINTR
//! would be none. (Rejected: off, as outside of deadlines. It kept to the letter, and `timeout`
//! around `read_line` in `main` never came back.)
//!
//! # Safety
//!
//! A frame on the heap is freed once it is unlinked.

#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::compiler_fence;

use super::frames::{self, Frame};
use super::timer::Signaller;
use crate::hook::thread as hook_thread;
use crate::kernel::clock::Moment;
use crate::kernel::helper_thread;
use crate::settle;
use crate::thread::block::{self, Block, Choice};
use crate::thread::word::DEADLINE;
use crate::thread::{brakes, registry, target};
use crate::unblocked::{self, Unblocked};

/// What the end of a frame has to undo.
#[derive(Debug, Clone, Copy, Default)]
struct Debts {
    /// Signals that were blocked, and are to be again.
    unblocked: Unblocked,
    /// The keeper has to be told of the change.
    tell_keeper: bool,
}

impl Debts {
    #[inline]
    fn any(self) -> bool {
        self.unblocked.any() || self.tell_keeper
    }
}

/// When a deadline passes, and the look at the clock from which that was worked out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    now: Moment,
    at: Moment,
}

impl Limit {
    /// So long from now.
    #[inline]
    pub(crate) fn after(duration: std::time::Duration) -> Self {
        let now = Moment::now();
        Self { now, at: now.after(duration) }
    }

    /// At that instant.
    pub(crate) fn at(instant: std::time::Instant) -> Self {
        Self { now: Moment::now(), at: instant.into() }
    }

    /// At that moment.
    pub(crate) fn at_moment(at: Moment) -> Self {
        Self { now: Moment::now(), at }
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
    let frame = block::with(|block| Frame::new(block, limit.at));
    let open = helper_thread::needed(Open::begin(&frame, limit.now));
    let value = f();
    drop(open);
    (value, frame.was_raised())
}

/// A linked frame, and what its end has to undo.
struct Open<'a> {
    frame: &'a Frame,
    /// Reach is on for its time.
    reaches: bool,
    debts: Debts,
}

impl<'a> Open<'a> {
    /// Fails where a helper thread is needed that cannot be had: then it has not begun.
    #[inline]
    fn begin(frame: &'a Frame, now: Moment) -> io::Result<Self> {
        let mut open = Self { frame, reaches: false, debts: Debts::default() };
        let (set, is_hooked) = block::with(|block| {
            let deadlines = &block.deadlines;
            // Before the timer is set: it repeats where nothing is reached.
            if block.reach.choice() == Choice::Undecided {
                block.reach.choose(Choice::ByDeadline);
                open.reaches = true;
            }
            frame.link();
            let mut set = Ok(());
            let is_first = frame.at < frame.earliest_before;
            if is_first {
                deadlines.earliest.set(frame.at);
                // The handler sees one or the other: the new moment, or a timer that has been
                // looked at.
                compiler_fence(SeqCst);
                if !deadlines.timer.serves(frame.at, now) {
                    set = prepare(block, frame, now, &mut open.debts);
                }
            }
            (set, is_first && block.hooked.is_inside.load(Relaxed))
        });
        set?;
        if is_hooked {
            begin_hooked()?;
        }
        Ok(open)
    }
}

impl Drop for Open<'_> {
    #[inline]
    fn drop(&mut self) {
        block::with(|block| {
            self.frame.unlink();
            block.deadlines.earliest.set(self.frame.earliest_before);
            // From here on the handler does not arm the thread because of this frame.
            compiler_fence(SeqCst);
            if self.reaches {
                block.reach.choose(Choice::Undecided);
            }
            if block.word.is_armed_by(DEADLINE) || self.debts.any() {
                end_armed(block, self.frame, self.debts);
            }
        });
    }
}

/// A deadline that is begun and ended by calls, each by itself: its frame is on the heap. Ended by
/// the thread that began it, after all that began later.
#[cfg(feature = "capi")]
pub(crate) struct Held {
    frame: std::ptr::NonNull<Frame>,
    /// None once it has ended.
    open: Option<Open<'static>>,
}

#[cfg(feature = "capi")]
impl Held {
    pub(crate) fn begin(limit: Limit) -> io::Result<Self> {
        let frame = Box::new(block::with(|block| Frame::new(block, limit.at)));
        let frame = std::ptr::NonNull::from(Box::leak(frame));
        // Before it begins, which may fail.
        let mut held = Self { frame, open: None };
        // SAFETY: it is there until we are dropped, and unlinked before.
        held.open = Some(Open::begin(unsafe { frame.as_ref() }, limit.now)?);
        Ok(held)
    }

    /// Ends it; whether it was raised.
    pub(crate) fn end(mut self) -> bool {
        self.open = None;
        // SAFETY: the frame is ours until we are dropped.
        unsafe { self.frame.as_ref() }.was_raised()
    }
}

#[cfg(feature = "capi")]
impl Drop for Held {
    fn drop(&mut self) {
        self.open = None;
        // SAFETY: leaked by `begin`, and unlinked by now.
        drop(unsafe { Box::from_raw(self.frame.as_ptr()) });
    }
}

/// Makes sure that a deadline which comes before all others is noticed: the thread is registered,
/// our signal is open, and the timer stands at it or before. Only here is the mask looked at, by
/// syscall: a timer that is set was set with the signal open. (What the thread has blocked by itself
/// since is not seen. To look each time costs twice what a deadline does.)
#[cold]
fn prepare(block: &Block, frame: &Frame, now: Moment, debts: &mut Debts) -> io::Result<()> {
    let record = registry::register();
    settle::resume_in_children();
    debts.unblocked = unblocked::unblock_signals();
    if frame.is_outermost() {
        unblocked::forget_lost_signal(&record);
    }
    if frame.at > now {
        let signaller = block.deadlines.timer.set_for(block, frame.at);
        // Who could not be had has been told of it.
        debts.tell_keeper = !matches!(signaller, Ok(Signaller::Kernel));
        return signaller.map(drop);
    }
    if block.word.arm(DEADLINE) {
        block.hooked.count_arming();
        signal_itself(block);
    }
    Ok(())
}

/// A deadline has begun, the earliest of its thread's, which has a hook.
#[cold]
fn begin_hooked() -> io::Result<()> {
    hook_thread::meet_deadline()?;
    settle::settle();
    Ok(())
}

/// Ends a frame, which is no longer linked, where there is more to do than that.
#[cold]
fn end_armed(block: &Block, frame: &Frame, debts: Debts) {
    let deadlines = &block.deadlines;
    frames::credit_refusals(block, frame);
    if debts.tell_keeper && !target::is_hushed(block) {
        // It is there, since the deadline began.
        let _ = deadlines.timer.tell_keeper(deadlines.earliest.get());
    }
    frames::follow(block);
    if !block.word.is_armed() {
        // What was ignored has ended, as if a task had: whoever waits by deadlines again and again
        // is not braked.
        brakes::release();
    }
    settle::settle();
    unblocked::block_again(debts.unblocked);
}

fn signal_itself(block: &Block) {
    // What cannot be sent is not needed by our own calls and checkpoints.
    let _ = target::signal_block(block, block.tid.load(Relaxed));
}
