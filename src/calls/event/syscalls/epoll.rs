//! `epoll_pwait` and `epoll_pwait2`.
//!
//! # Safety
//!
//! Each block hands the kernel records and a set that are borrowed for the length of the call; or
//! what the caller answers for.

#![allow(unsafe_code)]

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::calls::event::events::Events;
use crate::kernel::{SET_SIZE, Set, address_of, timespec_of};
use crate::thread::{Outcome, Stop, call};

/// What [`epoll_wait`](crate::event::epoll_wait) found: what has happened, and the number that the
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
    [epoll.as_raw_fd() as usize, events.as_mut_ptr() as usize, count]
}

pub(crate) fn epoll_pwait2(
    epoll: BorrowedFd<'_>,
    events: &mut [EpollEvent],
    timeout: Option<Duration>,
    mask: Set,
) -> Outcome<usize> {
    // SAFETY: the events are borrowed mutably.
    unsafe { pwait2(room(epoll, events), timeout, Some(mask)) }
}

pub(crate) fn epoll_wait(
    epoll: BorrowedFd<'_>,
    events: &mut [EpollEvent],
    timeout: Option<Duration>,
) -> Outcome<usize> {
    // SAFETY: the events are borrowed mutably.
    unsafe { pwait(room(epoll, events), timeout, None) }
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
