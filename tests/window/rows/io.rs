//! Reading and writing.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;
use std::rc::Rc;

use eintr::Error;
use eintr::io::RwFlags;
use nix::fcntl::{FcntlArg, fcntl};

use super::{Case, drain, equal, pipe, turn};

/// The byte that there is to read, and what the calls that read it return.
pub const BYTE: u8 = b'x';

/// A pipe with a byte in it or not; `read` takes a byte from it.
pub fn reading(ready: bool, read: impl FnMut(&File) -> Result<u64, Error> + 'static) -> Case {
    let (reader, writer) = pipe();
    if ready {
        nix::unistd::write(&writer, &[BYTE]).unwrap();
    }
    turn::is_of_a_byte(ready, reader.as_raw_fd(), writer.as_raw_fd());
    reading_from(ready, reader, writer, read)
}

/// The same, of what two descriptors stand for.
pub fn reading_from(
    ready: bool,
    reader: Rc<File>,
    writer: Rc<File>,
    mut read: impl FnMut(&File) -> Result<u64, Error> + 'static,
) -> Case {
    let from = reader.clone();
    Case {
        call: Box::new(move || read(&from)),
        intact: Box::new(move |result| {
            let left = drain(&reader);
            drop(writer);
            equal("the byte read", result.unwrap_or(BYTE.into()), BYTE.into())?;
            let there = isize::from(ready) + turn::by();
            equal("bytes left", left.len() as isize, there - isize::from(result.is_some()))
        }),
    }
}

pub fn read(ready: bool) -> Case {
    reading(ready, |fd| {
        let mut byte = [0];
        eintr::io::read(fd, &mut byte)?;
        Ok(byte[0].into())
    })
}

pub fn preadv2(ready: bool) -> Case {
    reading(ready, |fd| {
        let mut byte = [0];
        let buffers = &mut [IoSliceMut::new(&mut byte)];
        eintr::io::preadv2(fd, buffers, None, RwFlags::empty())?;
        Ok(byte[0].into())
    })
}

pub fn pwritev2(ready: bool) -> Case {
    writing(ready, |writer| {
        eintr::io::pwritev2(writer, &[IoSlice::new(&[BYTE])], None, RwFlags::empty())
    })
}

pub fn write(ready: bool) -> Case {
    writing(ready, |writer| eintr::io::write(writer, &[BYTE]))
}

/// A pipe that is full, or empty; `write` writes a byte.
pub fn writing(
    ready: bool,
    mut write: impl FnMut(&File) -> Result<usize, Error> + 'static,
) -> Case {
    let (reader, writer) = pipe();
    let room = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap() as usize;
    let before = if ready { 0 } else { room };
    if before > 0 {
        nix::unistd::write(&writer, &vec![0; before]).unwrap();
    }
    let [from, to] = [reader.as_raw_fd(), writer.as_raw_fd()];
    turn::is(move || if ready { turn::write(to, room) } else { -turn::take(from, room) });
    Case {
        call: Box::new(move || Ok(write(&writer)? as u64)),
        intact: Box::new(move |result| {
            let written = drain(&reader).len() as isize - before as isize - turn::by();
            equal("bytes written", written, result.unwrap_or(0) as isize)
        }),
    }
}

pub fn plain_read(ready: bool) -> Case {
    reading(ready, |fd| libc_read(fd).map_err(Error::Io))
}

/// One byte, by libc's own `read`.
pub fn libc_read(fd: &File) -> io::Result<u64> {
    let mut byte = [0_u8];
    // SAFETY: the kernel writes at most one byte into the array.
    match unsafe { libc::read(fd.as_raw_fd(), byte.as_mut_ptr().cast(), 1) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(byte[0].into()),
    }
}
