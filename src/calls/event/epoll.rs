//! `epoll_wait` and `epoll_pwait2`.
//!
//! # Safety
//!
//! Each block hands the kernel records and a set that are borrowed for the length of the call; or what the caller vouches for.

#![allow(unsafe_code)]

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use libc::c_int;

use super::events::Events;
use super::signals::mask_without_ours;
use crate::calls::{Limit, number};
use crate::kernel::{SET_SIZE, Set, address_of, timespec_of};
use crate::thread::{Outcome, Stop, call};
use crate::{Error, complete};

/// What [`epoll_wait`] found: what has happened, and the number that the
/// descriptor was registered with.
///
/// Laid out as the kernel has it, without gaps on x86_64.
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
#[derive(Clone, Copy, Default)]
pub struct EpollEvent {
    events: u32,
    data: u64,
}

const _: () = assert!(size_of::<EpollEvent>() == size_of::<libc::epoll_event>());
const _: () = assert!(align_of::<EpollEvent>() == align_of::<libc::epoll_event>());

impl EpollEvent {
    /// Room for an event.
    pub const fn new() -> Self {
        Self { events: 0, data: 0 }
    }

    /// What has happened.
    pub fn events(&self) -> Events {
        // What epoll reports is in the lower half; the upper half is options.
        Events::from_bits_retain(self.events as u16)
    }

    /// The number that the descriptor was registered with.
    pub fn data(&self) -> u64 {
        self.data
    }
}

impl fmt::Debug for EpollEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpollEvent")
            .field("events", &self.events())
            .field("data", &self.data())
            .finish()
    }
}

/// Waits until something happens on a descriptor that is registered with an epoll; how many events
/// there are in the slice. 0 is the end of the time, which is counted in whole milliseconds,
/// rounded up.
///
/// The epoll may be made and filled by anybody.
///
/// # Examples
///
/// ```
/// use eintr::event::{EpollEvent, epoll_wait};
/// use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent as Interest, EpollFlags};
/// use std::os::unix::net::UnixStream;
///
/// let (reader, writer) = UnixStream::pair()?;
/// let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
/// epoll.add(&reader, Interest::new(EpollFlags::EPOLLIN, 7))?;
/// eintr::io::write(&writer, b"ping")?;
///
/// let mut events = [EpollEvent::new(); 8];
/// let happened = epoll_wait(&epoll.0, &mut events, None)?;
/// assert_eq!(events[..happened][0].data(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: EINVAL if there is no room for any event.
///
/// # Interruption
///
/// On `Interrupted` no event was taken: one of an edge or a one-shot is still to come.
///
/// See [epoll_wait(2)](https://man7.org/linux/man-pages/man2/epoll_wait.2.html).
pub fn epoll_wait(
    epoll: impl AsFd,
    events: &mut [EpollEvent],
    timeout: Option<Duration>,
) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    let room = room(epoll.as_fd(), events);
    // SAFETY: the events are borrowed mutably.
    complete(|| unsafe { pwait(room, limit.remaining(), None) })
}

/// As [`epoll_wait`], with a time that is not rounded, and with exactly those signals blocked for the time of the call
/// (see [`ppoll`](super::ppoll)). Before Linux 5.11 the time is rounded up, too.
///
/// # Examples
///
/// ```no_run
/// use eintr::event::{EpollEvent, epoll_pwait2};
/// use nix::sys::epoll::{Epoll, EpollCreateFlags};
/// use std::time::Duration;
///
/// let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
/// let limit = Some(Duration::from_micros(50));
/// assert_eq!(epoll_pwait2(&epoll.0, &mut [EpollEvent::new()], limit, &[libc::SIGHUP])?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`epoll_wait`]; of the kind `InvalidInput` if one of the numbers is no signal.
///
/// # Interruption
///
/// As [`epoll_wait`].
///
/// See [epoll_pwait2(2)](https://man7.org/linux/man-pages/man2/epoll_wait.2.html).
pub fn epoll_pwait2(
    epoll: impl AsFd,
    events: &mut [EpollEvent],
    timeout: Option<Duration>,
    blocked: &[c_int],
) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    let room = room(epoll.as_fd(), events);
    complete(|| {
        let mask = mask_without_ours(blocked)?;
        // SAFETY: the events are borrowed mutably.
        unsafe { pwait2(room, limit.remaining(), Some(mask)) }
    })
}

/// The milliseconds that epoll takes, rounded up; -1 for ever. The second value tells whether they
/// are less than was asked for.
fn milliseconds(timeout: Option<Duration>) -> (i32, bool) {
    let Some(timeout) = timeout else { return (-1, false) };
    match i32::try_from(timeout.as_nanos().div_ceil(1_000_000)) {
        Ok(milliseconds) => (milliseconds, false),
        Err(_) => (i32::MAX, true),
    }
}

/// The epoll, and where the kernel may write how many events.
pub(crate) type Room = [usize; 3];

fn room(epoll: BorrowedFd<'_>, events: &mut [EpollEvent]) -> Room {
    let count = events.len().min(i32::MAX as usize / size_of::<EpollEvent>());
    [number(epoll), events.as_mut_ptr() as usize, count]
}

/// `epoll_pwait2`; before Linux 5.11, and in a sandbox that does not know it, `epoll_pwait`, which
/// can all but a fraction of a millisecond.
///
/// # Safety
///
/// As [`pwait`].
pub(crate) unsafe fn pwait2(
    room: Room,
    timeout: Option<Duration>,
    mask: Option<Set>,
) -> Outcome<usize> {
    let ([epoll, events, count], time) = (room, timeout.map(timespec_of));
    let arguments = [epoll, events, count, address_of(&time), address_of(&mask), SET_SIZE];
    // SAFETY: the caller's promise; the kernel reads the time and the mask.
    match unsafe { call(libc::SYS_epoll_pwait2, arguments) } {
        // SAFETY: the caller's promise.
        Err(Stop::Errno(libc::ENOSYS | libc::EPERM)) => unsafe { pwait(room, timeout, mask) },
        found => found,
    }
}

/// `epoll_pwait`.
///
/// # Safety
///
/// The kernel may write as many events as are told.
pub(crate) unsafe fn pwait(
    [epoll, events, count]: Room,
    timeout: Option<Duration>,
    mask: Option<Set>,
) -> Outcome<usize> {
    let (milliseconds, cut_short) = milliseconds(timeout);
    let arguments = [epoll, events, count, milliseconds as usize, address_of(&mask), SET_SIZE];
    // SAFETY: the caller's promise; the kernel reads the mask.
    match unsafe { call(libc::SYS_epoll_pwait, arguments) } {
        // The rest of a time that is too long for epoll: as after a stray signal.
        Ok(0) if cut_short => Err(Stop::Errno(libc::EINTR)),
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_and_cut() {
        assert_eq!(milliseconds(None), (-1, false));
        assert_eq!(milliseconds(Some(Duration::ZERO)), (0, false));
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), (1, false));
        assert_eq!(milliseconds(Some(Duration::from_millis(7))), (7, false));
        let longest = Duration::from_millis(i32::MAX as u64);
        assert_eq!(milliseconds(Some(longest)), (i32::MAX, false));
        assert_eq!(milliseconds(Some(longest + Duration::from_nanos(1))), (i32::MAX, true));
        assert_eq!(milliseconds(Some(Duration::MAX)), (i32::MAX, true));
    }
}
