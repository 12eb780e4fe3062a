//! What connect says when there is no connection.

use std::{fmt, io};

use crate::Error;

/// Where an attempt to connect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectState {
    /// No attempt is under way: it has not begun, or it has failed.
    NotStarted,
    /// An attempt is under way, and goes on in the kernel until it succeeds, fails, or the socket
    /// is closed.
    InProgress,
}

impl fmt::Display for ConnectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted => "not started",
            Self::InProgress => "in progress",
        })
    }
}

/// The error of [`connect`](super::connect()), with where the attempt stands.
///
/// It converts into [`Error`] and [`io::Error`]; [`Interrupted::of`](crate::Interrupted::of) sees
/// the interrupt inside.
///
/// # Examples
///
/// ```
/// use eintr::net::ConnectState;
/// # use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
/// # let address: std::net::SocketAddr = "127.0.0.1:9".parse()?;
/// # let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
///
/// let (task, interrupter) = eintr::task();
/// interrupter.interrupt();
/// let stopped = task.run(|| eintr::net::connect(&fd, address)).unwrap_err();
/// assert_eq!(stopped.state, ConnectState::NotStarted);
/// assert!(stopped.error.interrupted().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{error} (connecting: {state})")]
#[non_exhaustive]
pub struct ConnectError {
    /// Where the attempt stands.
    pub state: ConnectState,
    /// What stopped the call.
    pub error: Error,
}

impl From<ConnectError> for Error {
    /// Forgets the state.
    fn from(stopped: ConnectError) -> Self {
        stopped.error
    }
}

impl From<ConnectError> for io::Error {
    /// Forgets the state.
    fn from(stopped: ConnectError) -> Self {
        stopped.error.into()
    }
}
