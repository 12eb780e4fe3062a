//! Keeping a socket's own timeout (S7).
//!
//! A socket with `SO_RCVTIMEO` or `SO_SNDTIMEO` answers every signal with EINTR, whatever
//! `SA_RESTART` says, and each further attempt would be given the whole time anew. So it is noted
//! when a call began, and after a signal that was not ours the wait goes on in `ppoll`, for the
//! time that remains; the attempts themselves do not wait any more.
//!
//! The clock is a coarse one, which is read without a syscall. (Rejected: to poll before every
//! attempt, or to ask for the timeout before it. A call to which nothing happens makes exactly the
//! syscalls of the plain call, P9.)

use std::os::fd::BorrowedFd;
use std::time::Duration;

use libc::c_int;
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::Limit;
use super::event::events::Events;
use super::event::poll::{PollFd, wait};
use super::time::nanosleep_until;
use crate::kernel::{Moment, clock};
use crate::thread::{Outcome, Stop};
use crate::{Error, complete};

/// What a socket is waited for, and by which of its timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To receive, to accept.
    In,
    /// To send, to connect.
    Out,
}

/// When a call began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Began(Option<Moment>);

impl Began {
    /// Now.
    #[inline]
    pub(crate) fn now() -> Self {
        Self(Some(Moment::last_tick()))
    }

    /// Not known, for calls to which even that clock would be dear. The time counts from the first
    /// signal then: at most twice the timeout in all.
    pub(crate) const UNKNOWN: Self = Self(None);

    /// What remains of a timeout: never too little.
    pub(crate) fn remaining(self, timeout: Duration) -> Duration {
        let elapsed = self.0.map_or(Duration::ZERO, |began| {
            Moment::last_tick().since(began).saturating_sub(clock::tick())
        });
        timeout.saturating_sub(elapsed)
    }
}

/// A socket's own timeout; none if it has none, or is no socket.
pub(crate) fn timeout(fd: BorrowedFd<'_>, way: Way) -> Option<Duration> {
    let time: TimeVal = match way {
        Way::In => getsockopt(&fd, sockopt::ReceiveTimeout),
        Way::Out => getsockopt(&fd, sockopt::SendTimeout),
    }
    .ok()?;
    let timeout = Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1_000);
    (!timeout.is_zero()).then_some(timeout)
}

/// How an attempt is to be made: these flags are set besides the caller's.
pub(crate) type Extra = c_int;

/// As [`complete`], for a call on what may be a socket with a timeout of its own. The attempt is
/// told to add `MSG_DONTWAIT` once such a socket was interrupted by a signal that is not ours. One
/// that cannot (there is no such flag for accept) may wait once more if somebody else took what had
/// come.
// Always inlined: see `io/read_write.rs`.
#[inline(always)]
pub(crate) fn complete_in_time<T>(
    fd: BorrowedFd<'_>,
    way: Way,
    began: Began,
    mut attempt: impl FnMut(Extra) -> Outcome<T>,
) -> Result<T, Error> {
    // With a limit, we wait, and not the call itself.
    let mut limit = None;
    complete(|| match limit {
        None => {
            let outcome = attempt(0);
            if matches!(outcome, Err(Stop::Errno(libc::EINTR))) {
                limit = limit_after_signal(fd, way, began);
            }
            outcome
        }
        Some(limit) => hurry(fd, way, limit, &mut attempt),
    })
}

#[cold]
fn limit_after_signal(fd: BorrowedFd<'_>, way: Way, began: Began) -> Option<Limit> {
    timeout(fd, way).map(|timeout| Limit::new(Some(began.remaining(timeout))))
}

/// Between two looks at a socket that is said to be ready and is not: another thread is quicker, or
/// the message goes to somebody whose queue is full.
const PAUSE: Duration = Duration::from_millis(1);

#[cold]
fn hurry<T>(
    fd: BorrowedFd<'_>,
    way: Way,
    limit: Limit,
    mut attempt: impl FnMut(Extra) -> Outcome<T>,
) -> Outcome<T> {
    let events = match way {
        Way::In => Events::IN,
        Way::Out => Events::OUT,
    };
    while wait(&mut [PollFd::new(&fd, events)], limit.remaining(), None)? > 0 {
        match attempt(libc::MSG_DONTWAIT) {
            Err(Stop::Errno(libc::EAGAIN)) if limit.remaining() != Some(Duration::ZERO) => {
                nanosleep_until(Moment::in_time(PAUSE))?;
            }
            outcome => return outcome,
        }
    }
    Err(Stop::Errno(libc::EAGAIN))
}
