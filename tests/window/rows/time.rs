//! Sleeping.

use std::io;
use std::time::Duration;

use eintr::Error;

use super::Case;

/// For ever, or not at all.
pub fn sleep(ready: bool) -> Case {
    let duration = if ready { Duration::ZERO } else { Duration::MAX };
    Case {
        call: Box::new(move || eintr::time::sleep(duration).map(|()| 0)),
        intact: Box::new(|_| Ok(())),
    }
}

/// libc's own.
pub fn plain_sleep(ready: bool) -> Case {
    let time = libc::timespec { tv_sec: if ready { 0 } else { i64::MAX }, tv_nsec: 0 };
    Case {
        call: Box::new(move || {
            // SAFETY: the kernel reads the time, which is borrowed.
            match unsafe { libc::nanosleep(&time, std::ptr::null_mut()) } {
                0 => Ok(0),
                _ => Err(Error::Io(io::Error::last_os_error())),
            }
        }),
        intact: Box::new(|_| Ok(())),
    }
}
