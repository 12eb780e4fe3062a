//! Reads of eventfd and timerfd.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::Error;
use crate::calls::io::read;

/// Waits until the counter of an eventfd is not 0, and takes it: all of it, or 1 if it is a
/// semaphore.
///
/// # Examples
///
/// ```
/// use nix::sys::eventfd::EventFd;
///
/// let counter = EventFd::from_value(3)?;
/// assert_eq!(eintr::event::eventfd_read(&counter)?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error. Of the kind `InvalidData` if it was no such
/// counter and gave less than 8 bytes.
///
/// # Interruption
///
/// On `Interrupted` the counter is as it was.
///
/// See [eventfd(2)](https://man7.org/linux/man-pages/man2/eventfd.2.html).
pub fn eventfd_read(fd: impl AsFd) -> Result<u64, Error> {
    read_counter(fd.as_fd())
}

/// Waits until a timerfd expires; how often it has since it was last read or set.
///
/// # Examples
///
/// ```
/// use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
/// use std::time::Duration;
///
/// let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
/// timer.set(Expiration::OneShot(Duration::from_millis(1).into()), TimerSetTimeFlags::empty())?;
/// assert_eq!(eintr::event::timerfd_read(&timer)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`eventfd_read`]. A timer that watches the wall clock says ECANCELED when that is set: not an
/// interrupt.
///
/// # Interruption
///
/// On `Interrupted` no expiration was taken: the next read counts it.
///
/// See [timerfd_create(2)](https://man7.org/linux/man-pages/man2/timerfd_create.2.html).
pub fn timerfd_read(fd: impl AsFd) -> Result<u64, Error> {
    read_counter(fd.as_fd())
}

/// The kernel hands out all 8 bytes or none.
fn read_counter(fd: BorrowedFd<'_>) -> Result<u64, Error> {
    let mut count = [0; size_of::<u64>()];
    match read(fd, &mut count)? {
        length if length == count.len() => Ok(u64::from_ne_bytes(count)),
        _ => Err(Error::Io(io::Error::new(io::ErrorKind::InvalidData, "not a counter"))),
    }
}
