//! Connections as std makes them: the socket, the attempt and, on an interrupt, the end of both.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::path::Path;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{Address, connect};
use crate::{Error, checkpoint};

/// Opens a TCP connection, as [`TcpStream::connect`]: the addresses are tried one after the other.
///
/// A host's name is resolved by libc, which no interrupt of this call reaches: it is noticed when
/// that is done. An address needs no resolving.
///
/// # Examples
///
/// ```
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let stream = eintr::net::tcp_connect(listener.local_addr()?)?;
/// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the error of the last address.
///
/// # Interruption
///
/// On `Interrupted` there is no connection, and the socket is closed: an attempt that was in
/// progress is given up. A connection that is there when the interrupt is noticed is returned, and
/// the cause is raised by the next call.
///
/// See [connect(2)](https://man7.org/linux/man-pages/man2/connect.2.html).
pub fn tcp_connect(address: impl ToSocketAddrs) -> Result<TcpStream, Error> {
    // A name is not resolved for an armed thread.
    checkpoint::raise_in_call()?;
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no addresses");
    for address in address.to_socket_addrs()? {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        match connected(family, address.into()) {
            Ok(fd) => return Ok(fd.into()),
            Err(Error::Io(error)) => last = error,
            Err(interrupted) => return Err(interrupted),
        }
    }
    Err(last.into())
}

/// Connects to the Unix socket at a path, as [`UnixStream::connect`].
///
/// Waits where the listener's queue is full.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixListener;
///
/// let path = std::env::temp_dir().join(format!("eintr-unix-connect-{}", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// let stream = eintr::net::unix_connect(&path)?;
/// # std::fs::remove_file(&path)?;
/// assert_eq!(stream.peer_addr()?.as_pathname(), Some(&*path));
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` there was no connection, and the socket is closed.
///
/// See [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html).
pub fn unix_connect(path: impl AsRef<Path>) -> Result<UnixStream, Error> {
    unix_connect_addr(&UnixAddr::from_pathname(path)?)
}

/// As [`unix_connect`], to any address of a Unix socket: an abstract one, or one that std has
/// handed out.
///
/// # Examples
///
/// ```
/// use std::os::linux::net::SocketAddrExt;
/// use std::os::unix::net::{SocketAddr, UnixListener};
///
/// let name = format!("eintr-{}", std::process::id());
/// let address = SocketAddr::from_abstract_name(name)?;
/// let listener = UnixListener::bind_addr(&address)?;
/// let _stream = eintr::net::unix_connect_addr(&address)?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` there was no connection, and the socket is closed.
///
/// See [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html).
pub fn unix_connect_addr(address: &UnixAddr) -> Result<UnixStream, Error> {
    connected(AddressFamily::Unix, address.into()).map(UnixStream::from)
}

/// A new stream socket that is connected.
fn connected(family: AddressFamily, address: Address) -> Result<OwnedFd, Error> {
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|errno| Error::Io(errno.into()))?;
    connect(&fd, address)?;
    Ok(fd)
}
