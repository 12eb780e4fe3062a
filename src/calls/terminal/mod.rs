//! Terminals: [`tcdrain`]. They are read with [`io::read`](crate::io::read), which is here too.
//!
//! An interrupted read takes nothing from a terminal: the beginning of a line that was typed
//! without its end stays with the line editor, and keys in raw mode stay in the queue. A background
//! process is stopped as ever.
//!
//! ```
//! use eintr::terminal;
//! use nix::pty::openpty;
//!
//! let pty = openpty(None, None)?;
//! eintr::io::write(&pty.master, b"hello\n")?;
//! let mut line = [0; 64];
//! assert_eq!(terminal::read(&pty.slave, &mut line)?, 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Safety
//!
//! No pointers are handed to the kernel.

#![allow(unsafe_code)]

use std::os::fd::AsFd;

use crate::calls::number;
use crate::thread::call;
use crate::{Error, complete};

pub use super::io::read;

/// Waits until all output that was written to a terminal has been transmitted.
///
/// # Examples
///
/// ```
/// let pty = nix::pty::openpty(None, None)?;
/// eintr::io::write(&pty.slave, b"hello\n")?;
/// eintr::terminal::tcdrain(&pty.slave)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: ENOTTY if it is no terminal.
///
/// # Interruption
///
/// On `Interrupted` there may be output still to be transmitted. None is lost.
///
/// See [tcdrain(3)](https://man7.org/linux/man-pages/man3/tcdrain.3.html).
pub fn tcdrain(fd: impl AsFd) -> Result<(), Error> {
    // An argument other than 0: wait for the output, and send no break after it.
    let arguments = [number(fd.as_fd()), libc::TCSBRK as usize, 1];
    // SAFETY: no pointers.
    complete(|| unsafe { call(libc::SYS_ioctl, arguments) }.map(drop))
}
