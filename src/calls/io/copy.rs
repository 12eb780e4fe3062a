//! copy: from one descriptor to another, without ever having bytes in our own hands.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{SockType, getsockopt, sockopt};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Whence, lseek};

use super::splice::splice_once;
use super::{read, write_all};
use crate::calls::event::{Events, PollFd, poll};
use crate::calls::net::{self, RecvFlags};
use crate::{Error, Partial, complete, mask};

/// Copies everything from one descriptor to another, and returns how many bytes that was.
///
/// No byte is lost between the two. That takes one of them to help:
///
/// * the reader is a file: what was not written is read again later;
/// * the reader is a stream socket: what was not written stays there. Nobody else may read it
///   meanwhile;
/// * the writer is a file: the write is not interrupted, for it does not wait;
/// * one of them is a pipe: the kernel moves the bytes between them.
///
/// Between any others (from a terminal to a socket, say) it refuses rather than lose bytes. There
/// [`std::io::copy`] over two [`Stream`](super::Stream)s does what it can.
///
/// # Examples
///
/// ```
/// let (reader, writer) = std::io::pipe()?;
/// let (here, there) = std::os::unix::net::UnixStream::pair()?;
/// eintr::io::write_all(&here, b"all of it")?;
/// drop(here);
/// assert_eq!(eintr::io::copy(&there, &writer)?, 9);
/// # drop(reader);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Partial`], with [`Error::Interrupted`] or the kernel's error inside; `Unsupported` between
/// descriptors that are none of the above. After an error of the writer's, too, the next byte is
/// the next that the reader gives, unless the writer is a file (on a full disk, say) and the reader
/// neither file nor stream socket.
///
/// # Interruption
///
/// The first [`Partial::done`] bytes have arrived at the writer, and the next is the next that the
/// reader gives: to go on later is to call it again.
///
/// See [read(2)](https://man7.org/linux/man-pages/man2/read.2.html),
/// [write(2)](https://man7.org/linux/man-pages/man2/write.2.html) and, for pipes,
/// [splice(2)](https://man7.org/linux/man-pages/man2/splice.2.html).
pub fn copy(reader: impl AsFd, writer: impl AsFd) -> Result<u64, Partial> {
    let (reader, writer) = (reader.as_fd(), writer.as_fd());
    let mut route = Route::between(reader, writer).map_err(|error| Partial { done: 0, error })?;
    let mut done = 0;
    loop {
        match route.step(reader, writer) {
            Ok(0) => return Ok(done),
            Ok(moved) => done += moved as u64,
            Err(partial) => return Err(Partial { done: done + partial.done, ..partial }),
        }
    }
}

/// As much as a pipe holds, unless told otherwise.
const CHUNK: usize = 64 * 1024;

/// A way between two descriptors, with room for a chunk where the bytes pass through our hands.
enum Route {
    /// Read and write, and go back to what was not written.
    FromFile(Vec<u8>),
    /// Peek and write, then receive what was written.
    FromSocket(Vec<u8>),
    /// Read and write; the write does not wait.
    ToFile(Vec<u8>),
    /// Splice.
    ByPipe,
}

impl Route {
    fn between(reader: BorrowedFd<'_>, writer: BorrowedFd<'_>) -> Result<Self, Error> {
        let (from, to) = (kind(reader)?, kind(writer)?);
        let chunk = || vec![0; CHUNK];
        match (from, to) {
            (SFlag::S_IFREG | SFlag::S_IFBLK, _) => Ok(Self::FromFile(chunk())),
            (SFlag::S_IFSOCK, _) if is_stream(reader) => Ok(Self::FromSocket(chunk())),
            (_, SFlag::S_IFREG | SFlag::S_IFBLK) => Ok(Self::ToFile(chunk())),
            (SFlag::S_IFIFO, _) | (_, SFlag::S_IFIFO) => Ok(Self::ByPipe),
            _ => Err(Error::Io(io::Error::new(
                io::ErrorKind::Unsupported,
                "only from or to files or pipes, and from stream sockets, nothing can be lost",
            ))),
        }
    }

    /// Moves some bytes; 0 at the end.
    fn step(&mut self, reader: BorrowedFd<'_>, writer: BorrowedFd<'_>) -> Result<usize, Partial> {
        let nothing = |error| Partial { done: 0, error };
        match self {
            Self::FromFile(chunk) => {
                let length = read(reader, chunk).map_err(nothing)?;
                write_all(writer, &chunk[..length]).inspect_err(|partial| {
                    go_back(reader, length - partial.done as usize);
                })?;
                Ok(length)
            }
            Self::FromSocket(chunk) => {
                let length = net::recv(reader, chunk, RecvFlags::PEEK).map_err(nothing)?;
                let written = write_all(writer, &chunk[..length]);
                let done =
                    written.as_ref().map_or_else(|partial| partial.done as usize, |()| length);
                mask(|| discard(reader, &mut chunk[..done]));
                written.map(|()| length)
            }
            Self::ToFile(chunk) => {
                let length = read(reader, chunk).map_err(nothing)?;
                mask(|| write_all(writer, &chunk[..length]))?;
                Ok(length)
            }
            Self::ByPipe => splice_when_ready(reader, writer).map_err(nothing),
        }
    }
}

/// A descriptor's type, of those that stat tells.
fn kind(fd: BorrowedFd<'_>) -> Result<SFlag, Error> {
    let stat = fstat(fd).map_err(|errno| Error::Io(errno.into()))?;
    Ok(SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()))
}

fn is_stream(fd: BorrowedFd<'_>) -> bool {
    getsockopt(&fd, sockopt::SockType) == Ok(SockType::Stream)
}

/// Moves a file's position back over what was read and not written.
fn go_back(file: BorrowedFd<'_>, length: usize) {
    // A file that can be read by position can be moved back.
    let _ = lseek(file, -(length as libc::off_t), Whence::SeekCur);
}

/// Takes from a socket what was peeked at. It is there, so this does not wait.
fn discard(socket: BorrowedFd<'_>, mut peeked: &mut [u8]) {
    while !peeked.is_empty() {
        match net::recv(socket, peeked, RecvFlags::DONTWAIT) {
            Ok(length @ 1..) => peeked = &mut peeked[length..],
            _ => return,
        }
    }
}

/// How much a descriptor takes at once, after poll has said that it is ready: a socket with a third
/// of its buffer free is, and `SPLICE_F_NONBLOCK` does not keep a socket from waiting for more.
fn takes_at_once(writer: BorrowedFd<'_>) -> usize {
    getsockopt(&writer, sockopt::SndBuf).map_or(CHUNK, |buffer| (buffer / 4).clamp(4096, CHUNK))
}

/// Splices without waiting inside, for there the pipe is locked, and a thread that reads or writes
/// it could not be interrupted.
fn splice_when_ready(reader: BorrowedFd<'_>, writer: BorrowedFd<'_>) -> Result<usize, Error> {
    let flags = libc::SPLICE_F_NONBLOCK;
    loop {
        poll(&mut [PollFd::new(&reader, Events::IN)], None)?;
        poll(&mut [PollFd::new(&writer, Events::OUT)], None)?;
        let length = takes_at_once(writer);
        match complete(|| splice_once(reader, None, writer, None, length, flags)) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            spliced => return spliced,
        }
    }
}
