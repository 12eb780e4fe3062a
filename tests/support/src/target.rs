//! Threads to be interrupted, and what they get stuck in.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc;
use std::time::Duration;

use eintr::{Interrupter, Task};

use crate::{LIMIT, gettid, wait_until, wait_until_blocked};

/// A managed thread, and its id.
pub struct Target<T> {
    pub tid: i32,
    pub thread: eintr::JoinHandle<T>,
}

/// Spawns one.
pub fn target<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Target<T> {
    spawn(true, body)
}

/// Spawns one whose plain calls are not reached: they return EINTR (P11).
pub fn unreached<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Target<T> {
    spawn(false, body)
}

/// Spawns one, with reach or without.
pub fn spawn<T: Send + 'static>(
    reach: bool,
    body: impl FnOnce() -> T + Send + 'static,
) -> Target<T> {
    let (tell, told) = mpsc::channel();
    let body = move || {
        tell.send(gettid()).unwrap();
        body()
    };
    let thread = eintr::Builder::new().reach(reach).spawn(body).unwrap();
    Target { tid: told.recv().unwrap(), thread }
}

/// A task whose plain calls are not reached, and its interrupter.
pub fn unreached_task() -> (Task, Interrupter) {
    let task = Task::new().reach(false);
    let interrupter = task.interrupter();
    (task, interrupter)
}

impl<T> Target<T> {
    /// Waits until it sleeps in that syscall.
    pub fn blocked_in(self, syscall: i64) -> Self {
        wait_until_blocked(self.tid, syscall);
        self
    }

    /// Interrupts it, and makes sure that it was raised.
    pub fn interrupted(self) -> Self {
        let outcome = self.thread.interrupt().wait(LIMIT);
        assert!(matches!(outcome, eintr::Outcome::Raised), "{outcome:?}");
        self
    }

    /// Its result.
    pub fn result(self) -> T {
        self.thread.join().unwrap()
    }
}

/// A pipe.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (reader.into(), writer.into())
}

/// One byte through our own call.
pub fn own_read(fd: impl AsFd) -> Result<u8, eintr::Error> {
    let mut byte = [0];
    eintr::io::read(fd, &mut byte).map(|_| byte[0])
}

/// One byte through libc's.
pub fn plain_read(fd: impl AsFd) -> io::Result<u8> {
    let mut byte = 0u8;
    // SAFETY: the kernel writes at most one byte, into one that is borrowed.
    let read = unsafe { libc::read(fd.as_fd().as_raw_fd(), (&raw mut byte).cast(), 1) };
    if read == 1 { Ok(byte) } else { Err(io::Error::last_os_error()) }
}

/// Whether an error is the kernel's EINTR.
pub fn is_eintr(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINTR)
}

/// Whether a plain call came back because the thread was armed, reached or not.
pub fn came_back<T>(result: &io::Result<T>) -> bool {
    let errno = result.as_ref().err().and_then(io::Error::raw_os_error);
    matches!(errno, Some(libc::EINTR | libc::ECANCELED))
}

/// Whether our own call was interrupted.
pub fn is_interrupt<T>(result: &Result<T, eintr::Error>) -> bool {
    result.as_ref().is_err_and(|error| error.interrupted().is_some())
}

/// Sleeps for ever, by a call of ours.
pub fn sleep() -> Result<(), eintr::Error> {
    eintr::time::sleep(Duration::MAX)
}

/// What a checkpoint raises, as text; empty for nothing.
pub fn raised() -> String {
    eintr::checkpoint().err().map(|interrupted| interrupted.to_string()).unwrap_or_default()
}

/// Sleeps in a plain poll of nothing for that time; false if a signal ended it.
pub fn rest(time: Duration) -> bool {
    // SAFETY: no descriptors, so no pointer is followed.
    unsafe { libc::poll(std::ptr::null_mut(), 0, time.as_millis() as i32) == 0 }
}

/// Waits until the calling thread is armed.
pub fn wait_until_armed() {
    wait_until("this thread is armed", eintr::is_interrupted);
}
