//! Our own calls, by kernel domain. A call is one place: its documentation, which cites the man page, and below
//! it the syscall, by the trampoline.

use std::os::fd::{AsFd, AsRawFd};

pub mod event;
pub mod fs;
pub mod io;
pub mod ipc;
mod limit;
pub mod net;
pub mod process;
pub(crate) mod socket_time;
pub mod terminal;
pub mod time;

pub(crate) use limit::Limit;

/// A descriptor as the kernel takes it.
#[inline]
fn number(fd: impl AsFd) -> usize {
    fd.as_fd().as_raw_fd() as usize
}
