//! Where C comes in and results go out.
//!
//! # Safety
//!
//! errno is a plain integer of the thread's.

#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use libc::c_int;

use super::tsan;
use crate::entry::leave;
use crate::{Error, Interrupted};

/// An error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(pub(super) c_int);

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        match error {
            Error::Interrupted(_) => Self(libc::ECANCELED),
            Error::Io(error) => error.into(),
        }
    }
}

impl From<Interrupted> for Errno {
    fn from(_: Interrupted) -> Self {
        Self(libc::ECANCELED)
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        Self(error.raw_os_error().unwrap_or(match error.kind() {
            ErrorKind::InvalidInput => libc::EINVAL,
            ErrorKind::AlreadyExists => libc::EEXIST,
            ErrorKind::Unsupported => libc::ENOSYS,
            _ => libc::EIO,
        }))
    }
}

/// What a function says about a panic inside it. The panic's message has gone to standard error.
const PANICKED: Errno = Errno(libc::ENOTRECOVERABLE);

/// Runs the body of an exported function: its value, with errno as it was, or `failure` with errno
/// set.
///
/// A plain call that [`abandon`](crate::abandon()) ends must not be left from in here: that waits until we are out.
#[inline]
pub(super) fn border<T>(failure: T, f: impl FnOnce() -> Result<T, Errno>) -> T {
    match inside(f) {
        Ok(value) => value,
        Err(Errno(number)) => {
            if number == libc::ECANCELED {
                tsan::raised();
            }
            // SAFETY: errno is a plain integer of this thread's.
            unsafe { *libc::__errno_location() = number };
            failure
        }
    }
}

/// The same for functions that return 0 or -1.
pub(super) fn done<T>(f: impl FnOnce() -> Result<T, Errno>) -> c_int {
    border(-1, || f().map(|_| 0))
}

/// The same for functions that return 0 or an error number, and do not touch errno.
pub(super) fn numbered<T>(f: impl FnOnce() -> Result<T, Errno>) -> c_int {
    inside(f).map_or_else(|Errno(number)| number, |_| 0)
}

#[inline]
fn inside<T>(f: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    // SAFETY: errno is a plain integer of this thread's.
    let before = unsafe { *libc::__errno_location() };
    let result = leave::without_abandon(|| catch_unwind(AssertUnwindSafe(f)));
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = before };
    result.unwrap_or(Err(PANICKED))
}
