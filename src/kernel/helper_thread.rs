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
