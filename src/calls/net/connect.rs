//! connect: of a socket that the caller made.
//!
//! # Safety
//!
//! The kernel is handed an address that is borrowed for the length of the call.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::{Address, ConnectError, ConnectState};
use crate::calls::number;
use crate::calls::socket_time::{self, Began, Way};
use crate::kernel::RawAddress;
use crate::kernel::socket::{TCP_CONNECTING, tcp_state};
use crate::thread::{Outcome, Stop, call};
use crate::{Error, complete, mask};

/// Connects a socket to an address.
///
/// The socket is the caller's, and so is what becomes of it after an error: [`ConnectError::state`]
/// tells whether an attempt is under way. Either may be connected again.
/// [`tcp_connect`](super::tcp_connect) and [`unix_connect`](super::unix_connect) make the socket
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
/// [`ConnectError`], with [`Error::Interrupted`] or the kernel's error inside; when the socket's
/// `SO_SNDTIMEO` is up, that is `EINPROGRESS` of TCP, and `WouldBlock` of a Unix socket.
///
/// # Interruption
///
/// On `Interrupted` there is no connection. The state is asked of the socket:
/// [`NotStarted`](ConnectState::NotStarted), or for TCP perhaps
/// [`InProgress`](ConnectState::InProgress). In both, the same call may be made again, and waits on
/// for the same connection if one is in progress. A connection that is there, or has failed, when
/// the interrupt is noticed is the call's result, and the cause is raised by the next call.
///
/// See [connect(2)](https://man7.org/linux/man-pages/man2/connect.2.html).
pub fn connect(fd: impl AsFd, address: impl Into<Address>) -> Result<(), ConnectError> {
    connect_raw(fd.as_fd(), &address.into().raw())
}

/// The same, to an address as the kernel has it.
pub(crate) fn connect_raw(fd: BorrowedFd<'_>, address: &RawAddress) -> Result<(), ConnectError> {
    let began = Began::now();
    let mut shortened = None;
    let mut again = false;
    let result = complete(|| {
        if again {
            Shortened::renew(&mut shortened, fd, began)?;
        }
        let outcome = attempt(fd, address);
        again |= outcome == Err(Stop::Errno(libc::EINTR));
        outcome
    });
    match result {
        Ok(()) => Ok(()),
        Err(Error::Interrupted(interrupted)) => {
            unless_over(fd, address, |_| Error::Interrupted(interrupted))
        }
        Err(Error::Io(error)) => match error.raw_os_error() {
            Some(TIME_IS_UP) => unless_over(fd, address, timed_out),
            // To a further attempt the kernel answers otherwise than to the first.
            Some(libc::EISCONN) if again => Ok(()),
            Some(libc::EALREADY) if again => failed(errno(libc::EINPROGRESS)),
            _ => failed(error),
        },
    }
}

fn attempt(fd: BorrowedFd<'_>, address: &RawAddress) -> Outcome<()> {
    let [address, length] = address.pointer_and_length();
    // SAFETY: the kernel reads an address of that length, which is borrowed.
    unsafe { call(libc::SYS_connect, [number(fd), address, length]) }.map(drop)
}

/// The result of an attempt, if it is over; that error, if it has not begun or is under way. That
/// is asked of the socket (S7).
///
/// Of the protocols whose attempts go on without their caller, TCP is the one that std knows. Unix
/// sockets connect at once or not at all, and vsock takes an interrupted attempt back.
fn unless_over(
    fd: BorrowedFd<'_>,
    address: &RawAddress,
    error: impl FnOnce(ConnectState) -> Error,
) -> Result<(), ConnectError> {
    let stopped = |state| Err(ConnectError { state, error: error(state) });
    match tcp_state(fd) {
        None | Some(TCP_LISTEN) => stopped(ConnectState::NotStarted),
        Some(state) if TCP_CONNECTING.contains(&state) => stopped(ConnectState::InProgress),
        Some(TCP_CLOSE) => match getsockopt(&fd, sockopt::SocketError) {
            Ok(number) if number != 0 => {
                // The socket is to be as the kernel leaves it when it tells the error itself.
                let _ = at_once(fd, &RawAddress::none());
                failed(errno(number))
            }
            _ => stopped(ConnectState::NotStarted),
        },
        // It is there. The kernel tells whether by this call or by an earlier one.
        Some(_) => at_once(fd, address).or_else(failed),
    }
}

// The states of tcp(7), as the kernel numbers them; libc has no names for them.
const TCP_CLOSE: u8 = 7;
const TCP_LISTEN: u8 = 10;

/// Calls once more where the kernel does not wait, for its answer.
fn at_once(fd: BorrowedFd<'_>, address: &RawAddress) -> io::Result<()> {
    Ok(mask(|| complete(|| attempt(fd, address)))?)
}

/// The kernel's error.
fn failed(error: io::Error) -> Result<(), ConnectError> {
    let state = match error.raw_os_error() {
        Some(libc::EINPROGRESS | libc::EALREADY) => ConnectState::InProgress,
        _ => ConnectState::NotStarted,
    };
    Err(ConnectError { state, error: error.into() })
}

/// The error that the kernel has for a time that is up.
fn timed_out(state: ConnectState) -> Error {
    Error::Io(errno(match state {
        ConnectState::InProgress => libc::EINPROGRESS,
        ConnectState::NotStarted => libc::EAGAIN,
    }))
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

/// A socket whose `SO_SNDTIMEO` is what remains of it, for a further attempt after a signal. Nobody
/// sends on a socket that is not connected, so for that time the option is ours. (To poll, as the
/// other calls do, is no way here: a Unix socket that is not connected is always ready.)
struct Shortened<'a> {
    fd: BorrowedFd<'a>,
    timeout: Duration,
    began: Began,
}

/// What an attempt ends with that is not made any more; no error of connect's.
const TIME_IS_UP: i32 = libc::ETIME;

impl<'a> Shortened<'a> {
    #[cold]
    fn renew(shortened: &mut Option<Self>, fd: BorrowedFd<'a>, began: Began) -> Outcome<()> {
        if shortened.is_none() {
            let timeout = socket_time::timeout(fd, Way::Out);
            *shortened = timeout.map(|timeout| Self { fd, timeout, began });
        }
        let Some(shortened) = shortened else { return Ok(()) };
        match shortened.began.remaining(shortened.timeout) {
            // To set that would be for ever. And the kernel counts in ticks: signals that come
            // faster would begin the last one anew.
            Duration::ZERO => Err(Stop::Errno(TIME_IS_UP)),
            remaining => {
                shortened.set(remaining);
                Ok(())
            }
        }
    }

    fn set(&self, timeout: Duration) {
        let micros = i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX).max(1);
        let _ = setsockopt(&self.fd, sockopt::SendTimeout, &TimeVal::microseconds(micros));
    }
}

impl Drop for Shortened<'_> {
    fn drop(&mut self) {
        self.set(self.timeout);
    }
}
