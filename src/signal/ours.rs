//! Our signal: which it is, and whether our handler still stands for it.
//!
//! # Moving (S21)
//!
//! The program may put a handler of its own in the place of ours, or the default. Then a signal of ours
//! is lost, or the process's end. So who is about to send one looks first, and moves to another signal
//! once it has let go of its locks: see `entry/moving.rs`. What was there before us stays known of each
//! signal that was ours, because a handler that came after ours may go on calling it.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI32};

use libc::c_int;

use super::Previous;
use crate::kernel::{Set, signals};

const SIGNALS: usize = 65;

/// 0 while nothing is installed.
static NUMBER: AtomicI32 = AtomicI32::new(0);
/// What was there before our handler, of each signal.
static PREVIOUS: [Previous; SIGNALS] = [const { Previous::nothing() }; SIGNALS];
/// Somebody has found something else in the place of our handler.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Moves, and says whether our handler is in force now.
static MOVE: OnceLock<fn() -> bool> = OnceLock::new();
/// The program has chosen the signal, or there is no other.
static STAYS: AtomicBool = AtomicBool::new(true);

/// Our signal, if there is one. Async-signal-safe.
pub(crate) fn number() -> Option<c_int> {
    let number = NUMBER.load(SeqCst);
    (number != 0).then_some(number)
}

/// The set of our signal, or of none. Async-signal-safe.
pub(crate) fn set() -> Set {
    number().map_or(0, signals::bit)
}

/// From now on it is that one, or none.
pub(crate) fn choose(number: Option<c_int>) {
    NUMBER.store(number.unwrap_or(0), SeqCst);
}

/// What was there before our handler for that signal, if ours was ever there.
pub(crate) fn previous(number: c_int) -> &'static Previous {
    &PREVIOUS[(number as usize).min(SIGNALS - 1)]
}

/// Whether that signal is ours, or was.
pub(crate) fn was_ever(number: c_int) -> bool {
    previous(number).has_come()
}

/// Those that were ours before the one that is.
pub(crate) fn before() -> impl Iterator<Item = c_int> {
    (1..SIGNALS as c_int).filter(|signal| was_ever(*signal) && number() != Some(*signal))
}

/// Our signal, if it may be sent: a syscall. (Where a sandbox does not let us look, we believe it.)
///
/// Where we stay, another handler may lead to ours, and is the only way. The default action never is.
pub(crate) fn in_force() -> Result<c_int, Unsendable> {
    let number = number().ok_or(Unsendable::None)?;
    match signals::action(number) {
        Ok(now) if previous(number).is(&now) => Ok(number),
        Ok(now) if now.is_caught() && STAYS.load(Relaxed) => Ok(number),
        Ok(_) => {
            IS_TAKEN.store(true, Relaxed);
            Err(Unsendable::Taken)
        }
        Err(_) => Ok(number),
    }
}

/// Why there is no signal to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// There is none.
    None,
    /// The program has put something else in the place of our handler.
    Taken,
}

/// Calls `move_away` where our signal is found taken.
pub(crate) fn move_by(move_away: fn() -> bool) {
    let _ = MOVE.set(move_away);
    STAYS.store(false, Relaxed);
}

/// Moves to another signal, if somebody has found ours taken; whether it may be sent then. With no
/// lock of ours held.
pub(crate) fn move_if_taken() -> bool {
    IS_TAKEN.load(Relaxed) && move_away()
}

/// The same for who has just found it taken, and waits for another that may be moving.
pub(crate) fn move_away() -> bool {
    if STAYS.load(Relaxed) {
        return false;
    }
    IS_TAKEN.store(false, Relaxed);
    let can_be_sent = MOVE.get().is_some_and(|move_away| move_away());
    if !can_be_sent {
        STAYS.store(true, Relaxed);
    }
    can_be_sent
}

/// Whether the application has put a handler of its own in the place of ours since.
pub(crate) fn is_replaced() -> bool {
    number().is_some_and(|number| previous(number).is_replaced(number))
}
