//! eventfd and timerfd.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::{Row, row};
use crate::operation::Call;
use crate::operation::Whose::{C, Own, Std};
use crate::worker::{Readiness, Worker};
use crate::wrong;

pub const ROWS: &[Row] = &[
    row("eventfd", &[Own, Std, C], &[], |worker, call| {
        let counter = worker.counter(call);
        let number = read(worker, call, counter.clone(), &counter.file, |fd| {
            eintr::event::eventfd_read(fd)
        })?;
        counter.read.fetch_add(number, SeqCst);
        Ok(())
    }),
    row("timerfd", &[Own, Std, C], &[], |worker, call| {
        let timer = worker.own_things().timer.clone();
        let read = |fd: &File| eintr::event::timerfd_read(fd);
        if self::read(worker, call, Timer(timer.clone()), &timer, read)? == 0 {
            wrong("a timer has not gone off, and can be read");
        }
        Ok(())
    }),
];

pub struct Counter {
    file: File,
    written: AtomicU64,
    read: AtomicU64,
}

impl Counter {
    pub fn new() -> io::Result<Arc<Self>> {
        // SAFETY: no pointers.
        let file = made(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })?;
        Ok(Arc::new(Self { file, written: AtomicU64::new(0), read: AtomicU64::new(0) }))
    }

    pub fn balance(&self) {
        let read = self.read.load(SeqCst);
        self.unready();
        let (written, all) = (self.written.load(SeqCst), self.read.load(SeqCst));
        if written != all {
            wrong(format_args!("an eventfd: {written} written, {read} read, {} left", all - read));
        }
    }
}

impl Readiness for Arc<Counter> {
    fn ready(&self) {
        // SAFETY: the number is borrowed.
        let written = unsafe { libc::write(self.file.as_raw_fd(), (&raw const ONE).cast(), 8) };
        if written == 8 {
            self.written.fetch_add(1, SeqCst);
        }
    }

    fn unready(&self) {
        self.as_ref().unready();
    }
}

static ONE: u64 = 1;

impl Counter {
    fn unready(&self) {
        self.read.fetch_add(at_once(&self.file), SeqCst);
    }
}

pub fn timer() -> io::Result<Arc<File>> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
    Ok(Arc::new(made(fd)?))
}

fn made(fd: i32) -> io::Result<File> {
    let fd = crate::answer(fd as isize)?;
    // SAFETY: it is new.
    Ok(unsafe { File::from_raw_fd(fd as i32) })
}

#[derive(Clone)]
struct Timer(Arc<File>);

impl Timer {
    fn set(&self, nanoseconds: i64) {
        // SAFETY: all bytes zero are a time: none.
        let mut time: libc::itimerspec = unsafe { std::mem::zeroed() };
        time.it_value.tv_nsec = nanoseconds as _;
        // SAFETY: the time is borrowed.
        unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &time, std::ptr::null_mut()) };
    }
}

impl Readiness for Timer {
    fn ready(&self) {
        self.set(1);
    }

    fn unready(&self) {
        self.set(0);
    }
}

/// A read that does not wait.
fn at_once(file: &File) -> u64 {
    let mut number = 0u64;
    let part = libc::iovec { iov_base: (&raw mut number).cast(), iov_len: 8 };
    // SAFETY: the part is borrowed.
    let read = unsafe {
        let [call, fd] = [libc::SYS_preadv2, file.as_raw_fd().into()];
        libc::syscall(call, fd, &raw const part, 1, -1_i64, 0, libc::RWF_NOWAIT)
    };
    if read == 8 { number } else { 0 }
}

fn read(
    worker: &Worker,
    call: &Call,
    readiness: impl Readiness + Clone,
    file: &File,
    own: fn(&File) -> Result<u64, eintr::Error>,
) -> Result<u64, crate::worker::Stop> {
    worker.meets(call, readiness, || {
        let mut number = [0; 8];
        match call.whose {
            Own => return worker.own(own(file)),
            Std => worker.std({ file }.read(&mut number))?,
            C => {
                let at = number.as_mut_ptr().cast();
                // SAFETY: the number is borrowed.
                worker.c(unsafe { libc::read(file.as_raw_fd(), at, 8) })?
            }
        };
        Ok(u64::from_ne_bytes(number))
    })
}
