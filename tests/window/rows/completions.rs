//! Completions: of asynchronous reads, and of a ring of io_uring's.

// The example's own.
#[path = "../../../examples/stuck/ring.rs"]
mod ring;

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, LazyLock};
use std::{io, ptr};

use eintr::Error;
use nix::sys::memfd::{MFdFlags, memfd_create};
use ring::Ring;

use super::reached::retried;
use super::{Case, equal, turn};

/// Which libc lacks.
pub const IO_PGETEVENTS: i64 = if cfg!(target_arch = "x86_64") { 333 } else { 292 };

/// The kernel's `struct io_event`.
type Event = [u64; 4];

pub fn getevents(ready: bool) -> Case {
    completing(ready, |context, event| {
        let none = ptr::null_mut::<libc::timespec>();
        // SAFETY: room for one.
        retried(|| unsafe {
            libc::syscall(libc::SYS_io_getevents, context, 1, 1, event, none) as i32
        })
    })
}

pub fn pgetevents(ready: bool) -> Case {
    completing(ready, |context, event| {
        let none = ptr::null_mut::<libc::timespec>();
        // SAFETY: room for one; neither a time nor a mask.
        retried(|| unsafe { libc::syscall(IO_PGETEVENTS, context, 1, 1, event, none, none) as i32 })
    })
}

/// Its end would take the kernel some time.
static CONTEXT: LazyLock<usize> = LazyLock::new(|| {
    let mut context = 0;
    // SAFETY: the kernel writes a word.
    assert_eq!(unsafe { libc::syscall(libc::SYS_io_setup, 8, &mut context) }, 0);
    context
});

/// An asynchronous read that is done, or none; `wait` waits for it.
fn completing(ready: bool, wait: fn(usize, *mut Event) -> io::Result<i32>) -> Case {
    let context = *CONTEXT;
    let bring = move || {
        let file = memfd_create("read", MFdFlags::MFD_CLOEXEC).unwrap();
        let mut byte = 0_u8;
        // data, flags, what to do (0: read) and the descriptor, buffer, length, offset
        let fd = (file.as_raw_fd() as u64) << 32;
        let request = [7, 0, fd, &raw mut byte as u64, 1, 0, 0, 0];
        let requests = [request.as_ptr()];
        // SAFETY: one request. A read from memory is done when this returns.
        let done = unsafe { libc::syscall(libc::SYS_io_submit, context, 1, requests.as_ptr()) };
        assert_eq!(done, 1);
    };
    let take = move || {
        let (mut event, now) = (Event::default(), libc::timespec { tv_sec: 0, tv_nsec: 0 });
        // SAFETY: room for one.
        unsafe { libc::syscall(libc::SYS_io_getevents, context, 0, 1, &mut event, &now) as isize }
    };
    if ready {
        bring();
    }
    turn::is(move || {
        if ready {
            return -take();
        }
        bring();
        1
    });
    Case {
        call: Box::new(move || {
            let mut event = Event::default();
            wait(context, &mut event)?;
            Ok(event[0])
        }),
        intact: Box::new(move |result| {
            let left = take();
            equal("the event's data", result.unwrap_or(7), 7)?;
            let there = isize::from(ready) + turn::by();
            equal("events left", left, there - isize::from(result.is_some()))
        }),
    }
}

/// Whether there are rings here.
pub fn has_rings() -> bool {
    Ring::new().inspect_err(|error| println!("skipped: io_uring: {error}")).is_ok()
}

/// An event loop, as epoll's: told EINTR, it looks whether it is to end.
pub fn uring(ready: bool) -> Case {
    const GET_EVENTS: i32 = 1;
    let ring = Arc::new(Ring::new().unwrap());
    if ready {
        ring.complete_one();
    }
    let [turned, watched] = [ring.clone(), ring.clone()];
    turn::is(move || {
        if ready {
            return -isize::from(turned.take_one());
        }
        turned.complete_one();
        1
    });
    Case {
        call: Box::new(move || {
            while !watched.take_one() {
                let fd = watched.as_fd().as_raw_fd();
                let none = ptr::null_mut::<u8>();
                // SAFETY: no mask.
                let entered = unsafe {
                    libc::syscall(libc::SYS_io_uring_enter, fd, 0, 1, GET_EVENTS, none, 0)
                };
                if entered < 0 {
                    let error = io::Error::last_os_error();
                    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
                    eintr::checkpoint().map_err(Error::from)?;
                }
            }
            Ok(0)
        }),
        intact: Box::new(move |result| {
            let left = isize::from(ring.take_one());
            let there = isize::from(ready) + turn::by();
            equal("completions left", left, there - isize::from(result.is_some()))
        }),
    }
}
