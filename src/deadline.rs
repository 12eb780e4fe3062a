//! Deadlines: [`timeout`], [`timeout_at`], [`within`], [`cleanup`], [`remaining`], [`TimedOut`].
//!
//! A passed deadline is a cause like a request: raised by every checkpoint and call until the
//! deadline's body ends, hidden by masks, in its order among the tasks around it. It works in any
//! thread, managed or not, without a descriptor and without a helper thread: which stand is in
//! [`standing`], what wakes the thread in [`timer`].
//!
//! Whether a body that failed had timed out is told by what was raised in it, not by the clock: an
//! error of its own that comes late is still its own.

use std::io;
use std::time::{Duration, Instant};

use crate::entry::install;
use crate::{Error, after_change, is_interrupted, mask};

use open::Limit;

pub(crate) mod helper;
pub(crate) mod open;
pub(crate) mod standing;
pub(crate) mod timer;

/// Runs `f`, which has so much time: when the time is up, its blocking call returns, and every
/// further checkpoint and call in it raises, with [`Reason::Deadline`](crate::Reason::Deadline).
///
/// An `Err` of `f`'s becomes [`TimedOut`] if this deadline was raised inside, or cut a call short there
/// (whatever that was told: a plain sleep tells nothing), and nothing outside of it stands: no
/// interrupt of a task around it, no outer deadline. (Those have their own to say: the error is left
/// as it is, and an outer timeout that has passed by then tells it instead.) An `Ok` stays `Ok`,
/// however late. A time too long for the clock is for ever; with none at all the deadline has passed
/// before `f` begins.
///
/// Deadlines nest, with each other and with tasks, and the outermost that has passed is raised
/// first. A [mask](crate::mask()) or a [root task](crate::Task::root) inside puts them off. They
/// work in any thread. If a thread blocks our signal, it is unblocked for the deadline's time. That
/// is looked after where the timer has to be set, not where that of an earlier deadline still
/// stands soon enough: a thread that blocks the signal by itself, in the middle of a deadline or
/// after its first one, may notice no deadline until it unblocks it. (A [task](crate::Task::run)
/// looks each time.)
///
/// Plain blocking calls in its body, std's or a library's, are [reached](crate::reach()): in a task
/// as the task has it, and elsewhere unless it was turned off
/// ([`without_reach`](crate::without_reach())).
///
/// One that does not pass costs a look at the clock. The kernel timer behind it may go off after
/// its end: that disturbs no call that the kernel restarts after a signal, but those that it never
/// does (a plain poll or sleep; see
/// [signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html)) may return EINTR once.
///
/// # Examples
///
/// One budget for several calls:
///
/// ```
/// use std::io;
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (silent, _peer) = UnixStream::pair()?;
/// let answer = eintr::timeout(Duration::from_millis(20), || -> io::Result<usize> {
///     let mut buffer = [0; 64];
///     eintr::io::read(&silent, &mut buffer)?;
///     Ok(eintr::io::read(&silent, &mut buffer)?)
/// });
/// assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::TimedOut);
/// # Ok::<(), io::Error>(())
/// ```
///
/// A library's call, whose errors are not ours and not made of [`TimedOut`]:
/// [`or_interrupted`](crate::ResultExt::or_interrupted) inside turns them into [`Error`], which is.
///
/// ```
/// use eintr::{Error, ResultExt};
/// use std::time::Duration;
///
/// /// A library's, with an error of its own.
/// fn query() -> Result<u32, String> {
///     std::thread::sleep(Duration::from_secs(3600));
///     Err("connection lost".to_owned())
/// }
///
/// let answer = eintr::timeout(Duration::from_millis(20), || query().or_interrupted());
/// assert!(matches!(answer, Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut));
/// ```
///
/// A body whose errors come by `?` alone leaves it open what they become, and the compiler asks for a type (E0283).
/// The last `Ok` is the place to say it; `eintr::Error` takes in ours and std's, and says whether it was an interrupt.
///
/// ```
/// use std::time::Duration;
///
/// let limit = Duration::from_secs(5);
/// let length = eintr::timeout(limit, || {
///     let manifest = std::fs::read_to_string("Cargo.toml")?;
///     Ok::<_, eintr::Error>(manifest.len()) // `Ok(manifest.len())` does not compile
/// })?;
/// assert!(length > 0);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// `f`'s own, or [`TimedOut`] in its place.
///
/// # Panics
///
/// If `f` does; the deadline ends then too. And before `f` is run, if the deadline needs a thread of ours
/// that cannot be started: inside of [`with_hook`](crate::with_hook()), and where the kernel has no timer
/// to give.
#[track_caller]
pub fn timeout<T, E: From<TimedOut>>(
    limit: Duration,
    f: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    install::ensure();
    told(open::run(Limit::after(limit), f))
}

/// As [`timeout`], with the moment at which the time is up.
///
/// # Examples
///
/// ```
/// use eintr::TimedOut;
/// use std::time::{Duration, Instant};
///
/// let noon = Instant::now() + Duration::from_secs(3600);
/// let lunch = eintr::timeout_at(noon, || Ok::<_, TimedOut>("soup"));
/// assert_eq!(lunch, Ok("soup"));
/// ```
///
/// # Errors
///
/// `f`'s own, or [`TimedOut`] in its place.
///
/// # Panics
///
/// As [`timeout`].
#[track_caller]
pub fn timeout_at<T, E: From<TimedOut>>(
    deadline: Instant,
    f: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    install::ensure();
    told(open::run(Limit::at(deadline), f))
}

/// Turns the error of a body whose deadline was raised into [`TimedOut`], unless a cause outside of
/// it stands.
#[inline]
fn told<T, E: From<TimedOut>>((result, raised): (Result<T, E>, bool)) -> Result<T, E> {
    match result {
        Err(_) if raised && !is_interrupted() => Err(TimedOut.into()),
        Err(error) if raised => {
            standing::mark_raised();
            Err(error)
        }
        verbatim => verbatim,
    }
}

/// Runs `f` with a deadline, and returns its value as it is, with whether the time was up when it
/// ended.
///
/// For a body that returns no `Result`, or whose errors are to be seen. In all else as [`timeout`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let counted = eintr::within(Duration::from_millis(20), || {
///     let mut count = 0_u64;
///     while eintr::checkpoint().is_ok() {
///         count += 1;
///     }
///     count
/// });
/// assert!(counted.expired && counted.value > 0);
/// ```
///
/// # Panics
///
/// As [`timeout`].
#[track_caller]
pub fn within<T>(limit: Duration, f: impl FnOnce() -> T) -> Within<T> {
    install::ensure();
    let limit = Limit::after(limit);
    let (value, cut_short) = open::run(limit, f);
    Within { value, expired: limit.has_passed(), cut_short }
}

/// Runs `f` with the causes from outside it put off to its end, and with a deadline of its own: a
/// [`mask`](mask()) that is bounded.
///
/// For destructors and goodbyes: what is to be sent when the thread has been interrupted already,
/// and must not hold it up for ever either.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (stream, _peer) = UnixStream::pair()?;
/// let (task, interrupter) = eintr::task();
/// interrupter.interrupt();
/// task.run(|| {
///     assert!(eintr::io::write(&stream, b"bye").is_err());
///     let goodbye = eintr::cleanup(Duration::from_secs(1), || eintr::io::write(&stream, b"bye"));
///     assert_eq!(goodbye.value.unwrap(), 3);
///     assert!(!goodbye.expired);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// As [`timeout`].
#[track_caller]
pub fn cleanup<T>(limit: Duration, f: impl FnOnce() -> T) -> Within<T> {
    install::ensure();
    let limit = Limit::after(limit);
    let (value, cut_short) = mask(|| open::run(limit, f));
    Within { value, expired: limit.has_passed(), cut_short }
}

/// The time that is left until the first of the deadlines in force here; zero if it has passed,
/// none if there is none.
///
/// Deadlines outside of a [mask](crate::mask()) or a [root task](crate::Task::root) are not in
/// force inside.
///
/// For code that is to hand the limit on, to a server or to a call with a timeout parameter.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(eintr::remaining(), None);
/// eintr::within(Duration::from_secs(5), || {
///     assert!(eintr::remaining().unwrap() <= Duration::from_secs(5));
///     assert_eq!(eintr::mask(eintr::remaining), None);
/// });
/// ```
pub fn remaining() -> Option<Duration> {
    after_change::take_in_strays();
    standing::remaining()
}

/// What [`within`] and [`cleanup`] return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Within<T> {
    /// What the body returned, as it is.
    pub value: T,
    /// Whether the time was up when the body ended, be it that it was interrupted or that it did
    /// not notice.
    pub expired: bool,
    /// Whether the body felt it: an error was handed out for this deadline, or a call cut short.
    pub cut_short: bool,
}

/// The time was up.
///
/// Becomes an [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut), and an [`Error`].
///
/// ```
/// use std::io;
///
/// let error: io::Error = eintr::TimedOut.into();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("timed out")]
pub struct TimedOut;

impl From<TimedOut> for io::Error {
    fn from(timed_out: TimedOut) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, timed_out)
    }
}

impl From<TimedOut> for Error {
    /// An [`Error::Io`] of the kind `TimedOut`: the body failed, and is not to be taken for
    /// interrupted any more.
    fn from(timed_out: TimedOut) -> Self {
        Error::Io(timed_out.into())
    }
}
