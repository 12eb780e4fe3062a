//! `epoll_wait` and `epoll_pwait2`.

use std::os::fd::AsFd;
use std::time::Duration;

use libc::c_int;

use super::syscalls;
use crate::calls::Limit;
use crate::{Error, complete};

pub use super::syscalls::epoll::EpollEvent;

/// Waits until something happens on a descriptor that is registered with an epoll; how many events
/// there are in the slice. 0 is the end of the time, which is counted in whole milliseconds,
/// rounded up.
///
/// The epoll may be made and filled by anybody.
///
/// # Examples
///
/// ```
/// use eintr::event::{EpollEvent, epoll_wait};
/// use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent as Interest, EpollFlags};
/// use std::os::unix::net::UnixStream;
///
/// let (reader, writer) = UnixStream::pair()?;
/// let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
/// epoll.add(&reader, Interest::new(EpollFlags::EPOLLIN, 7))?;
/// eintr::io::write(&writer, b"ping")?;
///
/// let mut events = [EpollEvent::new(); 8];
/// let happened = epoll_wait(&epoll.0, &mut events, None)?;
/// assert_eq!(events[..happened][0].data(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: EINVAL if there is no room for any event.
///
/// # Interruption
///
/// On `Interrupted` no event was taken: one of an edge or a one-shot is still to come.
///
/// See [epoll_wait(2)](https://man7.org/linux/man-pages/man2/epoll_wait.2.html).
pub fn epoll_wait(
    epoll: impl AsFd,
    events: &mut [EpollEvent],
    timeout: Option<Duration>,
) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    complete(|| syscalls::epoll::epoll_wait(epoll.as_fd(), events, limit.remaining()))
}

/// As [`epoll_wait`], with a time that is not rounded, and with exactly those signals blocked for the time of the call
/// (see [`ppoll`](super::ppoll)). Before Linux 5.11 the time is rounded up, too.
///
/// # Examples
///
/// ```no_run
/// use eintr::event::{EpollEvent, epoll_pwait2};
/// use nix::sys::epoll::{Epoll, EpollCreateFlags};
/// use std::time::Duration;
///
/// let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
/// let limit = Some(Duration::from_micros(50));
/// assert_eq!(epoll_pwait2(&epoll.0, &mut [EpollEvent::new()], limit, &[libc::SIGHUP])?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`epoll_wait`]; of the kind `InvalidInput` if one of the numbers is no signal.
///
/// # Interruption
///
/// As [`epoll_wait`].
///
/// See [epoll_pwait2(2)](https://man7.org/linux/man-pages/man2/epoll_wait.2.html).
pub fn epoll_pwait2(
    epoll: impl AsFd,
    events: &mut [EpollEvent],
    timeout: Option<Duration>,
    blocked: &[c_int],
) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    complete(|| {
        let mask = syscalls::signals::mask_without_ours(blocked)?;
        syscalls::epoll::epoll_pwait2(epoll.as_fd(), events, limit.remaining(), mask)
    })
}
