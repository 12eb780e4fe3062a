//! pread, pwrite: at an offset, without the descriptor's position.

use std::os::fd::AsFd;

use super::syscalls;
use crate::{Error, complete};

/// Reads from an offset of a file, and leaves its position where it is; 0 at the end.
///
/// # Examples
///
/// ```
/// # let path = std::env::temp_dir().join(format!("eintr-pread-{}", std::process::id()));
/// std::fs::write(&path, "0123456789")?;
/// let file = std::fs::File::open(&path)?;
/// # std::fs::remove_file(&path)?;
/// let mut buffer = [0; 4];
/// assert_eq!(eintr::io::pread(&file, &mut buffer, 3)?, 4);
/// assert_eq!(&buffer, b"3456");
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was read. A local file does not wait: an interrupt is noticed before
/// the call.
///
/// See [pread(2)](https://man7.org/linux/man-pages/man2/pread.2.html).
pub fn pread(fd: impl AsFd, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
    complete(|| syscalls::pread(fd.as_fd(), buffer, offset))
}

/// Writes at an offset of a file, and leaves its position where it is; the number of bytes written
/// may be less than the buffer's length.
///
/// # Examples
///
/// ```
/// # let path = std::env::temp_dir().join(format!("eintr-pwrite-{}", std::process::id()));
/// let file = std::fs::File::create(&path)?;
/// eintr::io::pwrite(&file, b"world", 6)?;
/// eintr::io::pwrite(&file, b"hello ", 0)?;
/// assert_eq!(std::fs::read_to_string(&path)?, "hello world");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` nothing was written. A local file does not wait: an interrupt is noticed before
/// the call.
///
/// See [pwrite(2)](https://man7.org/linux/man-pages/man2/pwrite.2.html).
pub fn pwrite(fd: impl AsFd, buffer: &[u8], offset: u64) -> Result<usize, Error> {
    complete(|| syscalls::pwrite(fd.as_fd(), buffer, offset))
}
