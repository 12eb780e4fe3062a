//! recv, recv_from, recvmsg, recvmmsg.
//!
//! # Safety
//!
//! Each block hands the kernel a buffer that is borrowed, and room for an address, for the length of the call.

#![allow(unsafe_code)]

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};

use libc::c_int;

use super::{Address, RecvFlags, Returned, address, message};
use crate::calls::number;
use crate::calls::socket_time::{Began, Way, complete_in_time};
use crate::error::Error;
use crate::kernel::RawAddress;
use crate::kernel::address::{Name, unnamed};
use crate::thread::{Outcome, call};

/// Receives from a socket; 0 at the end of a stream.
///
/// # Examples
///
/// ```
/// use eintr::net::{RecvFlags, SendFlags};
/// use std::os::unix::net::UnixStream;
///
/// let (here, there) = UnixStream::pair()?;
/// eintr::net::send(&here, b"ping", SendFlags::empty())?;
/// let mut buffer = [0; 16];
/// assert_eq!(eintr::net::recv(&there, &mut buffer, RecvFlags::PEEK)?, 4);
/// assert_eq!(eintr::net::recv(&there, &mut buffer, RecvFlags::empty())?, 4);
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
/// On `Interrupted` nothing was received. What was received is returned, also if it is less than
/// `WAITALL` asked for, and the cause is raised by the next call.
///
/// See [recv(2)](https://man7.org/linux/man-pages/man2/recv.2.html).
pub fn recv(fd: impl AsFd, buffer: &mut [u8], flags: RecvFlags) -> Result<usize, Error> {
    let (fd, flags) = (fd.as_fd(), flags.bits());
    complete_in_time(fd, Way::In, Began::now(), |extra| once(fd, buffer, flags | extra))
}

/// The syscall, with all its flags.
#[inline]
pub(crate) fn once(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: c_int) -> Outcome<usize> {
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
    unsafe { call(libc::SYS_recvfrom, [number(fd), address, length, flags as usize, 0, 0]) }
}

/// What [`recv_from`] takes: a [`UdpSocket`], a [`UnixDatagram`], or any socket as an [`OwnedFd`]
/// or [`BorrowedFd`], and a reference or an `Arc` to one.
///
/// The sender's address is of std's type for the socket; of any socket it is an `Option<Address>`,
/// none if there is no address or std has no type for it.
///
/// It is implemented here only.
pub trait Datagram: AsFd {
    /// The address of a sender.
    type Address;

    #[doc(hidden)]
    fn address(sender: &Returned) -> io::Result<Self::Address>;
}

/// Receives a message and its sender's address. What does not fit the buffer is cut off.
///
/// # Examples
///
/// ```
/// use eintr::net::{RecvFlags, SendFlags};
/// use std::net::UdpSocket;
///
/// let [here, there] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
/// eintr::net::send_to(&here, b"ping", there.local_addr()?, SendFlags::empty())?;
/// let mut buffer = [0; 16];
/// let (length, sender) = eintr::net::recv_from(&there, &mut buffer, RecvFlags::empty())?;
/// assert_eq!((&buffer[..length], sender), (&b"ping"[..], here.local_addr()?));
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
/// On `Interrupted` no message was received. One that was received is returned, and the cause is
/// raised by the next call.
///
/// See [recvfrom(2)](https://man7.org/linux/man-pages/man2/recvfrom.2.html).
pub fn recv_from<D: Datagram>(
    socket: &D,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> Result<(usize, D::Address), Error> {
    let (fd, flags) = (socket.as_fd(), flags.bits());
    let (length, sender) =
        complete_in_time(fd, Way::In, Began::now(), |extra| once_from(fd, buffer, flags | extra))?;
    Ok((length, D::address(&Returned(sender))?))
}

fn once_from(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: c_int) -> Outcome<(usize, RawAddress)> {
    let mut sender = RawAddress::room();
    let [name, name_length] = sender.room_pointers();
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    let arguments = [number(fd), address, length, flags as usize, name, name_length];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably,
    // and an address and its length into the room that the length tells.
    let received = unsafe { call(libc::SYS_recvfrom, arguments) }?;
    Ok((received, sender))
}

impl Datagram for UdpSocket {
    type Address = SocketAddr;

    fn address(sender: &Returned) -> io::Result<SocketAddr> {
        address::ip(&sender.0)
    }
}

impl Datagram for UnixDatagram {
    type Address = UnixAddr;

    /// A sender without an address has none here, not even a family. (Nor, here, has one whose name
    /// has the full 108 bytes, for which std has no constructor.)
    fn address(sender: &Returned) -> io::Result<UnixAddr> {
        Ok(match sender.0.name() {
            Name::Unix(address) => address,
            _ => unnamed(),
        })
    }
}

impl Datagram for OwnedFd {
    type Address = Option<Address>;

    fn address(sender: &Returned) -> io::Result<Option<Address>> {
        Ok(Address::of(&sender.0))
    }
}

impl Datagram for BorrowedFd<'_> {
    type Address = Option<Address>;

    fn address(sender: &Returned) -> io::Result<Option<Address>> {
        Ok(Address::of(&sender.0))
    }
}

impl<D: Datagram> Datagram for &D {
    type Address = D::Address;

    fn address(sender: &Returned) -> io::Result<D::Address> {
        D::address(sender)
    }
}

impl<D: Datagram> Datagram for std::sync::Arc<D> {
    type Address = D::Address;

    fn address(sender: &Returned) -> io::Result<D::Address> {
        D::address(sender)
    }
}

/// What [`recvmsg`] received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// Bytes that are in the buffers; 0 at the end of a stream.
    pub bytes: usize,
    /// The sender's address; none if there is none (a stream's), or std has no type for it.
    pub address: Option<Address>,
    /// The descriptors that came with the message, closed on exec.
    pub fds: Vec<OwnedFd>,
    /// The message was longer than the buffers; the rest of it is gone.
    pub truncated: bool,
    /// Descriptors were lost: this process may have no more of them. Those that are lost are
    /// closed.
    pub fds_truncated: bool,
}

/// Receives into several buffers, with the sender's address and the descriptors that came with the
/// message.
///
/// Descriptors are taken whether or not any are expected; [`recv`] lets the kernel close them.
/// Other ancillary data is dropped.
///
/// # Examples
///
/// A descriptor on its way through a socket:
///
/// ```
/// use eintr::net::{Message, RecvFlags, SendFlags};
/// use std::io::{IoSlice, IoSliceMut, Write};
/// use std::os::fd::AsFd;
/// use std::os::unix::net::UnixStream;
///
/// let (here, there) = UnixStream::pair()?;
/// let (reader, mut writer) = std::io::pipe()?;
/// let data = [IoSlice::new(b"a pipe")];
/// let fds = [reader.as_fd()];
/// eintr::net::sendmsg(&here, &Message::new(&data).fds(&fds), SendFlags::empty())?;
///
/// let mut text = [0; 16];
/// let mut buffers = [IoSliceMut::new(&mut text)];
/// let received = eintr::net::recvmsg(&there, &mut buffers, RecvFlags::empty())?;
/// assert_eq!((received.bytes, received.fds.len()), (6, 1));
/// writer.write_all(b"!")?;
/// assert_eq!(eintr::io::read(&received.fds[0], &mut text)?, 1);
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
/// On `Interrupted` nothing was received, neither bytes nor descriptors. What was received is
/// returned, and the cause is raised by the next call.
///
/// See [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html).
pub fn recvmsg(
    fd: impl AsFd,
    buffers: &mut [IoSliceMut<'_>],
    flags: RecvFlags,
) -> Result<Received, Error> {
    let (fd, flags) = (fd.as_fd(), flags.bits());
    let message = complete_in_time(fd, Way::In, Began::now(), |extra| {
        message::recvmsg(fd, buffers, flags | extra)
    })?;
    Ok(message.into())
}

impl From<message::Message> for Received {
    fn from(message: message::Message) -> Self {
        Received {
            bytes: message.bytes,
            address: Address::of(&message.sender),
            fds: message.fds,
            truncated: message.flags & libc::MSG_TRUNC != 0,
            fds_truncated: message.flags & libc::MSG_CTRUNC != 0,
        }
    }
}

/// Receives several messages, each into buffers of its own: waits for as many as there are
/// buffers for (with `MSG_WAITFORONE`, for one).
///
/// # Examples
///
/// ```
/// use eintr::net::RecvFlags;
/// use std::io::IoSliceMut;
/// use std::os::unix::net::UnixDatagram;
///
/// let (here, there) = UnixDatagram::pair()?;
/// here.send(b"ping")?;
/// here.send(b"po")?;
/// let (mut a, mut b) = ([0; 16], [0; 16]);
/// let messages = &mut [&mut [IoSliceMut::new(&mut a)][..], &mut [IoSliceMut::new(&mut b)][..]];
/// let received = eintr::net::recvmmsg(&there, messages, RecvFlags::empty())?;
/// assert_eq!((received[0].bytes, received[1].bytes), (4, 2));
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`recvmsg`]. What stops a later message than the first is told by the number that came.
///
/// # Interruption
///
/// On `Interrupted` nothing was received. What was received is returned, also if more was waited for, and the cause
/// is raised by the next call.
///
/// See [recvmmsg(2)](https://man7.org/linux/man-pages/man2/recvmmsg.2.html).
pub fn recvmmsg(
    fd: impl AsFd,
    messages: &mut [&mut [IoSliceMut<'_>]],
    flags: RecvFlags,
) -> Result<Vec<Received>, Error> {
    let (fd, flags) = (fd.as_fd(), flags.bits());
    let received = complete_in_time(fd, Way::In, Began::now(), |extra| {
        message::recvmmsg(fd, messages, flags | extra)
    })?;
    Ok(received.into_iter().map(Received::from).collect())
}
