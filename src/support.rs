//! What works here.

use std::fmt;

use crate::entry::install;
use crate::obstacle::Obstacle;
use crate::reach::dispatch;
use crate::signal::ours::{self, Unsendable};
use crate::thread::repeat_timer;

/// What this machine lets us do, by road. See [`support`].
///
/// ```
/// println!("{}", eintr::support());
/// // checkpoints: exact
/// // our own calls: exact (by signal 10)
/// // plain calls: exact (by Syscall User Dispatch)
/// // deadlines: exact (by timers)
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
    /// Deadlines, and signals that are repeated where plain calls are reached in the second-best way.
    pub deadlines: Road,
    /// Why our own calls are no better.
    pub own_calls_obstacle: Option<Obstacle>,
    /// Why plain calls are no better.
    pub reach_obstacle: Option<Obstacle>,
    /// Why deadlines are no better.
    pub deadlines_obstacle: Option<Obstacle>,
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
    ///
    /// It is so for deadlines where a thread can have no timer: a helper thread keeps them. There a signal is
    /// not repeated: a plain call that was about to begin when the request came stays until the next one.
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
///     eprintln!("calls of other crates may be late to notice: {support}"); // and why
/// }
/// ```
#[track_caller]
pub fn support() -> Support {
    install::ensure();
    if ours::in_force().is_err() {
        ours::move_if_taken();
    }
    let signal = ours::number();
    let own_calls_obstacle = match ours::in_force() {
        Err(Unsendable::None) => Some(Obstacle::NoSignal),
        Err(Unsendable::Taken) => Some(Obstacle::HandlerReplaced),
        Ok(_) => (!install::can_send()).then_some(Obstacle::Sandbox),
    };
    let reach_obstacle = own_calls_obstacle.or_else(dispatch::obstacle);
    let own_calls = own_calls_obstacle.map_or(Road::Exact, |_| Road::Absent);
    let reach = match own_calls {
        Road::Exact => reach_obstacle.map_or(Road::Exact, |_| Road::SecondBest),
        absent => absent,
    };
    let deadlines_obstacle =
        own_calls_obstacle.or_else(|| (!repeat_timer::can_be_had()).then_some(Obstacle::NoTimer));
    let deadlines = match own_calls {
        Road::Exact => deadlines_obstacle.map_or(Road::Exact, |_| Road::SecondBest),
        absent => absent,
    };
    Support {
        signal,
        own_calls,
        reach,
        deadlines,
        own_calls_obstacle,
        reach_obstacle,
        deadlines_obstacle,
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "checkpoints: exact")?;
        write!(f, "our own calls: {}", self.own_calls)?;
        if let Some(signal) = self.signal.filter(|_| self.own_calls != Road::Absent) {
            write!(f, " (by signal {signal})")?;
        }
        tell(f, self.own_calls_obstacle)?;
        write!(f, "\nplain calls: {}", self.reach)?;
        f.write_str(match self.reach {
            Road::Exact => " (by Syscall User Dispatch)",
            Road::SecondBest if self.deadlines == Road::Exact => {
                " (by signals, repeated with back-off)"
            }
            Road::SecondBest => " (by signals, not repeated)",
            Road::Absent => "",
        })?;
        tell(f, self.reach_obstacle)?;
        write!(f, "\ndeadlines: {}", self.deadlines)?;
        f.write_str(match self.deadlines {
            Road::Exact => " (by timers)",
            Road::SecondBest => " (by a helper thread)",
            Road::Absent => "",
        })?;
        tell(f, self.deadlines_obstacle)
    }
}

fn tell(f: &mut fmt::Formatter<'_>, obstacle: Option<Obstacle>) -> fmt::Result {
    obstacle.map_or(Ok(()), |obstacle| write!(f, "; {obstacle}"))
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
