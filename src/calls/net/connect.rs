//! connect: of a socket that the caller made.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::super::complete;
use super::super::socket_time::{self, Began, Way};
use super::address::Address;
use crate::error::Error;
use crate::interrupted::Interrupted;
use crate::mask::mask;
use crate::sys;
use crate::sys::net::RawAddress;

/// Connects a socket to an address.
///
/// The socket is the caller's, and so is what becomes of it after an error: [`ConnectError::state`] tells whether an attempt is under
/// way. Either may be connected again. [`tcp_connect`](super::tcp_connect) and [`unix_connect`](super::unix_connect) make the socket
/// themselves.
///
/// # Examples
///
/// ```
/// use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
/// use std::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
/// eintr::net::connect(&fd, listener.local_addr()?)?;
/// assert_eq!(TcpStream::from(fd).peer_addr()?, listener.local_addr()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ConnectError`], with [`Error::Interrupted`] or the kernel's error inside; when the socket's `SO_SNDTIMEO` is up, that is `EINPROGRESS`
/// of TCP, and `WouldBlock` of a Unix socket.
///
/// # Interruption
///
/// On `Interrupted` there is no connection. The state is asked of the socket: [`NotStarted`](ConnectState::NotStarted), or for
/// TCP perhaps [`InProgress`](ConnectState::InProgress). In both, the same call may be made again, and waits on for the same connection
/// if one is in progress. A connection that is there, or has failed, when the interrupt is noticed is the call's result, and the cause is raised by
/// the next call.
///
/// See [connect(2)](https://man7.org/linux/man-pages/man2/connect.2.html).
pub fn connect(fd: impl AsFd, address: impl Into<Address>) -> Result<(), ConnectError> {
    let (fd, address) = (fd.as_fd(), address.into().raw());
    let began = Began::now();
    let mut shortened = None;
    let mut attempts = 0;
    let result = complete(|| {
        attempts += 1;
        if attempts > 1 {
            Shortened::renew(&mut shortened, fd, began);
        }
        sys::net::connect(fd, &address)
    });
    match result {
        Ok(()) => Ok(()),
        Err(Error::Interrupted(interrupted)) => stopped(fd, &address, interrupted),
        Err(Error::Io(error)) => failed(error, attempts > 1),
    }
}

/// The kernel's error. To a further attempt it answers otherwise than to the first.
fn failed(error: io::Error, again: bool) -> Result<(), ConnectError> {
    let error = match error.raw_os_error() {
        Some(libc::EISCONN) if again => return Ok(()),
        Some(libc::EALREADY) if again => io::Error::from_raw_os_error(libc::EINPROGRESS),
        _ => error,
    };
    let state = match error.raw_os_error() {
        Some(libc::EINPROGRESS | libc::EALREADY) => ConnectState::InProgress,
        _ => ConnectState::NotStarted,
    };
    Err(ConnectError { state, error: error.into() })
}

/// What to say after an interrupt: that depends on the socket (S7). The attempt may not have begun, or be under way, or be over.
///
/// Of the protocols whose attempts go on without their caller, TCP is the one that std knows. Unix sockets connect at once or not at
/// all, and vsock takes an interrupted attempt back.
fn stopped(
    fd: BorrowedFd<'_>,
    address: &RawAddress,
    interrupted: Interrupted,
) -> Result<(), ConnectError> {
    let interrupted = |state| ConnectError { state, error: interrupted.into() };
    match sys::net::tcp_state(fd) {
        None | Some(TCP_LISTEN) => Err(interrupted(ConnectState::NotStarted)),
        Some(TCP_SYN_SENT | TCP_SYN_RECV | TCP_NEW_SYN_RECV) => {
            Err(interrupted(ConnectState::InProgress))
        }
        Some(TCP_CLOSE) => match getsockopt(&fd, sockopt::SocketError) {
            Ok(errno) if errno != 0 => {
                // The socket is to be as the kernel leaves it when it tells the error itself.
                let _ = at_once(fd, &RawAddress::none());
                failed(io::Error::from_raw_os_error(errno), false)
            }
            _ => Err(interrupted(ConnectState::NotStarted)),
        },
        // It is there. The kernel tells whether by this call or by an earlier one.
        Some(_) => at_once(fd, address).or_else(|error| failed(error, false)),
    }
}

/// Calls once more where the kernel does not wait, for its answer.
fn at_once(fd: BorrowedFd<'_>, address: &RawAddress) -> io::Result<()> {
    Ok(mask(|| complete(|| sys::net::connect(fd, address)))?)
}

// The states of tcp(7), as the kernel numbers them; libc has no names for them.
const TCP_SYN_SENT: u8 = 2;
const TCP_SYN_RECV: u8 = 3;
const TCP_CLOSE: u8 = 7;
const TCP_LISTEN: u8 = 10;
const TCP_NEW_SYN_RECV: u8 = 12;

/// A socket whose `SO_SNDTIMEO` is what remains of it, for a further attempt after a signal. Nobody sends on a socket that
/// is not connected, so for that time the option is ours. (To poll, as the other calls do, is no way here: a Unix
/// socket that is not connected is always ready.)
struct Shortened<'a> {
    fd: BorrowedFd<'a>,
    timeout: Duration,
    began: Began,
}

impl<'a> Shortened<'a> {
    #[cold]
    fn renew(shortened: &mut Option<Self>, fd: BorrowedFd<'a>, began: Began) {
        if shortened.is_none() {
            let timeout = socket_time::timeout(fd, Way::Out);
            *shortened = timeout.map(|timeout| Self { fd, timeout, began });
        }
        if let Some(shortened) = shortened {
            let remaining = shortened.began.remaining(shortened.timeout);
            // Zero would be for ever.
            shortened.set(remaining.max(Duration::from_micros(1)));
        }
    }

    fn set(&self, timeout: Duration) {
        let micros = i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX);
        let _ = setsockopt(&self.fd, sockopt::SendTimeout, &TimeVal::microseconds(micros));
    }
}

impl Drop for Shortened<'_> {
    fn drop(&mut self) {
        self.set(self.timeout);
    }
}

/// Where an attempt to connect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectState {
    /// No attempt is under way: it has not begun, or it has failed.
    NotStarted,
    /// An attempt is under way, and goes on in the kernel until it succeeds, fails, or the socket is closed.
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

/// The error of [`connect`], with where the attempt stands.
///
/// It converts into [`Error`] and [`io::Error`]; [`Interrupted::of`] sees the interrupt inside.
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
