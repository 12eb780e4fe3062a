//! preadv2 and pwritev2: with flags for the one call.
//!
//! # Safety
//!
//! The kernel is handed buffers that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;

use bitflags::bitflags;

use crate::Error;
use crate::calls::number;
use crate::calls::socket_time::{Began, Way, complete_in_time};
use crate::thread::call;

bitflags! {
    /// How to read or write: the flags of preadv2(2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct RwFlags: i32 {
        /// With high priority.
        const HIPRI = libc::RWF_HIPRI;
        /// As after `fdatasync`.
        const DSYNC = libc::RWF_DSYNC;
        /// As after `fsync`.
        const SYNC = libc::RWF_SYNC;
        /// Fails with `WouldBlock` rather than wait.
        const NOWAIT = libc::RWF_NOWAIT;
        /// Appends, wherever the offset is.
        const APPEND = libc::RWF_APPEND;
        /// Whatever else the kernel knows.
        const _ = !0;
    }
}

/// As [`readv`](super::readv), at an offset (none: the descriptor's position, which is moved on), with flags. At
/// most 1024 buffers.
///
/// # Examples
///
/// ```no_run
/// use eintr::io::RwFlags;
/// use std::io::IoSliceMut;
///
/// let (reader, _writer) = std::io::pipe()?;
/// let mut byte = [0];
/// let nothing = eintr::io::preadv2(&reader, &mut [IoSliceMut::new(&mut byte)], None, RwFlags::NOWAIT);
/// assert_eq!(std::io::Error::from(nothing.unwrap_err()).kind(), std::io::ErrorKind::WouldBlock);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`read`](super::read).
///
/// # Interruption
///
/// On `Interrupted` no byte was consumed.
///
/// See [preadv2(2)](https://man7.org/linux/man-pages/man2/preadv2.2.html).
pub fn preadv2(
    fd: impl AsFd,
    buffers: &mut [IoSliceMut<'_>],
    offset: Option<u64>,
    flags: RwFlags,
) -> Result<usize, Error> {
    let fd = fd.as_fd();
    complete_in_time(fd, Way::In, Began::UNKNOWN, |extra| {
        let [address, count] = [buffers.as_mut_ptr() as usize, buffers.len()];
        let flags = flags.bits() | at_once(extra);
        let arguments = [number(fd), address, count, at(offset), 0, flags as usize];
        // SAFETY: an `IoSliceMut` is an iovec of a buffer that is borrowed mutably; there are `count`.
        unsafe { call(libc::SYS_preadv2, arguments) }
    })
}

/// As [`writev`](super::writev), at an offset (none: the descriptor's position, which is moved on), with flags. At
/// most 1024 buffers.
///
/// # Examples
///
/// ```no_run
/// use eintr::io::RwFlags;
/// use std::io::IoSlice;
///
/// let (_reader, writer) = std::io::pipe()?;
/// assert_eq!(eintr::io::pwritev2(&writer, &[IoSlice::new(b"ping")], None, RwFlags::empty())?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`write()`](super::write()).
///
/// # Interruption
///
/// On `Interrupted` no byte was written.
///
/// See [pwritev2(2)](https://man7.org/linux/man-pages/man2/pwritev2.2.html).
pub fn pwritev2(
    fd: impl AsFd,
    buffers: &[IoSlice<'_>],
    offset: Option<u64>,
    flags: RwFlags,
) -> Result<usize, Error> {
    let fd = fd.as_fd();
    complete_in_time(fd, Way::Out, Began::UNKNOWN, |extra| {
        let [address, count] = [buffers.as_ptr() as usize, buffers.len()];
        let flags = flags.bits() | at_once(extra);
        let arguments = [number(fd), address, count, at(offset), 0, flags as usize];
        // SAFETY: an `IoSlice` is an iovec of a buffer that is borrowed; there are `count`.
        unsafe { call(libc::SYS_pwritev2, arguments) }
    })
}

/// An offset as these have it: -1 stands for the descriptor's own position.
fn at(offset: Option<u64>) -> usize {
    offset.map_or(usize::MAX, |offset| offset as usize)
}

/// How these are told not to wait.
fn at_once(extra: i32) -> i32 {
    if extra == 0 { 0 } else { libc::RWF_NOWAIT }
}
