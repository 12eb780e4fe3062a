//! Which signals are in force, and for what.
//!
//! Its lock is taken behind the fork gate, and no other inside of it; what is to be dropped is handed out.

use std::sync::{Arc, Mutex, PoisonError};

use libc::c_int;
use signal_hook::SigId;

use super::target::Target;
use crate::thread::fork_gate;

/// The highest signal that has a name.
pub(super) const LAST: u8 = 31;

/// What becomes of a signal.
pub(super) struct Standing {
    /// None while it is not in force.
    pub(super) target: Option<Arc<Target>>,
    /// The action, of a signal that was ever in force, that is conditional on its being asked a second time.
    pub(super) default: Option<SigId>,
    /// The thread hears of it.
    pub(super) is_heard: bool,
}

static STANDINGS: Mutex<[Standing; LAST as usize]> = Mutex::new(
    [const { Standing { target: None, default: None, is_heard: false } }; LAST as usize],
);

/// Of a signal that has a name.
pub(super) fn standing<T>(signal: c_int, f: impl FnOnce(&mut Standing) -> T) -> T {
    let _gate = fork_gate::gate();
    f(&mut STANDINGS.lock().unwrap_or_else(PoisonError::into_inner)[signal as usize - 1])
}

/// What is to be done at that signal, if it is in force.
pub(super) fn target(signal: c_int) -> Option<Arc<Target>> {
    standing(signal, |standing| standing.target.clone().filter(|target| target.is_here()))
}
