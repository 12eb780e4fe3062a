//! read_exact, write_all: the whole buffer, or how far it got.

use std::io::{Error as StdError, ErrorKind};
use std::os::fd::AsFd;

use super::{read, write};
use crate::{Error, Partial};

/// Reads until the buffer is full.
///
/// # Examples
///
/// ```
/// let (reader, writer) = std::io::pipe()?;
/// eintr::io::write_all(&writer, b"a record")?;
/// let mut record = [0; 8];
/// eintr::io::read_exact(&reader, &mut record)?;
/// assert_eq!(&record, b"a record");
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Partial`], with [`Error::Interrupted`] or the kernel's error inside; `UnexpectedEof` if the
/// end comes first.
///
/// # Interruption
///
/// [`Partial::done`] bytes were read, and stand at the buffer's beginning. To go on later is to
/// read the rest of the buffer.
///
/// See [read(2)](https://man7.org/linux/man-pages/man2/read.2.html).
pub fn read_exact(fd: impl AsFd, buffer: &mut [u8]) -> Result<(), Partial> {
    let fd = fd.as_fd();
    let end = (ErrorKind::UnexpectedEof, "failed to fill whole buffer");
    whole(buffer.len(), end, |done| read(fd, &mut buffer[done..]))
}

/// Writes the whole buffer.
///
/// # Examples
///
/// ```
/// let (_reader, writer) = std::io::pipe()?;
/// eintr::io::write_all(&writer, b"a record")?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Partial`], with [`Error::Interrupted`] or the kernel's error inside; `WriteZero` if nothing
/// more is taken.
///
/// # Interruption
///
/// [`Partial::done`] bytes were written. To go on later is to write the rest of the buffer.
///
/// See [write(2)](https://man7.org/linux/man-pages/man2/write.2.html).
pub fn write_all(fd: impl AsFd, buffer: &[u8]) -> Result<(), Partial> {
    let fd = fd.as_fd();
    let end = (ErrorKind::WriteZero, "failed to write whole buffer");
    whole(buffer.len(), end, |done| write(fd, &buffer[done..]))
}

/// Goes on behind what is done, until all is, or nothing more is to come.
fn whole(
    length: usize,
    (kind, text): (ErrorKind, &'static str),
    mut go_on: impl FnMut(usize) -> Result<usize, Error>,
) -> Result<(), Partial> {
    let mut done = 0;
    while done < length {
        done += match go_on(done) {
            Ok(0) => Err(Error::Io(StdError::new(kind, text))),
            gone_on => gone_on,
        }
        .map_err(|error| Partial { done: done as u64, error })?;
    }
    Ok(())
}
