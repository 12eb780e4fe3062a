//! getrandom.
//!
//! # Safety
//!
//! The kernel is handed a buffer that is borrowed for the length of the call.

#![allow(unsafe_code)]

use crate::thread::call;
use crate::{Error, complete};

/// Fills a buffer with random bytes of the kernel's; up to 256 are never fewer than asked for.
///
/// Waits only early at boot, until the kernel has gathered enough.
///
/// # Examples
///
/// ```
/// let mut key = [0; 32];
/// assert_eq!(eintr::io::getrandom(&mut key)?, 32);
/// assert_ne!(key, [0; 32]);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` the buffer is as it was. A long request that was interrupted returns how many
/// bytes there are, and the cause is raised by the next call.
///
/// See [getrandom(2)](https://man7.org/linux/man-pages/man2/getrandom.2.html).
pub fn getrandom(buffer: &mut [u8]) -> Result<usize, Error> {
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
    complete(|| unsafe { call(libc::SYS_getrandom, [address, length, 0]) })
}
