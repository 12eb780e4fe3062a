//! Reading and writing: [`read`] and its kin, and wrappers for std's traits.

use std::os::fd::AsFd;

use super::complete;
use crate::error::Error;
use crate::sys;

/// Reads from a file descriptor into a buffer; 0 at the end.
///
/// # Examples
///
/// ```
/// let (reader, writer) = std::io::pipe()?;
/// eintr::io::write(&writer, b"ping")?;
/// let mut buffer = [0; 16];
/// assert_eq!(eintr::io::read(&reader, &mut buffer)?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` no byte was consumed. Bytes that were read are returned, and the cause is raised by the
/// next call.
///
/// See [read(2)](https://man7.org/linux/man-pages/man2/read.2.html).
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize, Error> {
    complete(|| sys::io::read(fd.as_fd(), buffer))
}

/// Writes a buffer to a file descriptor; the number of bytes written may be less than its length.
///
/// # Examples
///
/// ```
/// let (_reader, writer) = std::io::pipe()?;
/// assert_eq!(eintr::io::write(&writer, b"ping")?, 4);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` no byte was written. A write that was interrupted after some bytes returns their number,
/// and the cause is raised by the next call.
///
/// See [write(2)](https://man7.org/linux/man-pages/man2/write.2.html).
pub fn write(fd: impl AsFd, buffer: &[u8]) -> Result<usize, Error> {
    complete(|| sys::io::write(fd.as_fd(), buffer))
}
