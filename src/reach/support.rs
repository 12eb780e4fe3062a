//! What works here.

use std::fmt;

use crate::sys::{dispatch, install};

/// What this machine lets us do. See [`support`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Support {
    /// The number of the signal in use; none if no signal was free.
    pub signal: Option<i32>,
    /// Whether plain calls are reached exactly, by Syscall User Dispatch. Otherwise they return EINTR, and what retries on
    /// EINTR is not reached: on aarch64, before Linux 5.11, under valgrind, and where a sandbox forbids the prctl.
    pub dispatch: bool,
}

/// Tells what works here. Chooses and installs the signal, if that has not been done.
///
/// ```
/// println!("{}", eintr::support());
/// ```
#[track_caller]
pub fn support() -> Support {
    install::ensure();
    Support { signal: install::installed_signal(), dispatch: dispatch::is_available() }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.signal {
            Some(signal) => writeln!(f, "checkpoints and own calls: exact, by signal {signal}")?,
            None => {
                writeln!(f, "checkpoints and own calls: before the call only (no free signal)")?
            }
        }
        match self.dispatch {
            true => write!(f, "plain calls: exact, by Syscall User Dispatch"),
            false => write!(f, "plain calls: EINTR, repeated with back-off"),
        }
    }
}
