//! Messages with descriptors in them: recvmsg and sendmsg, recvmmsg and sendmmsg.
//!
//! # Safety
//!
//! A message header points to buffers, an address and room for ancillary data that live on this
//! stack or are borrowed, for the length of the call.

#![allow(unsafe_code)]

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, cmsghdr, iovec, mmsghdr, msghdr};

use crate::calls::number;
use crate::kernel::RawAddress;
use crate::thread::{Outcome, Stop, call};

/// The most descriptors that the kernel sends in one message: `SCM_MAX_FD`.
const MOST_FDS: usize = 253;

const FDS_SPACE: usize =
    // SAFETY: arithmetic.
    unsafe { libc::CMSG_SPACE((MOST_FDS * size_of::<RawFd>()) as u32) } as usize;

/// Room for the most descriptors of a message, and for what else a socket may be set to add:
/// credentials, a label, times.
const ROOM: usize = FDS_SPACE + 1024;

/// A descriptor of the sending process, which the kernel adds if `SO_PASSPIDFD` is set.
const SCM_PIDFD: c_int = 4;

/// What was received.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: usize,
    pub(crate) sender: RawAddress,
    pub(crate) fds: Vec<OwnedFd>,
    /// The kernel's `msg_flags`.
    pub(crate) flags: c_int,
}

/// Room for ancillary data, aligned as its headers are.
#[repr(C, align(8))]
struct Control<const N: usize>([MaybeUninit<u8>; N]);

impl<const N: usize> Control<N> {
    fn new() -> Self {
        const { assert!(align_of::<Self>() >= align_of::<cmsghdr>()) };
        Self([const { MaybeUninit::uninit() }; N])
    }
}

/// A header that points to those buffers, and to nothing else.
pub(crate) fn header(buffers: *const iovec, count: usize) -> msghdr {
    // SAFETY: made of integers and pointers, for which zero is none.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = buffers.cast_mut();
    message.msg_iovlen = count as _;
    message
}

/// Room for what comes with a message.
struct Incoming {
    sender: RawAddress,
    control: Control<ROOM>,
}

impl Incoming {
    #[inline]
    fn new() -> Self {
        Self { sender: RawAddress::room(), control: Control::new() }
    }

    /// A header that points to it, and to those buffers. It stays where it is.
    #[inline]
    fn header(&mut self, buffers: &mut [IoSliceMut<'_>]) -> msghdr {
        let mut message = header(buffers.as_mut_ptr().cast(), buffers.len());
        let [name, _] = self.sender.room_pointers();
        message.msg_name = name as *mut _;
        message.msg_namelen = RawAddress::ROOM;
        message.msg_control = self.control.0.as_mut_ptr().cast();
        message.msg_controllen = ROOM as _;
        message
    }

    /// What has come.
    ///
    /// # Safety
    ///
    /// The kernel must have filled in the header and what it points to, and this be the first look at it.
    #[inline]
    unsafe fn taken(&mut self, header: &msghdr, bytes: usize) -> Message {
        self.sender.set_length(header.msg_namelen);
        // SAFETY: the caller's promise.
        let fds = unsafe { take_fds(header) };
        Message { bytes, sender: self.sender, fds, flags: header.msg_flags }
    }
}

#[inline]
pub(crate) fn recvmsg(
    fd: BorrowedFd<'_>,
    buffers: &mut [IoSliceMut<'_>],
    flags: c_int,
) -> Outcome<Message> {
    let mut incoming = Incoming::new();
    let mut message = incoming.header(buffers);
    let flags = (flags | libc::MSG_CMSG_CLOEXEC) as usize;
    // SAFETY: the kernel writes into the buffers, which are borrowed mutably (an `IoSliceMut` is an
    // iovec), into the address and the room, and notes in the header how much.
    let bytes = unsafe { call(libc::SYS_recvmsg, [number(fd), &raw mut message as usize, flags]) }?;
    // SAFETY: it has, and it is.
    Ok(unsafe { incoming.taken(&message, bytes) })
}

pub(crate) fn recvmmsg(
    fd: BorrowedFd<'_>,
    messages: &mut [&mut [IoSliceMut<'_>]],
    flags: c_int,
) -> Outcome<Vec<Message>> {
    let mut incoming: Vec<_> = messages.iter().map(|_| Incoming::new()).collect();
    let header = |(incoming, buffers): (&mut Incoming, &mut &mut [IoSliceMut<'_>])| mmsghdr {
        msg_hdr: incoming.header(buffers),
        msg_len: 0,
    };
    let mut headers: Vec<_> = incoming.iter_mut().zip(messages).map(header).collect();
    let flags = (flags | libc::MSG_CMSG_CLOEXEC) as usize;
    let arguments = [number(fd), headers.as_mut_ptr() as usize, headers.len(), flags, 0];
    // SAFETY: as for one, of each.
    let count = unsafe { call(libc::SYS_recvmmsg, arguments) }?;
    let filled = incoming.iter_mut().zip(&headers).take(count);
    // SAFETY: the kernel has filled in so many, and this is the first look at them.
    Ok(filled.map(|(it, by)| unsafe { it.taken(&by.msg_hdr, by.msg_len as usize) }).collect())
}

/// Receives bytes only.
pub(crate) fn recvv(
    fd: BorrowedFd<'_>,
    buffers: &mut [IoSliceMut<'_>],
    flags: c_int,
) -> Outcome<usize> {
    let mut message = header(buffers.as_mut_ptr().cast(), buffers.len());
    // SAFETY: the kernel writes into the buffers, which are borrowed mutably (an `IoSliceMut` is an
    // iovec).
    unsafe { call(libc::SYS_recvmsg, [number(fd), &raw mut message as usize, flags as usize]) }
}

/// The descriptors in a message. Those that the kernel added by itself are closed.
///
/// # Safety
///
/// The kernel must have filled in the header, and the descriptors must not have been taken before.
unsafe fn take_fds(message: &msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the header is the kernel's, see above.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: a header within the room, aligned as the kernel and the room have it.
        let part = unsafe { &*next };
        match (part.cmsg_level, part.cmsg_type) {
            // SAFETY: of these types.
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => fds.extend(unsafe { fds_in(part) }),
            // SAFETY: of these types.
            (libc::SOL_SOCKET, SCM_PIDFD) => unsafe { fds_in(part) }.for_each(drop),
            _ => {}
        }
        // SAFETY: as for the first.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    fds
}

/// The descriptors in a part of the ancillary data, as ours.
///
/// # Safety
///
/// The kernel must have put descriptors there, and nobody may have taken them before.
unsafe fn fds_in(part: &cmsghdr) -> impl Iterator<Item = OwnedFd> {
    // SAFETY: arithmetic.
    let before = unsafe { libc::CMSG_LEN(0) } as usize;
    // musl has half of the kernel's length and a gap.
    let length: usize = part.cmsg_len as _;
    let count = length.saturating_sub(before) / size_of::<RawFd>();
    // SAFETY: the data follow its header.
    let first = unsafe { libc::CMSG_DATA(part) }.cast::<RawFd>();
    (0..count)
        // SAFETY: within the part's length.
        .map(move |i| unsafe { first.add(i).read_unaligned() })
        // An error number stands where the kernel could not make one.
        .filter(|fd| *fd >= 0)
        // SAFETY: the kernel made it for us, and each is taken once.
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What is to be sent.
pub(crate) struct Outgoing<'a> {
    pub(crate) buffers: &'a [IoSlice<'a>],
    pub(crate) fds: &'a [BorrowedFd<'a>],
    pub(crate) to: Option<RawAddress>,
}

impl Outgoing<'_> {
    /// A header that points to it, and to its descriptors in the room. Both stay where they are.
    #[inline]
    fn header(&self, control: &mut Control<FDS_SPACE>) -> Outcome<msghdr> {
        if self.fds.len() > MOST_FDS {
            // The kernel's own answer, for which we would need a larger room.
            return Err(Stop::Errno(libc::EINVAL));
        }
        let mut message = header(self.buffers.as_ptr().cast(), self.buffers.len());
        let [name, length] = self.to.as_ref().map_or([0, 0], RawAddress::pointer_and_length);
        message.msg_name = name as *mut _;
        message.msg_namelen = length as _;
        if !self.fds.is_empty() {
            message.msg_control = control.0.as_mut_ptr().cast();
            put_fds(&mut message, self.fds);
        }
        Ok(message)
    }
}

#[inline]
pub(crate) fn sendmsg(fd: BorrowedFd<'_>, outgoing: &Outgoing<'_>, flags: c_int) -> Outcome<usize> {
    let mut control = Control::new();
    let message = outgoing.header(&mut control)?;
    // SAFETY: the kernel reads the buffers (an `IoSlice` is an iovec), the address and the
    // descriptors' numbers, all borrowed.
    unsafe { call(libc::SYS_sendmsg, [number(fd), &raw const message as usize, flags as usize]) }
}

pub(crate) fn sendmmsg(
    fd: BorrowedFd<'_>,
    outgoing: &[Outgoing<'_>],
    flags: c_int,
) -> Outcome<usize> {
    let mut controls: Vec<_> = outgoing.iter().map(|_| Control::new()).collect();
    let headers: Outcome<Vec<_>> = outgoing
        .iter()
        .zip(&mut controls)
        .map(|(it, control)| Ok(mmsghdr { msg_hdr: it.header(control)?, msg_len: 0 }))
        .collect();
    let mut headers = headers?;
    let arguments = [number(fd), headers.as_mut_ptr() as usize, headers.len(), flags as usize];
    // SAFETY: as for one, of each; it notes in the headers how much it has sent.
    unsafe { call(libc::SYS_sendmmsg, arguments) }
}

/// Puts descriptors into the room that the header points to; there are at most [`MOST_FDS`].
fn put_fds(message: &mut msghdr, fds: &[BorrowedFd<'_>]) {
    let size = size_of_val(fds) as u32;
    // SAFETY: the room has space for the header and so many numbers; a `BorrowedFd` is one.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
        let part = libc::CMSG_FIRSTHDR(message);
        part.write(std::mem::zeroed());
        (*part).cmsg_level = libc::SOL_SOCKET;
        (*part).cmsg_type = libc::SCM_RIGHTS;
        (*part).cmsg_len = libc::CMSG_LEN(size) as _;
        for (i, fd) in fds.iter().enumerate() {
            libc::CMSG_DATA(part).cast::<RawFd>().add(i).write_unaligned(fd.as_raw_fd());
        }
    }
}
