//! `ppoll`.
//!
//! # Safety
//!
//! Each block hands the kernel records, a set and a time that are borrowed, or the function's own, for
//! the length of the call.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::calls::event::events::Events;
use crate::kernel::{SET_SIZE, address_of, timespec_of};
use crate::thread::{Outcome, call};

/// A descriptor for [`poll`](crate::event::poll()), what is awaited on it, and what has happened.
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

/// With a mask, those signals are blocked for the time of the call, and no others.
pub(crate) fn ppoll(
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
