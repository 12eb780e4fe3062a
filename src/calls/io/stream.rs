//! std's Read and Write over the interruptible calls.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use super::read_write::{read_since, readv_since, write_since, writev_since};
use crate::calls::socket_time::Began;

/// A file descriptor with [`Read`] and [`Write`] that an interrupt ends.
///
/// For everything that is written against std's traits: `BufReader`, `read_to_end`, `lines`,
/// [`std::io::copy`], a parser, a TLS library. The interrupt comes out as an [`io::Error`] that
/// none of them retries; [`Interrupted::of`](crate::Interrupted::of) recognises it.
///
/// It goes around a descriptor or a reference to one: `Stream::new(&socket)`.
///
/// # Examples
///
/// ```
/// use eintr::Interrupted;
/// use eintr::io::Stream;
/// use std::io::{BufRead, BufReader};
///
/// let (reader, writer) = std::io::pipe()?;
/// let worker = eintr::spawn(move || {
///     for line in BufReader::new(Stream::new(reader)).lines() {
///         println!("{}", line?); // the error stays an error: the loop ends
///     }
///     Ok::<(), std::io::Error>(())
/// });
/// worker.interrupter().interrupt_with("enough");
/// let error = worker.join().unwrap().unwrap_err();
/// assert_eq!(Interrupted::of(&error).unwrap().to_string(), "interrupted: enough");
/// # drop(writer);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Interruption
///
/// Each single `read` and `write` keeps what [`read`](super::read) and [`write`](super::write)
/// promise. std's loops over them do not tell how far they got: what `read_exact` or `copy` had
/// read when the error came is in nobody's hands. Where that matters,
/// [`read_exact`](super::read_exact), [`write_all`](super::write_all) and [`copy`](super::copy())
/// tell.
#[derive(Debug, Clone, Copy)]
pub struct Stream<T>(T);

impl<T: AsFd> Stream<T> {
    /// Wraps a descriptor.
    pub fn new(fd: T) -> Self {
        Self(fd)
    }
}

impl<T> Stream<T> {
    /// The descriptor.
    pub fn get_ref(&self) -> &T {
        &self.0
    }

    /// The descriptor, to change it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }

    /// Unwraps the descriptor.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: AsFd> From<T> for Stream<T> {
    fn from(fd: T) -> Self {
        Self(fd)
    }
}

impl<T: AsFd> AsFd for Stream<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: AsFd> Read for &Stream<T> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(read_since(Began::now(), self.as_fd(), buffer)?)
    }

    #[inline]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(readv_since(Began::now(), self.as_fd(), buffers)?)
    }
}

impl<T: AsFd> Write for &Stream<T> {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(write_since(Began::now(), self.as_fd(), buffer)?)
    }

    #[inline]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(writev_since(Began::now(), self.as_fd(), buffers)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: AsFd> Read for Stream<T> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    #[inline]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl<T: AsFd> Write for Stream<T> {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    #[inline]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
