//! Waiting for events: [`poll()`] and its kin, counters, inotify, signals.
//!
//! Timeouts are kept: no other signal starts them anew. No timeout, and one too long for the clock,
//! is for ever; [`Duration::ZERO`](std::time::Duration::ZERO) only looks.

mod counter;
pub(crate) mod epoll;
pub(super) mod events;
mod inotify;
pub(crate) mod poll;
mod select;
pub(crate) mod signals;
mod uring;

pub use counter::{eventfd_read, timerfd_read};
pub use epoll::{EpollEvent, epoll_pwait2, epoll_wait};
pub use events::Events;
pub use inotify::{InotifyEvent, InotifyEvents, inotify_read};
pub use poll::{PollFd, poll, ppoll};
pub use select::{FdSet, FdTooLarge, select};
pub use signals::{SignalInfo, pause, sigsuspend, sigtimedwait, sigwaitinfo};
pub use uring::io_uring_wait;
