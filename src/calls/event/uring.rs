//! The wait of `io_uring_enter`.
//!
//! # Safety
//!
//! The descriptor is all that the kernel is handed.

#![allow(unsafe_code)]

use std::os::fd::AsFd;

use crate::calls::number;
use crate::reach::table::GET_EVENTS;
use crate::thread::call;
use crate::{Error, complete};

/// Waits until an io_uring has so many completions to be seen, or less if a signal came between.
/// Submits nothing: that is done before, by whoever keeps the ring, and does not wait.
///
/// # Examples
///
/// ```no_run
/// # fn next(ring: &std::os::fd::OwnedFd) -> Result<(), eintr::Error> {
/// // ring.submit()
/// eintr::event::io_uring_wait(ring, 1)?;
/// // ring.completion().next()
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` no completion was taken, and what was submitted goes on.
///
/// See [io_uring_enter(2)](https://man7.org/linux/man-pages/man2/io_uring_enter.2.html).
pub fn io_uring_wait(ring: impl AsFd, min_complete: u32) -> Result<(), Error> {
    let arguments = [number(ring.as_fd()), 0, min_complete as usize, GET_EVENTS, 0, 0];
    // SAFETY: nothing is submitted and there is no mask. What was submitted before may complete at
    // any time, with this call or without it; whoever submitted it vouches for its memory.
    complete(|| unsafe { call(libc::SYS_io_uring_enter, arguments) }.map(drop))
}
