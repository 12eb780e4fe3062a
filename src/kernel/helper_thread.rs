//! Helper threads: few, and only where something cannot be done without.

use std::io;
use std::thread::Builder;

use super::signals;

/// Starts one. Signals are blocked in it: an application's are meant for the application's threads.
/// But for SIGSYS: the thread that starts it may be reached, and a syscall of its would be death
/// (S2).
pub(crate) fn start(name: &str, run: fn()) -> io::Result<()> {
    let before = signals::change_mask(libc::SIG_SETMASK, signals::ALL_BUT_SIGSYS);
    let started = Builder::new().name(name.into()).spawn(run);
    signals::change_mask(libc::SIG_SETMASK, before);
    started.map(drop)
}

/// Panics where one could not be had, as `std::thread::spawn` does: what waits would wait for ever, and
/// those who begin a hook or a deadline have no error to return (S28).
#[inline]
#[track_caller]
pub(crate) fn needed<T>(begun: io::Result<T>) -> T {
    begun.unwrap_or_else(|error| {
        panic!("the thread that sees to this thread's deadline cannot be started: {error}")
    })
}
