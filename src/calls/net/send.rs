//! send, send_to, sendmsg, sendmmsg.
//!
//! # Safety
//!
//! The kernel is handed a buffer and an address that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use libc::c_int;

use super::message::{self, Outgoing};
use super::{Address, SendFlags};
use crate::Error;
use crate::calls::number;
use crate::calls::socket_time::{Began, Way, complete_in_time};
use crate::kernel::RawAddress;
use crate::thread::{Outcome, call};

/// Sends to the socket's peer; the number of bytes sent may be less than the buffer's length.
///
/// # Examples
///
/// ```
/// use eintr::net::SendFlags;
///
/// let (here, there) = std::os::unix::net::UnixStream::pair()?;
/// assert_eq!(eintr::net::send(&here, b"ping", SendFlags::empty())?, 4);
///
/// drop(there);
/// let error = eintr::net::send(&here, b"ping", SendFlags::empty()).unwrap_err();
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::BrokenPipe);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error; `WouldBlock` when the socket's `SO_SNDTIMEO` is
/// up.
///
/// # Interruption
///
/// On `Interrupted` nothing was sent. A send that was interrupted after some bytes returns their
/// number, and the cause is raised by the next call.
///
/// See [send(2)](https://man7.org/linux/man-pages/man2/send.2.html).
pub fn send(fd: impl AsFd, buffer: &[u8], flags: SendFlags) -> Result<usize, Error> {
    let (fd, flags) = (fd.as_fd(), kernels(flags));
    complete_in_time(fd, Way::Out, Began::now(), |extra| once(fd, buffer, flags | extra, None))
}

/// Sends a message to an address.
///
/// # Examples
///
/// ```
/// use eintr::net::SendFlags;
/// use std::net::UdpSocket;
///
/// let [here, there] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
/// eintr::net::send_to(&here, b"ping", there.local_addr()?, SendFlags::empty())?;
/// assert_eq!(there.recv_from(&mut [0; 16])?, (4, here.local_addr()?));
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error; `WouldBlock` when the socket's `SO_SNDTIMEO` is
/// up.
///
/// # Interruption
///
/// On `Interrupted` nothing was sent.
///
/// See [sendto(2)](https://man7.org/linux/man-pages/man2/sendto.2.html).
pub fn send_to(
    fd: impl AsFd,
    buffer: &[u8],
    address: impl Into<Address>,
    flags: SendFlags,
) -> Result<usize, Error> {
    let (fd, flags) = (fd.as_fd(), kernels(flags));
    let address = address.into().raw();
    complete_in_time(fd, Way::Out, Began::now(), |extra| {
        once(fd, buffer, flags | extra, Some(&address))
    })
}

/// The syscall, with all its flags.
#[inline]
pub(crate) fn once(
    fd: BorrowedFd<'_>,
    buffer: &[u8],
    flags: c_int,
    to: Option<&RawAddress>,
) -> Outcome<usize> {
    let [address, length] = [buffer.as_ptr() as usize, buffer.len()];
    let [name, name_length] = to.map_or([0, 0], RawAddress::pointer_and_length);
    let arguments = [number(fd), address, length, flags as usize, name, name_length];
    // SAFETY: the kernel reads at most `length` bytes from the buffer and an address of that
    // length, both borrowed.
    unsafe { call(libc::SYS_sendto, arguments) }
}

/// What [`sendmsg`] sends: the bytes of some buffers, and perhaps descriptors, and an address. See
/// the example at [`recvmsg`](super::recvmsg).
#[derive(Debug, Clone)]
#[must_use = "a message does nothing unless it is sent"]
pub struct Message<'a> {
    buffers: &'a [IoSlice<'a>],
    fds: &'a [BorrowedFd<'a>],
    address: Option<Address>,
}

impl<'a> Message<'a> {
    /// A message of these bytes, to the socket's peer.
    pub fn new(buffers: &'a [IoSlice<'a>]) -> Self {
        Self { buffers, fds: &[], address: None }
    }

    /// With these descriptors: the receiver gets duplicates. Over Unix sockets only, with at least
    /// one byte on a stream, and at most 253.
    pub fn fds(self, fds: &'a [BorrowedFd<'a>]) -> Self {
        Self { fds, ..self }
    }

    /// To that address.
    pub fn to(self, address: impl Into<Address>) -> Self {
        Self { address: Some(address.into()), ..self }
    }

    fn outgoing(&self) -> Outgoing<'_> {
        let to = self.address.as_ref().map(Address::raw);
        Outgoing { buffers: self.buffers, fds: self.fds, to }
    }
}

/// Sends a message of several buffers, with descriptors, to the socket's peer or to an address. The
/// number of bytes sent may be less than the message's, on a stream; the descriptors have been sent
/// then.
///
/// # Examples
///
/// ```
/// use eintr::net::{Message, SendFlags};
/// use std::io::IoSlice;
/// use std::os::unix::net::UnixDatagram;
///
/// let (here, there) = UnixDatagram::pair()?;
/// let buffers = [IoSlice::new(b"pi"), IoSlice::new(b"ng")];
/// assert_eq!(eintr::net::sendmsg(&here, &Message::new(&buffers), SendFlags::empty())?, 4);
/// assert_eq!(there.recv(&mut [0; 16])?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error; `WouldBlock` when the socket's `SO_SNDTIMEO` is
/// up.
///
/// # Interruption
///
/// On `Interrupted` nothing was sent, neither bytes nor descriptors. A send that was interrupted
/// after some bytes returns their number, and the cause is raised by the next call.
///
/// See [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html).
pub fn sendmsg(fd: impl AsFd, message: &Message<'_>, flags: SendFlags) -> Result<usize, Error> {
    let (fd, flags) = (fd.as_fd(), kernels(flags));
    let outgoing = message.outgoing();
    complete_in_time(fd, Way::Out, Began::now(), |extra| {
        message::sendmsg(fd, &outgoing, flags | extra)
    })
}

/// Sends several messages, one after the other; how many were sent.
///
/// # Examples
///
/// ```
/// use eintr::net::{Message, SendFlags};
/// use std::io::IoSlice;
/// use std::os::unix::net::UnixDatagram;
///
/// let (here, there) = UnixDatagram::pair()?;
/// let [ping, pong] = [[IoSlice::new(b"ping")], [IoSlice::new(b"pong")]];
/// let messages = [Message::new(&ping), Message::new(&pong)];
/// assert_eq!(eintr::net::sendmmsg(&here, &messages, SendFlags::empty())?, 2);
/// # let _ = there;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`sendmsg`]. What stops a later message than the first is told by the number that were sent.
///
/// # Interruption
///
/// On `Interrupted` nothing was sent. What was sent is returned, and the cause is raised by the next call.
///
/// See [sendmmsg(2)](https://man7.org/linux/man-pages/man2/sendmmsg.2.html).
pub fn sendmmsg(fd: impl AsFd, messages: &[Message<'_>], flags: SendFlags) -> Result<usize, Error> {
    let (fd, flags) = (fd.as_fd(), kernels(flags));
    let outgoing: Vec<_> = messages.iter().map(Message::outgoing).collect();
    complete_in_time(fd, Way::Out, Began::now(), |extra| {
        message::sendmmsg(fd, &outgoing, flags | extra)
    })
}

/// As std sends: a peer that is gone is an error, not a signal.
fn kernels(flags: SendFlags) -> c_int {
    flags.bits() | libc::MSG_NOSIGNAL
}
