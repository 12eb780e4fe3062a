//! Sleeping.

use std::time::{Duration, Instant};

use crate::kernel::Moment;
use crate::{Error, complete};

pub(crate) mod syscalls;

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
    complete(|| syscalls::sleep_until(wake))
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
    complete(|| syscalls::sleep_until(wake))
}
