//! The one thread that waits: for signals, and for the moments at which a service manager is to hear something.
//!
//! It runs nothing of the program's (but for destructors, of what was given up meanwhile), which might be slow: a SIGTERM must not wait behind a SIGHUP's closure, nor a SIGQUIT's
//! behind a SIGTERM's hook that hangs. Closures have a thread each while they run (`target.rs`); an interrupt, by which a hook or
//! an observer runs, is made here only if the program has neither. (Rejected: a thread for each registration, which sleep as long as the
//! program runs. And closures here with the interrupts by signal handlers: asking takes locks.)
//!
//! # Safety
//!
//! What is registered for a signal runs inside of signal-hook's handler: it touches two atomics, and makes one raw syscall.

#![allow(unsafe_code)]

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use libc::c_int;
use signal_hook::low_level;

use super::heartbeat::Watchdog;
use super::stop::Stop;
use super::{notify, table};
use crate::kernel::{Moment, futex, signals};
use crate::thread::{fork_gate, helper_thread};

/// The signals that have come.
static COMING: AtomicU64 = AtomicU64::new(0);
/// Counts what has happened; a futex.
static NEWS: AtomicU32 = AtomicU32::new(0);
/// Whether the thread is there, or about to be, and in which generation of processes; a futex.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// Starts the thread, if this process has none. Who comes meanwhile waits: what it registers next must have a thread.
pub(super) fn start() -> io::Result<()> {
    notify::look_for_manager();
    let [starting, running] = [1, 2].map(|state| fork_gate::generation().wrapping_mul(4) + state);
    loop {
        let before = STARTED.load(Acquire);
        if before == running {
            return Ok(());
        }
        if before == starting {
            futex::wait(&STARTED, starting, Moment::NEVER);
            continue;
        }
        if STARTED.compare_exchange(before, starting, AcqRel, Acquire).is_err() {
            continue;
        }
        if before != 0 {
            // What came to the parent of a fork was not for this process.
            COMING.store(0, Release);
        }
        let started = helper_thread::start("eintr-signals", run);
        // Without one, the next one tries again.
        STARTED.store(if started.is_ok() { running } else { 0 }, Release);
        futex::wake_all(&STARTED);
        return started;
    }
}

/// The thread hears of a signal, from now on and for ever.
pub(super) fn hear(signal: c_int) -> io::Result<()> {
    let note = move || {
        COMING.fetch_or(signals::bit(signal), Release);
        wake();
    };
    // SAFETY: async-signal-safe, see the module.
    unsafe { low_level::register(signal, note) }.map(drop)
}

/// The thread looks. Async-signal-safe.
pub(super) fn wake() {
    NEWS.fetch_add(1, Release);
    futex::wake_all(&NEWS);
}

/// Whether signals have come that it has not looked at.
pub(super) fn has_signals() -> bool {
    COMING.load(Acquire) != 0
}

fn run() {
    let (mut stop, mut watchdog) = (Stop::default(), Watchdog::default());
    loop {
        let seen = NEWS.load(Acquire);
        let mut look = || {
            take_signals(&mut stop);
            stop.look().min(watchdog.look())
        };
        // A destructor of the user's may run here, of a closure that was given up meanwhile.
        let next = catch_unwind(AssertUnwindSafe(&mut look));
        let next = next.unwrap_or_else(|_| Moment::in_time(Duration::from_secs(1)));
        futex::wait(&NEWS, seen, next);
    }
}

fn take_signals(stop: &mut Stop) {
    let coming = COMING.swap(0, AcqRel);
    let targets =
        (1..=c_int::from(table::LAST)).filter(|signal| coming & signals::bit(*signal) != 0);
    let mut targets: Vec<_> =
        targets.filter_map(|signal| Some((signal, table::target(signal)?))).collect();
    // Where there is no thread to be had for a closure, it runs here.
    targets.sort_by_key(|(_, target)| target.interrupts().is_none());
    for (signal, target) in targets {
        target.bring(signal);
        target.interrupts().into_iter().for_each(|interrupter| stop.begin(interrupter));
    }
}
