//! The thread's own kernel timer.
//!
//! While a cause stands, plain calls are interrupted again and again, with back-off (P11): the
//! first signal may have landed just before the call. The handler starts the timer, and each shot
//! starts the next. Neither our own calls need it nor those that are reached.
//!
//! A kernel timer rather than a thread that resends: it costs nothing until it is needed, it cannot
//! hit another thread, and it may be created and set from a handler, by raw syscalls.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Block;
use crate::kernel::{KernelTimer, Moment, clock, raw, signals};
use crate::signal::{ours, siginfo};

/// The first pause, in microseconds; each one is double the one before, up to the last.
const FIRST_PAUSE: u32 = 1_000;
const LAST_PAUSE: u32 = 50_000;
/// At once.
const SOON: Duration = Duration::from_micros(1);

/// From one tick of the kernel's clock to the next, in microseconds; not less than the first pause.
static TICK: AtomicU32 = AtomicU32::new(FIRST_PAUSE);

/// Asks how long a tick is.
pub(crate) fn learn_tick() {
    let tick = u32::try_from(clock::tick().as_micros()).unwrap_or(FIRST_PAUSE);
    TICK.store(tick.clamp(FIRST_PAUSE, LAST_PAUSE), Ordering::Relaxed);
}

/// Sets the timer for the next shot, twice as far away as the last. Async-signal-safe.
///
/// Without a timer (the kernel refuses one at the limit on queued signals) a plain call that was
/// about to begin when the signal came stays uninterrupted until the next request.
pub(crate) fn repeat(block: &Block) {
    if ready(block) {
        block.repeat.timer.set_in(next_pause(block, FIRST_PAUSE));
    }
}

/// As [`repeat`], and not before that time has passed.
pub(crate) fn repeat_after(block: &Block, time: Duration) {
    if ready(block) {
        block.repeat.timer.set_in(next_pause(block, FIRST_PAUSE).max(time));
    }
}

/// As [`repeat`], where the signal has ended a call of ours: the first shot is for the plain call
/// that may follow if the error is ignored. Most errors are not, and nearly every such timer is
/// taken back before it fires. So it waits for a tick of the clock: a timer that comes before the
/// next tick is written into the hardware, and out again, and on a virtual machine each of these is
/// an exit to the host, as long as all the rest of an interrupt together. (Rejected: no timer until
/// the plain call. Nothing of ours runs then. And a first pause of 50 ms: that call would sleep on
/// for so long.)
///
/// By the moment, counted from the last tick: the kernel need not read its clock. That lies up to a
/// tick back, so one is added. (Further, where a host lets the machine wait: the shot comes too early
/// then, and costs what it costs.)
pub(crate) fn repeat_after_own_call(block: &Block) {
    if ready(block) {
        let tick = TICK.load(Ordering::Relaxed);
        let pause = Duration::from_micros(tick.into()) + next_pause(block, tick);
        block.repeat.timer.set_at(Moment::last_tick().after(pause), Duration::ZERO);
    }
}

/// Twice the last pause, or the first one.
fn next_pause(block: &Block, first: u32) -> Duration {
    let pause = match block.repeat.pause.load(Ordering::Relaxed) {
        0 => first,
        last => last.saturating_mul(2).min(LAST_PAUSE),
    };
    block.repeat.pause.store(pause, Ordering::Relaxed);
    Duration::from_micros(pause.into())
}

/// Makes sure that the thread has its timer; whether it has.
fn ready(block: &Block) -> bool {
    ensure(&block.repeat.timer, block)
}

/// Makes a timer that sends our signal to the thread of that block, unless there is one; whether
/// there is one now.
pub(crate) fn ensure(timer: &KernelTimer, block: &Block) -> bool {
    let tid = block.tid.load(Ordering::Relaxed);
    let mut signal = ours::number();
    loop {
        let is_there = signal.is_some_and(|signal| timer.ensure(tid, signal, siginfo::magic()));
        // We may have moved since we looked, and whoever moved may have been here before us.
        let now = ours::number();
        if now == signal {
            return is_there;
        }
        signal = now;
    }
}

/// Whether this thread could have a timer, as things are.
pub(crate) fn can_be_had() -> bool {
    let timer = KernelTimer::none();
    let signal = ours::number().unwrap_or(libc::SIGALRM);
    let is_there = timer.ensure(raw::gettid(), signal, siginfo::magic());
    timer.delete();
    is_there
}

/// Makes sure that a thread whose signal is a real-time one has a timer: at the limit on queued
/// signals nothing else reaches it.
pub(crate) fn prepare(block: &Block) {
    if ours::number().is_some_and(signals::is_real_time) {
        ready(block);
    }
}

/// The timer shoots now, or when what is held back is due; false if there is none. A timer's signal is
/// allocated with it, so it finds room where others do not.
pub(crate) fn shoot(block: &Block) -> bool {
    match block.delivery.held_until.get() {
        Moment::LONG_AGO => block.repeat.timer.set_in(SOON),
        until => block.repeat.timer.set_at(until, Duration::ZERO),
    }
}

/// Sets the timer for the first shot; whether there is a timer.
pub(crate) fn start(block: &Block) -> bool {
    block.repeat.pause.store(0, Ordering::Relaxed);
    repeat(block);
    block.repeat.timer.exists()
}

/// Stops the timer. Who is watched by it is not any more.
pub(crate) fn stop(block: &Block) {
    block.repeat.pause.store(0, Ordering::Relaxed);
    block.repeat.timer.stop();
    // After that: a handler of the application's that came between believes that it is watched.
    block.answering.runs.is_watched.store(false, Ordering::Relaxed);
    // What was announced meanwhile has had its timer stopped, which may be all that it had.
    if block.delivery.is_announced() && block.word.is_armed() {
        shoot(block);
    }
}

/// Stops the timer if its thread is not armed any more.
pub(crate) fn rest_if_unarmed(block: &Block) {
    if block.repeat.pause.load(Ordering::Relaxed) == 0 || block.word.is_armed() {
        return;
    }
    stop(block);
    // Or a handler has set it.
    if block.word.is_armed() {
        shoot(block);
    }
}

/// Deletes the timer of a thread that ends.
pub(crate) fn delete(block: &Block) {
    block.repeat.timer.delete();
    block.repeat.pause.store(0, Ordering::Relaxed);
}
