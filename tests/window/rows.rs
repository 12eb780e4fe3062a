//! The calls that are put to the test, each on a real object.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eintr::Error;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// One call.
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    /// The syscall in which it sleeps.
    pub sleeps_in: i64,
    /// Makes the object, with the result there or not.
    pub make: fn(ready: bool) -> Case,
}

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of this crate's.
    Own,
    /// libc's, in a task with reach off.
    Plain,
    /// A wrong implementation, asked by a flag and a signal.
    Naive,
}

/// A call and the object that it is made on.
pub struct Case {
    /// The call. What it returns tells a result from another.
    pub call: Box<dyn FnMut() -> Result<u64, Error>>,
    /// Whether the object is as it must be after that result, or after none.
    pub intact: Box<dyn FnOnce(Option<u64>) -> Result<(), String>>,
}

/// The row of that name.
pub fn find(name: &str) -> &'static Row {
    ALL.iter().find(|row| row.name == name).expect("the call has a row")
}

const fn own(name: &'static str, sleeps_in: i64, make: fn(bool) -> Case) -> Row {
    Row { name, kind: Kind::Own, sleeps_in, make }
}

pub static ALL: &[Row] = &[
    own("read", libc::SYS_read, read),
    own("write", libc::SYS_write, write),
    own("sleep", libc::SYS_clock_nanosleep, sleep),
    Row { name: "plain_read", kind: Kind::Plain, sleeps_in: libc::SYS_read, make: plain_read },
    Row { name: "naive_flag", kind: Kind::Naive, sleeps_in: libc::SYS_read, make: naive_flag },
    Row { name: "naive_after", kind: Kind::Naive, sleeps_in: libc::SYS_read, make: naive_after },
];

/// A pipe whose ends both sides of a case hold.
fn pipe() -> (Rc<OwnedFd>, Rc<OwnedFd>) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    (Rc::new(reader), Rc::new(writer))
}

/// Takes all bytes that are there.
pub fn drain(fd: impl AsFd) -> Vec<u8> {
    fcntl(fd.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = nix::unistd::read(fd.as_fd(), &mut buffer) {
        bytes.extend_from_slice(&buffer[..n]);
    }
    bytes
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, is: T, expected: T) -> Result<(), String> {
    if is == expected { Ok(()) } else { Err(format!("{what}: {is:?}, not {expected:?}")) }
}

/// The byte that there is to read, and what the calls that read it return.
const BYTE: u8 = b'x';

/// A pipe with a byte in it or not; `read` reads a byte from it.
fn reading(ready: bool, mut read: impl FnMut(&OwnedFd) -> Result<u64, Error> + 'static) -> Case {
    let (reader, writer) = pipe();
    if ready {
        nix::unistd::write(&writer, &[BYTE]).unwrap();
    }
    let from = reader.clone();
    Case {
        call: Box::new(move || read(&from)),
        intact: Box::new(move |result| {
            let left = drain(&reader);
            drop(writer);
            match result {
                Some(byte) => {
                    equal("the byte read", byte, BYTE.into())?;
                    equal("bytes left after one was read", left.len(), 0)
                }
                None => equal("bytes left after none was read", left.len(), ready.into()),
            }
        }),
    }
}

fn read(ready: bool) -> Case {
    reading(ready, |fd| {
        let mut byte = [0];
        eintr::io::read(fd, &mut byte)?;
        Ok(byte[0].into())
    })
}

fn write(ready: bool) -> Case {
    let (reader, writer) = pipe();
    let full = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap() as usize;
    if !ready {
        nix::unistd::write(&writer, &vec![0; full]).unwrap();
    }
    let before = if ready { 0 } else { full };
    Case {
        call: Box::new(move || eintr::io::write(&writer, &[BYTE]).map(|n| n as u64)),
        intact: Box::new(move |result| {
            let written = drain(&reader).len() - before;
            equal("bytes in the pipe", written, result.unwrap_or(0) as usize)
        }),
    }
}

fn sleep(ready: bool) -> Case {
    let duration = if ready { Duration::ZERO } else { Duration::MAX };
    Case {
        call: Box::new(move || eintr::time::sleep(duration).map(|()| 0)),
        intact: Box::new(|_| Ok(())),
    }
}

fn plain_read(ready: bool) -> Case {
    reading(ready, |fd| Ok(libc_read(fd)?))
}

/// One byte, by libc's own `read`.
fn libc_read(fd: &OwnedFd) -> io::Result<u64> {
    let mut byte = [0_u8];
    // SAFETY: the kernel writes at most one byte into the array.
    match unsafe { libc::read(fd.as_raw_fd(), byte.as_mut_ptr().cast(), 1) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(byte[0].into()),
    }
}

/// What the wrong implementations look at. Set by the asker.
pub static FLAG: AtomicBool = AtomicBool::new(false);

fn flagged() -> io::Result<()> {
    let asked = FLAG.load(Ordering::SeqCst);
    if asked { Err(io::Error::from_raw_os_error(libc::EINTR)) } else { Ok(()) }
}

/// The obvious fix: look at the flag before the call, and again after EINTR.
fn naive_flag(ready: bool) -> Case {
    reading(ready, |fd| {
        loop {
            flagged()?;
            match libc_read(fd) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Ok(result?),
            }
        }
    })
}

/// A second one: look at the flag after the call.
fn naive_after(ready: bool) -> Case {
    reading(ready, |fd| {
        let result = libc_read(fd);
        flagged()?;
        Ok(result?)
    })
}
