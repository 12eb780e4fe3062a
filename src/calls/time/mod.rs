//! Sleeping.
//!
//! # Safety
//!
//! The kernel is handed a time of the function's own.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use crate::kernel::Moment;
use crate::thread::{Outcome, call};
use crate::{Error, complete};

/// Sleeps for a time, on the monotonic clock. A time too long for the clock is for ever.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// eintr::time::sleep(Duration::from_millis(1))?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`].
///
/// # Interruption
///
/// On `Interrupted` the time had not passed. Any other signal leaves the moment of waking as it
/// was.
///
/// See [clock_nanosleep(2)](https://man7.org/linux/man-pages/man2/clock_nanosleep.2.html).
pub fn sleep(duration: Duration) -> Result<(), Error> {
    let wake = Moment::in_time(duration);
    complete(|| nanosleep_until(wake))
}

/// Sleeps until a moment; not at all if it has passed.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let soon = Instant::now() + Duration::from_millis(1);
/// eintr::time::sleep_until(soon)?;
/// assert!(Instant::now() >= soon);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`].
///
/// # Interruption
///
/// On `Interrupted` the moment had not come, or the thread was interrupted before it looked.
///
/// See [clock_nanosleep(2)](https://man7.org/linux/man-pages/man2/clock_nanosleep.2.html).
pub fn sleep_until(deadline: Instant) -> Result<(), Error> {
    let wake = Moment::from(deadline);
    complete(|| nanosleep_until(wake))
}

/// By a moment, and not by what is left of a time: any other signal leaves it as it was.
pub(crate) fn nanosleep_until(moment: Moment) -> Outcome<()> {
    let until = moment.timespec();
    let [clock, flags] = [libc::CLOCK_MONOTONIC as usize, libc::TIMER_ABSTIME as usize];
    let arguments = [clock, flags, &raw const until as usize, 0];
    // SAFETY: the kernel reads a timespec that is ours.
    unsafe { call(libc::SYS_clock_nanosleep, arguments) }.map(drop)
}
