//! `poll` and `ppoll`.
//!
//! # Safety
//!
//! Each block hands the kernel records, a set and a time that are borrowed, or the function's own, for the length of the call.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use libc::c_int;

use super::events::Events;
use super::signals::mask_without_ours;
use crate::calls::Limit;
use crate::kernel::{SET_SIZE, address_of, timespec_of};
use crate::thread::{Outcome, call};
use crate::{Error, complete};

/// A descriptor for [`poll`], what is awaited on it, and what has happened.
#[repr(transparent)]
#[derive(Clone)]
pub struct PollFd<'fd> {
    raw: libc::pollfd,
    _fd: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> PollFd<'fd> {
    /// Awaits events on a descriptor. [`ERR`](Events::ERR), [`HUP`](Events::HUP) and
    /// [`NVAL`](Events::NVAL) are always awaited.
    pub fn new(fd: &'fd impl AsFd, events: Events) -> Self {
        let fd = fd.as_fd().as_raw_fd();
        let raw = libc::pollfd { fd, events: events.bits() as i16, revents: 0 };
        Self { raw, _fd: PhantomData }
    }

    /// What is awaited.
    pub fn events(&self) -> Events {
        Events::from_bits_retain(self.raw.events as u16)
    }

    /// Awaits something else.
    pub fn set_events(&mut self, events: Events) {
        self.raw.events = events.bits() as i16;
    }

    /// What the last poll found; empty if nothing has happened here.
    pub fn revents(&self) -> Events {
        Events::from_bits_retain(self.raw.revents as u16)
    }
}

impl fmt::Debug for PollFd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollFd")
            .field("fd", &self.raw.fd)
            .field("events", &self.events())
            .field("revents", &self.revents())
            .finish()
    }
}

/// Waits until something happens on one of the descriptors; on how many it has. 0 is the end of the
/// time.
///
/// # Examples
///
/// ```
/// use eintr::event::{Events, PollFd, poll};
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (reader, writer) = UnixStream::pair()?;
/// let mut fds = [PollFd::new(&reader, Events::IN)];
/// assert_eq!(poll(&mut fds, Some(Duration::from_millis(1)))?, 0);
///
/// eintr::io::write(&writer, b"ping")?;
/// assert_eq!(poll(&mut fds, None)?, 1);
/// assert_eq!(fds[0].revents(), Events::IN);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error. A descriptor's own troubles are not errors here
/// but [`Events`].
///
/// # Interruption
///
/// On `Interrupted` nothing had happened that was awaited; the `revents` mean nothing.
///
/// See [poll(2)](https://man7.org/linux/man-pages/man2/poll.2.html).
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    complete(|| wait(fds, limit.remaining(), None))
}

/// As [`poll`], with exactly those signals blocked for the time of the call.
///
/// A signal that is let in meanwhile runs its handler and does not end the call. What should end
/// it: an [interrupt](crate::Interrupter::interrupt), or a descriptor among those that are polled.
/// The signal by which threads are interrupted is never blocked here, nor is SIGSYS.
///
/// # Examples
///
/// ```
/// use eintr::event::{Events, PollFd, ppoll};
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (reader, _writer) = UnixStream::pair()?;
/// let mut fds = [PollFd::new(&reader, Events::IN)];
/// let blocked = [libc::SIGTERM, libc::SIGHUP];
/// assert_eq!(ppoll(&mut fds, Some(Duration::from_millis(1)), &blocked)?, 0);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`poll`]; of the kind `InvalidInput` if one of the numbers is no signal.
///
/// # Interruption
///
/// As [`poll`].
///
/// See [ppoll(2)](https://man7.org/linux/man-pages/man2/ppoll.2.html).
pub fn ppoll(
    fds: &mut [PollFd<'_>],
    timeout: Option<Duration>,
    blocked: &[c_int],
) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    complete(|| {
        let mask = mask_without_ours(blocked)?;
        wait(fds, limit.remaining(), Some(mask))
    })
}

/// ppoll. With a mask, those signals are blocked for the time of the call, and no others.
pub(crate) fn wait(
    fds: &mut [PollFd<'_>],
    timeout: Option<Duration>,
    mask: Option<u64>,
) -> Outcome<usize> {
    // The kernel writes into it what is left: a restart of its own (SIGCONT's) goes on with that.
    let mut left = timeout.map(timespec_of);
    let left = left.as_mut().map_or(0, |left| &raw mut *left as usize);
    let [address, count] = [fds.as_mut_ptr() as usize, fds.len()];
    // SAFETY: the kernel reads and writes `count` records, the time, and reads the mask.
    unsafe { call(libc::SYS_ppoll, [address, count, left, address_of(&mask), SET_SIZE]) }
}
