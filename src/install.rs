//! Choosing the signal before first use.

use std::panic::Location;
use std::{fmt, io};

use libc::c_int;

use crate::entry::install::{self, Installed};
use crate::signal::ours;

/// The signal by which threads are interrupted.
///
/// Without a choice it is the first that nobody uses: SIGUSR1, SIGUSR2, then real-time signals from
/// the highest down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(Choice);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Choice {
    Number(c_int),
    RealTime(c_int),
}

impl Signal {
    /// SIGUSR1.
    pub const USR1: Signal = Signal(Choice::Number(libc::SIGUSR1));
    /// SIGUSR2.
    pub const USR2: Signal = Signal(Choice::Number(libc::SIGUSR2));

    /// SIGRTMIN + `n`. Whether there is such a signal is for [`install()`] to say.
    pub const fn real_time(n: c_int) -> Signal {
        Signal(Choice::RealTime(n))
    }

    fn number(self) -> Option<c_int> {
        match self.0 {
            Choice::Number(number) => Some(number),
            Choice::RealTime(n) if n < 0 => None,
            Choice::RealTime(n) => {
                libc::SIGRTMIN().checked_add(n).filter(|number| *number <= libc::SIGRTMAX())
            }
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Choice::Number(libc::SIGUSR1) => f.write_str("SIGUSR1"),
            Choice::Number(libc::SIGUSR2) => f.write_str("SIGUSR2"),
            Choice::Number(number) => write!(f, "signal {number}"),
            Choice::RealTime(n) => write!(f, "SIGRTMIN+{n}"),
        }
    }
}

/// Why [`install()`] did not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// There is no such real-time signal.
    #[error("{0} is not a signal of this system")]
    Unsupported(Signal),
    /// A signal is in use already, since its first use or a call of [`install()`] there.
    #[error("too late: signal {signal} has been in use since {by}")]
    TooLate {
        /// The number of the signal that is in use.
        signal: c_int,
        /// Where it was installed, or used first.
        by: &'static Location<'static>,
    },
    /// The kernel refused.
    #[error("the handler could not be installed")]
    Refused(#[source] io::Error),
}

/// Chooses the signal, and installs its handler now.
///
/// For a program that uses SIGUSR1 for something else. To be called by the program and not by a
/// library, before the first task runs. A signal that has a handler may be chosen: what is not ours
/// goes on to that handler.
///
/// # Examples
///
/// ```standalone_crate
/// use eintr::Signal;
///
/// eintr::install(Signal::real_time(5))?;
/// assert!(eintr::install(Signal::USR2).is_err());
/// # Ok::<(), eintr::InstallError>(())
/// ```
///
/// # Errors
///
/// [`InstallError`]: no such signal, too late (it names who was first), or refused by the kernel.
#[track_caller]
pub fn install(signal: Signal) -> Result<(), InstallError> {
    let number = signal.number().ok_or(InstallError::Unsupported(signal))?;
    let (Installed { signal, by }, ours) = install::choose(number, Location::caller());
    match signal {
        Ok(_) if ours => Ok(()),
        Err(errno) if ours => Err(InstallError::Refused(io::Error::from_raw_os_error(errno))),
        // It may be another by now.
        Ok(first) => Err(InstallError::TooLate { signal: ours::number().unwrap_or(first), by }),
        Err(_) => Err(InstallError::TooLate { signal: 0, by }),
    }
}
