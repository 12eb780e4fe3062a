//! splice, tee, vmsplice, sendfile, copy_file_range: moving bytes inside the kernel.
//!
//! # Safety
//!
//! Each block hands the kernel buffers and offsets that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use bitflags::bitflags;

use crate::calls::number;
use crate::thread::{Outcome, call};
use crate::{Error, complete};

bitflags! {
    /// How to splice: the flags of splice(2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct SpliceFlags: u32 {
        /// Fails with `WouldBlock` rather than wait for the pipe. (For the other descriptor its own
        /// O_NONBLOCK counts.)
        const NONBLOCK = libc::SPLICE_F_NONBLOCK;
        /// More is about to come.
        const MORE = libc::SPLICE_F_MORE;
        /// Moves pages rather than copy them, where that is possible.
        const MOVE = libc::SPLICE_F_MOVE;
        /// Whatever else the kernel knows.
        const _ = !0;
    }
}

/// Moves up to `length` bytes from one descriptor to another, one of which is a pipe; 0 at the end.
///
/// An offset stands for the position of a descriptor that has one, and is moved on; a pipe takes
/// none.
///
/// While it waits for a full socket, the kernel keeps the pipe locked: whoever reads or writes the
/// pipe meanwhile cannot be interrupted. [`copy`](super::copy()) waits outside of the lock.
///
/// # Examples
///
/// ```
/// use eintr::io::SpliceFlags;
///
/// let (reader, writer) = std::io::pipe()?;
/// let (here, there) = std::os::unix::net::UnixStream::pair()?;
/// eintr::io::write(&writer, b"ping")?;
/// assert_eq!(eintr::io::splice(&reader, None, &here, None, 1024, SpliceFlags::empty())?, 4);
/// assert_eq!(eintr::io::read(&there, &mut [0; 16])?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was moved, and the offsets are as they were. Bytes that were moved are
/// returned, and the cause is raised by the next call.
///
/// See [splice(2)](https://man7.org/linux/man-pages/man2/splice.2.html).
pub fn splice(
    reader: impl AsFd,
    mut from: Option<&mut u64>,
    writer: impl AsFd,
    mut to: Option<&mut u64>,
    length: usize,
    flags: SpliceFlags,
) -> Result<usize, Error> {
    let (reader, writer) = (reader.as_fd(), writer.as_fd());
    complete(|| {
        let (from, to) = (from.as_deref_mut(), to.as_deref_mut());
        splice_once(reader, from, writer, to, length, flags.bits())
    })
}

/// The syscall, with all its flags.
pub(super) fn splice_once(
    reader: BorrowedFd<'_>,
    from: Option<&mut u64>,
    writer: BorrowedFd<'_>,
    to: Option<&mut u64>,
    length: usize,
    flags: u32,
) -> Outcome<usize> {
    let [from, to] = [from, to].map(position);
    let arguments = [number(reader), from, number(writer), to, length, flags as usize];
    // SAFETY: the kernel reads and writes the offsets, as 64-bit integers that are borrowed
    // mutably.
    unsafe { call(libc::SYS_splice, arguments) }
}

/// Where the kernel finds an offset and leaves it moved on; null stands for the descriptor's own
/// position.
fn position(offset: Option<&mut u64>) -> usize {
    offset.map_or(0, |offset| &raw mut *offset as usize)
}

/// Copies up to `length` bytes from one pipe to another, and leaves them in the first.
///
/// # Examples
///
/// ```
/// use eintr::io::SpliceFlags;
///
/// let ((here, into_here), (there, into_there)) = (std::io::pipe()?, std::io::pipe()?);
/// eintr::io::write(&into_here, b"ping")?;
/// assert_eq!(eintr::io::tee(&here, &into_there, 1024, SpliceFlags::empty())?, 4);
/// assert_eq!(eintr::io::read(&there, &mut [0; 16])?, 4);
/// assert_eq!(eintr::io::read(&here, &mut [0; 16])?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was copied.
///
/// See [tee(2)](https://man7.org/linux/man-pages/man2/tee.2.html).
pub fn tee(
    reader: impl AsFd,
    writer: impl AsFd,
    length: usize,
    flags: SpliceFlags,
) -> Result<usize, Error> {
    let (reader, writer) = (number(reader.as_fd()), number(writer.as_fd()));
    // SAFETY: no pointers.
    complete(|| unsafe { call(libc::SYS_tee, [reader, writer, length, flags.bits() as usize]) })
}

/// Puts memory into a pipe without copying it; the number of bytes may be less than the buffers have.
///
/// What is written to that memory before it was read out of the pipe may be read there in its place. (The memory
/// is never given away, whatever the flags: `SPLICE_F_GIFT` is not passed on.)
///
/// # Examples
///
/// ```
/// use eintr::io::SpliceFlags;
/// use std::io::IoSlice;
///
/// let (reader, writer) = std::io::pipe()?;
/// assert_eq!(eintr::io::vmsplice(&writer, &[IoSlice::new(b"ping")], SpliceFlags::empty())?, 4);
/// assert_eq!(eintr::io::read(&reader, &mut [0; 16])?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was put into the pipe.
///
/// See [vmsplice(2)](https://man7.org/linux/man-pages/man2/vmsplice.2.html).
pub fn vmsplice(
    pipe: impl AsFd,
    buffers: &[IoSlice<'_>],
    flags: SpliceFlags,
) -> Result<usize, Error> {
    let flags = flags.bits() & !libc::SPLICE_F_GIFT;
    let [address, count] = [buffers.as_ptr() as usize, buffers.len()];
    let arguments = [number(pipe.as_fd()), address, count, flags as usize];
    // SAFETY: an `IoSlice` is an iovec of a buffer that is borrowed; there are `count`. What the pipe keeps are
    // the pages, of which the kernel counts itself an owner.
    complete(|| unsafe { call(libc::SYS_vmsplice, arguments) })
}

/// Sends up to `length` bytes of a file to any descriptor; 0 at the end.
///
/// An offset stands for the file's position, and is moved on.
///
/// # Examples
///
/// ```
/// # let path = std::env::temp_dir().join(format!("eintr-sendfile-{}", std::process::id()));
/// std::fs::write(&path, "0123456789")?;
/// let file = std::fs::File::open(&path)?;
/// # std::fs::remove_file(&path)?;
/// let (here, there) = std::os::unix::net::UnixStream::pair()?;
/// let mut offset = 4;
/// assert_eq!(eintr::io::sendfile(&here, &file, Some(&mut offset), 1024)?, 6);
/// assert_eq!(offset, 10);
/// # drop(there);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was sent, and the offset is as it was. Bytes that were sent are
/// returned, and the cause is raised by the next call.
///
/// See [sendfile(2)](https://man7.org/linux/man-pages/man2/sendfile.2.html).
pub fn sendfile(
    writer: impl AsFd,
    file: impl AsFd,
    mut from: Option<&mut u64>,
    length: usize,
) -> Result<usize, Error> {
    let (writer, file) = (writer.as_fd(), file.as_fd());
    complete(|| {
        let from = position(from.as_deref_mut());
        // SAFETY: the kernel reads and writes the offset, a 64-bit integer that is borrowed mutably.
        unsafe { call(libc::SYS_sendfile, [number(writer), number(file), from, length]) }
    })
}

/// Copies up to `length` bytes from one file to another; 0 at the end.
///
/// An offset stands for a file's position, and is moved on.
///
/// # Examples
///
/// ```
/// # let path = |name| std::env::temp_dir().join(format!("eintr-{name}-{}", std::process::id()));
/// # let (from, to) = (path("range-from"), path("range-to"));
/// std::fs::write(&from, "0123456789")?;
/// let (reader, writer) = (std::fs::File::open(&from)?, std::fs::File::create(&to)?);
/// let mut offset = 4;
/// assert_eq!(eintr::io::copy_file_range(&reader, Some(&mut offset), &writer, None, 1024)?, 6);
/// assert_eq!(std::fs::read_to_string(&to)?, "456789");
/// # std::fs::remove_file(&from)?;
/// # std::fs::remove_file(&to)?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was copied, and the offsets are as they were. Bytes that were copied
/// are returned, and the cause is raised by the next call.
///
/// See [copy_file_range(2)](https://man7.org/linux/man-pages/man2/copy_file_range.2.html).
pub fn copy_file_range(
    reader: impl AsFd,
    mut from: Option<&mut u64>,
    writer: impl AsFd,
    mut to: Option<&mut u64>,
    length: usize,
) -> Result<usize, Error> {
    let (reader, writer) = (reader.as_fd(), writer.as_fd());
    complete(|| {
        let [from, to] = [position(from.as_deref_mut()), position(to.as_deref_mut())];
        let arguments = [number(reader), from, number(writer), to, length];
        // SAFETY: the kernel reads and writes the offsets, as 64-bit integers that are borrowed
        // mutably.
        unsafe { call(libc::SYS_copy_file_range, arguments) }
    })
}
