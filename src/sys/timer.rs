//! The thread's own kernel timer.
//!
//! While a cause stands, plain calls are interrupted again and again, with back-off (P11): the
//! first signal may have landed just before the call. The handler starts the timer, and each shot
//! starts the next. Neither our own calls need it nor those that are reached.
//!
//! A kernel timer rather than a thread that resends: it costs nothing until it is needed, it cannot
//! hit another thread, and it may be created and set from a handler, by raw syscalls.
//!
//! # Safety
//!
//! Each block hands the kernel structures of its own.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

use super::block::Block;
use super::{clock, install, net, raw, signal, time};

/// The first pause, in microseconds; each one is double the one before, up to the last.
const FIRST_PAUSE: u32 = 1_000;
const LAST_PAUSE: u32 = 50_000;
/// At once.
const SOON: u32 = 1;

/// From one tick of the kernel's clock to the next, in microseconds; not less than the first pause.
static TICK: AtomicU32 = AtomicU32::new(FIRST_PAUSE);

/// Asks how long a tick is.
pub(super) fn learn_tick() {
    let tick = u32::try_from(net::clock_lag().as_micros()).unwrap_or(FIRST_PAUSE);
    TICK.store(tick.clamp(FIRST_PAUSE, LAST_PAUSE), Ordering::Relaxed);
}

/// Sets the timer for the next shot, twice as far away as the last. Async-signal-safe.
///
/// Without a timer (the kernel refuses one at the limit on queued signals) a plain call that was
/// about to begin when the signal came stays uninterrupted until the next request.
pub(super) fn repeat(block: &Block) {
    if let Some(timer) = get_or_create(block) {
        set(timer, next_pause(block, FIRST_PAUSE));
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
pub(super) fn repeat_after_own_call(block: &Block) {
    let Some(timer) = get_or_create(block) else { return };
    let tick = TICK.load(Ordering::Relaxed);
    let pause = u64::from(tick) + u64::from(next_pause(block, tick));
    let at = time::last_tick_nanos().saturating_add(pause * 1_000);
    set_to(timer, clock::timespec(at), libc::TIMER_ABSTIME);
}

/// Twice the last pause, or the first one.
fn next_pause(block: &Block, first: u32) -> u32 {
    let pause = match block.repeat.load(Ordering::Relaxed) {
        0 => first,
        last => last.saturating_mul(2).min(LAST_PAUSE),
    };
    block.repeat.store(pause, Ordering::Relaxed);
    pause
}

/// Makes sure that a thread whose signal is a real-time one has a timer: at the limit on queued
/// signals nothing else reaches it.
pub(super) fn prepare(block: &Block) {
    if install::signal().is_some_and(signal::is_real_time) {
        get_or_create(block);
    }
}

/// Has the timer shoot now; false if there is none. A timer's signal is allocated with it, so it
/// finds room where others do not.
pub(super) fn shoot(block: &Block) -> bool {
    existing(block).map(|timer| set(timer, SOON)).is_some()
}

/// Sets the timer for the first shot; whether there is a timer.
pub(super) fn start(block: &Block) -> bool {
    block.repeat.store(0, Ordering::Relaxed);
    repeat(block);
    existing(block).is_some()
}

/// Stops the timer.
pub(super) fn stop(block: &Block) {
    block.repeat.store(0, Ordering::Relaxed);
    if let Some(timer) = existing(block) {
        set(timer, 0);
    }
}

/// Stops the timer if its thread is not armed any more.
pub(super) fn rest_if_unarmed(block: &Block) {
    if block.repeat.load(Ordering::Relaxed) == 0 || block.word.is_armed() {
        return;
    }
    stop(block);
    // A request that came between the look and the stop has had its timer stopped, which may be all
    // that it had.
    if block.word.is_armed() {
        shoot(block);
    }
}

/// Deletes the timer of a thread that ends.
pub(super) fn delete(block: &Block) {
    if let Some(timer) = existing(block) {
        // SAFETY: the timer is this thread's own.
        let _ = unsafe { raw::syscall(libc::SYS_timer_delete, [timer as usize]) };
    }
    forget(block);
}

/// Forgets the timer: a child of a fork has none, and its number may be another's there (S6).
pub(super) fn forget(block: &Block) {
    block.timer.store(0, Ordering::Relaxed);
    block.repeat.store(0, Ordering::Relaxed);
}

fn existing(block: &Block) -> Option<i32> {
    block.timer.load(Ordering::Relaxed).checked_sub(1).filter(|timer| *timer >= 0)
}

fn get_or_create(block: &Block) -> Option<i32> {
    existing(block).or_else(|| {
        let timer = create(block.tid.load(Ordering::Relaxed))?;
        block.timer.store(timer + 1, Ordering::Relaxed);
        Some(timer)
    })
}

/// The kernel's `struct sigevent`.
#[repr(C)]
struct Event {
    value: usize,
    signal: i32,
    notify: i32,
    tid: i32,
    _rest: [i32; 11],
}

const _: () = assert!(size_of::<Event>() == 64);

/// Makes a timer that sends our signal to the thread of that id.
pub(super) fn create(tid: i32) -> Option<i32> {
    let signal = install::signal()?;
    let notify = libc::SIGEV_THREAD_ID;
    let event = Event { value: signal::magic(), signal, notify, tid, _rest: [0; 11] };
    let mut timer: i32 = 0;
    let arguments =
        [libc::CLOCK_MONOTONIC as usize, &raw const event as usize, &raw mut timer as usize];
    // SAFETY: the kernel reads the event and writes the number.
    unsafe { raw::syscall(libc::SYS_timer_create, arguments) }.ok()?;
    Some(timer)
}

/// One shot after so many microseconds; 0 stops.
fn set(timer: i32, microseconds: u32) {
    let tv_nsec = libc::c_long::from(microseconds) * 1_000;
    set_to(timer, libc::timespec { tv_sec: 0, tv_nsec }, 0);
}

fn set_to(timer: i32, value: libc::timespec, flags: i32) {
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let setting = libc::itimerspec { it_interval: never, it_value: value };
    let arguments = [timer as usize, flags as usize, &raw const setting as usize, 0];
    // SAFETY: the kernel reads the setting.
    let _ = unsafe { raw::syscall(libc::SYS_timer_settime, arguments) };
}
