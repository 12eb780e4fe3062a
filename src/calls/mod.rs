//! Our own calls, by kernel domain: one line each over the trampoline.

use std::io as std_io;

use crate::checkpoint;
use crate::error::Error;
use crate::sys::call::{Outcome, Stop};

pub mod event;
pub mod fs;
pub mod io;
pub mod ipc;
mod limit;
pub mod net;
pub mod process;
pub(crate) mod socket_time;
pub mod terminal;
pub mod time;

pub(crate) use limit::Limit;

/// Runs an interruptible syscall until it has a result.
///
/// A cancelled attempt did nothing, and so did one that ended with EINTR: an armed thread raises,
/// any other (a stray signal, or a cause that is gone again) goes on. An attempt whose time is
/// limited must look at the clock itself, so that going on does not start its time anew.
#[inline]
pub(crate) fn complete<T>(mut attempt: impl FnMut() -> Outcome<T>) -> Result<T, Error> {
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(Stop::Cancelled | Stop::Errno(libc::EINTR)) => {
                if let Some(interrupted) = checkpoint::raise_in_call() {
                    return Err(Error::Interrupted(interrupted));
                }
            }
            Err(Stop::Errno(errno)) => {
                return Err(Error::Io(std_io::Error::from_raw_os_error(errno)));
            }
        }
    }
}
