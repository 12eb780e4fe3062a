//! What works here.

use std::fmt;

use crate::entry::install;
use crate::reach::dispatch;
use crate::signal::ours;

/// What this machine lets us do, by road. See [`support`].
///
/// ```
/// println!("{}", eintr::support());
/// // checkpoints: exact
/// // our own calls: exact (by signal 10)
/// // plain calls: exact (by Syscall User Dispatch)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Support {
    /// The number of the signal in use; none if no signal was free.
    pub signal: Option<i32>,
    /// Our own calls.
    pub own_calls: Road,
    /// Plain calls, of code that is not ours ([`reach`](crate::reach())).
    pub reach: Road,
}

/// How well a road into a thread works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Road {
    /// No instruction is left at which an interrupt is lost.
    Exact,
    /// A signal answers the call that it finds, and is repeated with back-off.
    ///
    /// That is so for plain calls on aarch64, before Linux 5.11, under valgrind, where a sandbox
    /// forbids the prctl, and once the program has set a handler of its own for SIGSYS. On x86_64 a
    /// call that the kernel does not restart (a sleep, a poll, a socket with a timeout) is then
    /// answered only if it was already waiting when the request came; otherwise, and for deadlines,
    /// it returns EINTR. The [table of answers](crate::reach()) has a column for it.
    SecondBest,
    /// Seen before the call only: no signal was free to end one, or a sandbox lets none be sent.
    Absent,
}

/// Tells what works here. Chooses and installs the signal, if that has not been done.
///
/// ```
/// use eintr::Road;
///
/// let support = eintr::support();
/// if support.reach != Road::Exact {
///     eprintln!("calls of other crates may be late to notice: {}", support.reach);
/// }
/// ```
#[track_caller]
pub fn support() -> Support {
    install::ensure();
    if ours::in_force().is_err() {
        ours::move_if_taken();
    }
    let signal = ours::number();
    let can_be_sent = ours::in_force().is_ok() && install::can_send();
    let with_signal = |road| if can_be_sent { road } else { Road::Absent };
    let reach = if dispatch::is_usable() { Road::Exact } else { Road::SecondBest };
    Support { signal, own_calls: with_signal(Road::Exact), reach: with_signal(reach) }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "checkpoints: exact")?;
        write!(f, "our own calls: {}", self.own_calls)?;
        if let Some(signal) = self.signal.filter(|_| self.own_calls != Road::Absent) {
            write!(f, " (by signal {signal})")?;
        }
        write!(f, "\nplain calls: {}", self.reach)?;
        match self.reach {
            Road::Exact => f.write_str(" (by Syscall User Dispatch)"),
            Road::SecondBest => f.write_str(" (by signals, repeated with back-off)"),
            Road::Absent => Ok(()),
        }
    }
}

impl fmt::Display for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Road::Exact => "exact",
            Road::SecondBest => "second best",
            Road::Absent => "absent",
        })
    }
}
