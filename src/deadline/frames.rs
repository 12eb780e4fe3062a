//! The deadlines of one thread: frames on its own stack, linked from its block.
//!
//! Most deadlines never pass, so beginning and ending one is a look at the clock and a few stores:
//! no lock, no syscall, no memory. The frame lies on the stack of the function that runs the
//! deadline's body, and unlinks itself on the way out, also by a panic. (Rejected: frames in the
//! thread's record. Its lock and the gate before it cost more than all the rest.)
//!
//! Only the thread looks at its frames. The handler looks at one number, `earliest`: of the frames
//! that no mask hides, the moment that comes first. It is stored before the timer is asked whether
//! it stands early enough, so a shot that comes in between, and finds nothing to do at its own
//! moment, moves the timer to the new one by itself.
//!
//! # Reach
//!
//! A task says whether plain calls inside it are reached. Where none runs nobody has said, and there
//! the outermost deadline has them reached: a limit around a call of std's that retries on EINTR
//! would be none. (Rejected: off, as outside of deadlines. It kept to the letter, and `timeout`
//! around `read_line` in `main` never came back.)
//!
//! # Order
//!
//! Tasks are in the record, deadlines are here, and the outermost cause is to be raised first. So a
//! frame remembers how many tasks began before it: those are outside of it, all others inside.
//! Where a mask or a root task begins, what the list holds by then is hidden.
//!
//! # Who was raised
//!
//! A deadline that is raised is marked, and by that its `timeout` knows that the error it gets may
//! be told as `TimedOut`. If an outer deadline has passed by then too, that is the cause which
//! stands, and the inner one does not tell; but nor was the outer one raised, and nobody would
//! tell. So the error is passed on in the name of the outer one, by marking it.
//!
//! # Safety
//!
//! Frames are reached through pointers. A frame is linked while its `Open` borrows it, and unlinked
//! before it goes; frames begin and end on one thread in the order of its stack; and only that
//! thread follows the pointers. What leaves a body by `longjmp` breaks this, as it breaks every
//! destructor that it passes over.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, compiler_fence};

use super::timer::DeadlineTimer;
use crate::hook::thread;
use crate::kernel::clock::{AtomicMoment, Moment};
use crate::thread::block::{self, Block};
use crate::thread::target::{self, Unblocked};
use crate::thread::word::DEADLINE;
use crate::thread::{brakes, fork_gate};

/// What a thread's block holds of its deadlines.
pub(crate) struct Deadlines {
    innermost: AtomicPtr<Frame>,
    /// This frame and those outside of it are hidden.
    floor: AtomicPtr<Frame>,
    /// The first moment among the frames that are not hidden.
    pub(crate) earliest: AtomicMoment,
    /// How many tasks run on this thread.
    tasks: AtomicU32,
    /// A syscall was refused while a deadline was armed, and no frame has been marked for it yet.
    refused: AtomicBool,
    pub(crate) timer: DeadlineTimer,
}

/// One deadline, on the stack of [`run`].
struct Frame {
    outer: *mut Frame,
    at: Moment,
    /// `earliest` before this frame, which is given back.
    earliest_before: Moment,
    /// How many tasks are outside.
    tasks: u32,
    raised: Cell<bool>,
    /// Reach is on for its time.
    reaches: Cell<bool>,
    debts: Cell<Debts>,
}

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
pub(crate) fn run<T>(limit: Limit, f: impl FnOnce() -> T) -> (T, bool) {
    let frame = block::with(|block| block.deadlines.frame(limit.at));
    let open = Open::begin(&frame, limit.now);
    let value = f();
    drop(open);
    (value, frame.raised.get())
}

/// A linked frame.
struct Open<'a>(&'a Frame);

impl<'a> Open<'a> {
    #[inline]
    fn begin(frame: &'a Frame, now: Moment) -> Self {
        let open = Self(frame);
        block::with(|block| {
            let deadlines = &block.deadlines;
            // Before the timer is set: it repeats where nothing is reached.
            if !block.reach.load(Relaxed) && !block.reach_is_chosen.load(Relaxed) {
                block.reach.store(true, Relaxed);
                frame.reaches.set(true);
            }
            deadlines.innermost.store(ptr::from_ref(frame).cast_mut(), Relaxed);
            if frame.at < frame.earliest_before {
                deadlines.earliest.set(frame.at);
                // The handler sees one or the other: the new moment, or a timer that has been
                // looked at.
                compiler_fence(SeqCst);
                if !deadlines.timer.serves(frame.at, now) {
                    frame.debts.set(prepare(block, frame, now));
                }
                if block.hooked.is_inside.load(Relaxed) {
                    begin_hooked();
                }
            }
        });
        open
    }
}

impl Drop for Open<'_> {
    #[inline]
    fn drop(&mut self) {
        block::with(|block| {
            let deadlines = &block.deadlines;
            deadlines.innermost.store(self.0.outer, Relaxed);
            deadlines.earliest.set(self.0.earliest_before);
            // From here on the handler does not arm the thread because of this frame.
            compiler_fence(SeqCst);
            if self.0.reaches.get() {
                block.reach.store(false, Relaxed);
            }
            if block.word.is_armed_by(DEADLINE) || self.0.debts.get().any() {
                end_armed(block, self.0);
            }
        });
    }
}

/// A deadline that is begun and ended by calls, each by itself: its frame is on the heap. Ended by
/// the thread that began it, after all that began later.
#[cfg(feature = "capi")]
pub(crate) struct Held(ptr::NonNull<Frame>);

#[cfg(feature = "capi")]
impl Held {
    pub(crate) fn begin(limit: Limit) -> Self {
        let frame = Box::leak(Box::new(block::with(|block| block.deadlines.frame(limit.at))));
        std::mem::forget(Open::begin(frame, limit.now));
        Self(frame.into())
    }

    /// Ends it; whether it was raised.
    pub(crate) fn end(self) -> bool {
        // SAFETY: the frame is ours until we are dropped.
        let frame = unsafe { self.0.as_ref() };
        drop(Open(frame));
        let raised = frame.raised.get();
        std::mem::forget(self);
        // SAFETY: leaked by `begin`, and unlinked by now.
        drop(unsafe { Box::from_raw(ptr::from_ref(frame).cast_mut()) });
        raised
    }
}

#[cfg(feature = "capi")]
impl Drop for Held {
    fn drop(&mut self) {
        Self(self.0).end();
    }
}

/// Makes sure that a deadline which comes before all others is noticed: the thread is registered,
/// our signal is open, and the timer stands at it or before. Only here is the mask looked at, by
/// syscall: a timer that is set was set with the signal open. (What the thread has blocked by itself
/// since is not seen. To look each time costs twice what a deadline does.)
#[cold]
fn prepare(block: &Block, frame: &Frame, now: Moment) -> Debts {
    let record = target::register();
    fork_gate::resume_deadlines();
    let unblocked = target::unblock_signals();
    if frame.outer.is_null() {
        target::forget_lost_signal(&record);
    }
    let tell_keeper = if frame.at > now {
        block.deadlines.timer.set_for(block, frame.at)
    } else {
        if block.word.arm(DEADLINE) {
            block.hooked.count_arming();
            signal_itself(block);
        }
        false
    };
    Debts { unblocked, tell_keeper }
}

/// A deadline has begun, the earliest of its thread's, which has a hook.
#[cold]
fn begin_hooked() {
    thread::meet_deadline();
    target::settle();
}

/// Ends a frame, which is no longer linked, where there is more to do than that.
#[cold]
fn end_armed(block: &Block, frame: &Frame) {
    let deadlines = &block.deadlines;
    deadlines.credit_refusals(frame);
    if frame.debts.get().tell_keeper && !target::is_hushed(block) {
        deadlines.timer.tell_keeper(deadlines.earliest.get());
    }
    follow(block);
    if !block.word.is_armed() {
        // What was ignored has ended, as if a task had: whoever waits by deadlines again and again
        // is not braked.
        brakes::release();
    }
    target::settle();
    target::block_again(frame.debts.get().unblocked);
}

/// Makes the word and the timer follow from `earliest`, after the thread changed its stack. First
/// the bit is cleared, then comes the look at the clock: see [`thread`](crate::thread).
fn follow(block: &Block) {
    let deadlines = &block.deadlines;
    // If it stands after as it did before, it has not become armed, whatever the word said meanwhile.
    let was_armed = block.word.is_armed();
    block.hooked.recounting.store(true, Relaxed);
    compiler_fence(SeqCst);
    block.word.disarm(DEADLINE);
    let earliest = deadlines.earliest.get();
    let now = if earliest == Moment::NEVER { Moment::LONG_AGO } else { Moment::now() };
    if earliest <= now {
        block.word.arm(DEADLINE);
    } else if earliest != Moment::NEVER && !deadlines.timer.serves(earliest, now) {
        deadlines.timer.set_for(block, earliest);
    }
    compiler_fence(SeqCst);
    block.hooked.recounting.store(false, Relaxed);
    if !was_armed && block.word.is_armed_by(DEADLINE) {
        block.hooked.count_arming();
    }
}

fn signal_itself(block: &Block) {
    // What cannot be sent is not needed by our own calls and checkpoints.
    let _ = target::signal_block(block, block.tid.load(Relaxed));
}

impl Deadlines {
    pub(crate) const fn new() -> Self {
        Self {
            innermost: AtomicPtr::new(ptr::null_mut()),
            floor: AtomicPtr::new(ptr::null_mut()),
            earliest: AtomicMoment::new(Moment::NEVER),
            tasks: AtomicU32::new(0),
            refused: AtomicBool::new(false),
            timer: DeadlineTimer::new(),
        }
    }

    /// A frame that is to be linked next.
    #[inline]
    fn frame(&self, at: Moment) -> Frame {
        Frame {
            outer: self.innermost.load(Relaxed),
            at,
            earliest_before: self.earliest.get(),
            tasks: self.tasks.load(Relaxed),
            raised: Cell::new(false),
            reaches: Cell::new(false),
            debts: Cell::default(),
        }
    }

    /// Looks at the outermost deadline that has passed and is not hidden, beginning inside at that
    /// frame.
    fn outermost_passed<T>(&self, from: *const Frame, look: impl FnOnce(&Frame) -> T) -> Option<T> {
        let now = Moment::now();
        let floor = self.floor.load(Relaxed).cast_const();
        let mut outermost = None;
        let mut next = from;
        while next != floor {
            // SAFETY: the caller begins at a frame of this thread's that is linked or is being
            // ended, and each one's outer frame outlives it. The list ends at null, and so does a
            // floor that is in no list: it is a frame of this list or null.
            let Some(frame) = (unsafe { next.as_ref() }) else { break };
            if frame.at <= now {
                outermost = Some(frame);
            }
            next = frame.outer;
        }
        outermost.map(look)
    }

    /// Looks at each deadline that is not hidden, innermost first.
    fn each(&self, mut look: impl FnMut(&Frame)) {
        let floor = self.floor.load(Relaxed);
        let mut next = self.innermost.load(Relaxed);
        while next != floor {
            // SAFETY: as in `outermost_passed`.
            let Some(frame) = (unsafe { next.as_ref() }) else { break };
            look(frame);
            next = frame.outer;
        }
    }

    /// Marks the deadline that a refusal was due to.
    fn credit_refusals(&self, from: *const Frame) {
        if self.refused.swap(false, Relaxed) {
            self.outermost_passed(from, |frame| frame.raised.set(true));
        }
    }
}

/// To be called by the handler that refuses a syscall: an error was handed out, and if it was
/// because of a deadline, that will know.
pub(crate) fn note_refusal(block: &Block) {
    if block.word.is_armed_by(DEADLINE) {
        block.deadlines.refused.store(true, Relaxed);
    }
}

/// Whether a deadline is armed here.
pub(crate) fn is_armed() -> bool {
    block::with(|block| block.word.is_armed_by(DEADLINE))
}

/// The deadline that is armed here, the outermost of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Armed {
    /// How many tasks are outside of it.
    pub(crate) tasks_outside: usize,
    /// Whether it was raised, or a syscall was refused because of it.
    pub(crate) was_raised: bool,
}

/// The deadline that is armed here, if one is.
pub(crate) fn armed() -> Option<Armed> {
    look_at_armed(|frame| Armed {
        tasks_outside: frame.tasks as usize,
        was_raised: frame.raised.get(),
    })
}

/// Marks it as raised; whether there is one.
pub(crate) fn mark_raised() -> bool {
    look_at_armed(|frame| frame.raised.set(true)).is_some()
}

fn look_at_armed<T>(look: impl FnOnce(&Frame) -> T) -> Option<T> {
    block::with(|block| {
        let deadlines = &block.deadlines;
        let innermost = deadlines.innermost.load(Relaxed);
        let is_armed = block.word.is_armed_by(DEADLINE);
        is_armed.then(|| {
            deadlines.credit_refusals(innermost);
            deadlines.outermost_passed(innermost, look)
        })?
    })
}

/// The first moment among the deadlines that are not hidden, in time from now.
pub(crate) fn remaining() -> Option<std::time::Duration> {
    let earliest = block::with(|block| block.deadlines.earliest.get());
    let left = || earliest.since(Moment::now());
    (earliest != Moment::NEVER).then(left)
}

/// A deadline in force here, for another thread to keep as well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InForce {
    pub(crate) at: Moment,
    /// How many tasks are outside of it.
    pub(crate) tasks_outside: usize,
}

/// The deadlines in force here, innermost first.
pub(crate) fn in_force() -> Vec<InForce> {
    let mut all = Vec::new();
    block::with(|block| {
        block.deadlines.each(|frame| {
            all.push(InForce { at: frame.at, tasks_outside: frame.tasks as usize });
        });
    });
    all
}

/// Marks those of the deadlines in force here that were raised elsewhere, by their numbers, which
/// are in the order of [`in_force`].
pub(crate) fn mark_raised_elsewhere(raised: impl Fn(usize) -> bool) {
    let mut number = 0;
    block::with(|block| {
        block.deadlines.each(|frame| {
            if raised(number) {
                frame.raised.set(true);
            }
            number += 1;
        });
    });
}

/// What was in force before a mask or a root task hid it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hidden {
    floor: *mut Frame,
    earliest: Moment,
}

/// Hides all deadlines that this thread has now.
pub(crate) fn hide() -> Hidden {
    block::with(|block| {
        let deadlines = &block.deadlines;
        let innermost = deadlines.innermost.load(Relaxed);
        deadlines.credit_refusals(innermost);
        let floor = deadlines.floor.swap(innermost, Relaxed);
        let earliest = deadlines.earliest.replace(Moment::NEVER);
        // The handler arms no more; what it has armed is cleared.
        compiler_fence(SeqCst);
        block.word.disarm(DEADLINE);
        Hidden { floor, earliest }
    })
}

/// Ends the hiding. Not to be called with the gate held.
pub(crate) fn show(hidden: Hidden) {
    block::with(|block| {
        block.deadlines.floor.store(hidden.floor, Relaxed);
        block.deadlines.earliest.set(hidden.earliest);
        compiler_fence(SeqCst);
        come_to_light(block);
    });
}

/// Notices a deadline that has passed while it was hidden.
fn come_to_light(block: &Block) {
    if block.deadlines.earliest.get() != Moment::NEVER {
        follow(block);
        if block.word.is_armed_by(DEADLINE) {
            target::settle();
        }
    }
}

/// A task begins on this thread. A root hides the deadlines that are there.
pub(crate) fn begin_task(root: bool) -> Option<Hidden> {
    block::with(|block| block.deadlines.tasks.fetch_add(1, Relaxed));
    root.then(hide)
}

/// The innermost task ends. Not to be called with the gate held.
pub(crate) fn end_task(hidden: Option<Hidden>) {
    block::with(|block| block.deadlines.tasks.fetch_sub(1, Relaxed));
    if let Some(hidden) = hidden {
        show(hidden);
    }
}

/// At the end of the thread: there are no frames any more, be it that nothing unlinked them.
pub(crate) fn forget(block: &Block) {
    let deadlines = &block.deadlines;
    deadlines.innermost.store(ptr::null_mut(), Relaxed);
    deadlines.floor.store(ptr::null_mut(), Relaxed);
    deadlines.earliest.set(Moment::NEVER);
    compiler_fence(SeqCst);
    block.word.disarm(DEADLINE);
    deadlines.tasks.store(0, Relaxed);
}

/// In the child of a fork: the deadlines of the thread that forked go on, by a timer of this
/// process's; or, while it is hushed, by none. Called by `fork`, when the allocator is in order again.
pub(crate) extern "C" fn resume() {
    if thread::own().is_some() && !block::with(target::is_hushed) {
        thread::meet_deadline();
    }
    block::with(come_to_light);
}
