//! The futex call.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::kernel::{Moment, futex};
use crate::thread::Stop;
use crate::{Error, complete, entry};

/// Why a [`futex_wait`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FutexWait {
    /// Woken, perhaps for no reason.
    Woken,
    /// The word was not what was expected.
    Changed,
    /// The time was up.
    TimedOut,
}

/// Sleeps while a word is what is expected, until it is [woken](futex_wake) or the time is up. No
/// timeout, and one too long for the clock, is for ever.
///
/// Comparing the word and going to sleep are one step: a wake-up that follows upon a change of the
/// word is not missed. So the one right way to wait is a loop: look at the word, wait while it is
/// as it was seen. The threads of this process only; shared memory is another matter.
///
/// # Examples
///
/// ```
/// use eintr::sync::{futex_wait, futex_wake};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let ready = Arc::new(AtomicU32::new(0));
/// let setter = ready.clone();
/// let waiter = eintr::spawn(move || {
///     while ready.load(Ordering::Acquire) == 0 {
///         futex_wait(&ready, 0, None)?;
///     }
///     Ok::<(), eintr::Error>(())
/// });
/// setter.store(1, Ordering::Release);
/// futex_wake(&setter, 1);
/// waiter.join().unwrap()?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`].
///
/// # Interruption
///
/// On `Interrupted` no wake-up was taken: the next waiter has it. Any other signal leaves the
/// moment when the time is up as it was.
///
/// See [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html).
pub fn futex_wait(
    word: &AtomicU32,
    expected: u32,
    timeout: Option<Duration>,
) -> Result<FutexWait, Error> {
    let until = timeout.map_or(Moment::NEVER, Moment::in_time);
    complete(|| match entry::futex_wait::wait_until(word, expected, until) {
        Err(Stop::Errno(libc::EAGAIN)) => Ok(FutexWait::Changed),
        Err(Stop::Errno(libc::ETIMEDOUT)) => Ok(FutexWait::TimedOut),
        waited => waited.map(|()| FutexWait::Woken),
    })
}

/// Wakes up to `count` of those that wait on a word; how many they were.
///
/// Change the word first: see [`futex_wait`] for the whole.
///
/// # Examples
///
/// ```
/// let nobody_waits = std::sync::atomic::AtomicU32::new(0);
/// assert_eq!(eintr::sync::futex_wake(&nobody_waits, 1), 0);
/// ```
///
/// # Interruption
///
/// None: it does not wait, and works on an interrupted thread.
///
/// See [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html).
pub fn futex_wake(word: &AtomicU32, count: u32) -> usize {
    futex::wake(word, count)
}
