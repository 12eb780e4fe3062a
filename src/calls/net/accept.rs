//! accept: of std's listeners, and of any descriptor.
//!
//! # Safety
//!
//! The kernel is handed room for an address, and what it has made is taken over.

#![allow(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};

use super::{Address, Returned, address};
use crate::calls::number;
use crate::calls::socket_time::{Began, Way, complete_in_time};
use crate::error::Error;
use crate::kernel::RawAddress;
use crate::kernel::address::{Name, unnamed};
use crate::thread::{Outcome, call};

/// What [`accept`] takes: a [`TcpListener`], a [`UnixListener`], or any listening socket as an
/// [`OwnedFd`] or [`BorrowedFd`], and a reference or an `Arc` to one.
///
/// | listener | connection | address of the peer |
/// |---|---|---|
/// | `TcpListener` | `TcpStream` | `std::net::SocketAddr` |
/// | `UnixListener` | `UnixStream` | `std::os::unix::net::SocketAddr` |
/// | `OwnedFd`, `BorrowedFd` | `OwnedFd` | `Option<Address>`, none if std has no type for it |
///
/// It is implemented here only.
pub trait Listener: AsFd {
    /// The connection.
    type Stream;
    /// The address of its peer.
    type Address;

    #[doc(hidden)]
    fn connection(fd: OwnedFd, peer: &Returned) -> io::Result<(Self::Stream, Self::Address)>;
}

/// Waits for a connection: the stream, closed on exec, and the address of its peer.
///
/// # Examples
///
/// ```
/// use std::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let (_stream, peer) = eintr::net::accept(&listener)?;
/// assert_eq!(peer, client.local_addr()?);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// Any descriptor, here of a listener that belongs to some other crate:
///
/// ```
/// # use std::os::fd::AsFd;
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let _client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let (stream, peer) = eintr::net::accept(&listener.as_fd())?;
/// # let _: (std::os::fd::OwnedFd, Option<eintr::net::Address>) = (stream, peer);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error; `WouldBlock` when the socket's `SO_RCVTIMEO` is
/// up.
///
/// # Interruption
///
/// On `Interrupted` no connection was accepted: the next in the queue is still there. A connection
/// that was accepted is returned, and the cause is raised by the next call.
///
/// See [accept(2)](https://man7.org/linux/man-pages/man2/accept.2.html).
pub fn accept<L: Listener>(listener: &L) -> Result<(L::Stream, L::Address), Error> {
    let fd = listener.as_fd();
    let (stream, peer) = complete_in_time(fd, Way::In, Began::now(), |_| connected(fd))?;
    Ok(L::connection(stream, &Returned(peer))?)
}

/// accept4: a new connection, closed on exec, with its peer's address.
#[inline]
fn connected(listener: BorrowedFd<'_>) -> Outcome<(OwnedFd, RawAddress)> {
    let mut peer = RawAddress::room();
    let [address, length] = peer.room_pointers();
    let arguments = [number(listener), address, length, libc::SOCK_CLOEXEC as usize];
    // SAFETY: the kernel writes an address and its length into the room that the length tells.
    let accepted = unsafe { call(libc::SYS_accept4, arguments) }?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok((unsafe { OwnedFd::from_raw_fd(accepted as RawFd) }, peer))
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Address = SocketAddr;

    fn connection(fd: OwnedFd, peer: &Returned) -> io::Result<(TcpStream, SocketAddr)> {
        Ok((fd.into(), address::ip(&peer.0)?))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Address = UnixAddr;

    fn connection(fd: OwnedFd, peer: &Returned) -> io::Result<(UnixStream, UnixAddr)> {
        let stream = UnixStream::from(fd);
        let peer = match peer.0.name() {
            Name::Unix(address) => address,
            // A name of the full 108 bytes: std makes that address only by its own call.
            _ => stream.peer_addr().unwrap_or_else(|_| unnamed()),
        };
        Ok((stream, peer))
    }
}

impl Listener for OwnedFd {
    type Stream = OwnedFd;
    type Address = Option<Address>;

    fn connection(fd: OwnedFd, peer: &Returned) -> io::Result<(OwnedFd, Option<Address>)> {
        Ok((fd, Address::of(&peer.0)))
    }
}

impl Listener for BorrowedFd<'_> {
    type Stream = OwnedFd;
    type Address = Option<Address>;

    fn connection(fd: OwnedFd, peer: &Returned) -> io::Result<(OwnedFd, Option<Address>)> {
        OwnedFd::connection(fd, peer)
    }
}

impl<L: Listener> Listener for &L {
    type Stream = L::Stream;
    type Address = L::Address;

    fn connection(fd: OwnedFd, peer: &Returned) -> io::Result<(L::Stream, L::Address)> {
        L::connection(fd, peer)
    }
}

impl<L: Listener> Listener for std::sync::Arc<L> {
    type Stream = L::Stream;
    type Address = L::Address;

    fn connection(fd: OwnedFd, peer: &Returned) -> io::Result<(L::Stream, L::Address)> {
        L::connection(fd, peer)
    }
}
