//! `poll` and `ppoll`.

use std::time::Duration;

use libc::c_int;

use super::syscalls;
use crate::calls::Limit;
use crate::{Error, complete};

pub use super::syscalls::poll::PollFd;

/// Waits until something happens on one of the descriptors; on how many it has. 0 is the end of the
/// time.
///
/// # Examples
///
/// ```
/// use eintr::event::{Events, PollFd, poll};
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (reader, writer) = UnixStream::pair()?;
/// let mut fds = [PollFd::new(&reader, Events::IN)];
/// assert_eq!(poll(&mut fds, Some(Duration::from_millis(1)))?, 0);
///
/// eintr::io::write(&writer, b"ping")?;
/// assert_eq!(poll(&mut fds, None)?, 1);
/// assert_eq!(fds[0].revents(), Events::IN);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error. A descriptor's own troubles are not errors here
/// but [`Events`](super::Events).
///
/// # Interruption
///
/// On `Interrupted` nothing had happened that was awaited; the `revents` mean nothing.
///
/// See [poll(2)](https://man7.org/linux/man-pages/man2/poll.2.html).
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    complete(|| syscalls::poll::ppoll(fds, limit.remaining(), None))
}

/// As [`poll`], with exactly those signals blocked for the time of the call.
///
/// A signal that is let in meanwhile runs its handler and does not end the call. What should end
/// it: an [interrupt](crate::Interrupter::interrupt), or a descriptor among those that are polled.
/// The signal by which threads are interrupted is never blocked here, nor is SIGSYS.
///
/// # Examples
///
/// ```
/// use eintr::event::{Events, PollFd, ppoll};
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (reader, _writer) = UnixStream::pair()?;
/// let mut fds = [PollFd::new(&reader, Events::IN)];
/// let blocked = [libc::SIGTERM, libc::SIGHUP];
/// assert_eq!(ppoll(&mut fds, Some(Duration::from_millis(1)), &blocked)?, 0);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`poll`]; of the kind `InvalidInput` if one of the numbers is no signal.
///
/// # Interruption
///
/// As [`poll`].
///
/// See [ppoll(2)](https://man7.org/linux/man-pages/man2/ppoll.2.html).
pub fn ppoll(
    fds: &mut [PollFd<'_>],
    timeout: Option<Duration>,
    blocked: &[c_int],
) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    complete(|| {
        let mask = syscalls::signals::mask_without_ours(blocked)?;
        syscalls::poll::ppoll(fds, limit.remaining(), Some(mask))
    })
}
