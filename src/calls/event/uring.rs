//! The wait of `io_uring_enter`.

use std::os::fd::AsFd;

use super::syscalls;
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
    complete(|| syscalls::uring::wait(ring.as_fd(), min_complete))
}
