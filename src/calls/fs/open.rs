//! Opening.
//!
//! # Safety
//!
//! The kernel is handed a path that is borrowed for the length of the call, and what it has made is taken over.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::c_int;

use crate::thread::call;
use crate::{Error, complete};

/// How [`open`] opens, as [`std::fs::OpenOptions`] (which cannot be asked what it holds).
///
/// The file is always closed on exec.
///
/// # Examples
///
/// ```
/// use eintr::fs::OpenOptions;
///
/// let null = eintr::fs::open("/dev/null", OpenOptions::new().read(true).write(true))?;
/// # drop(null);
/// # Ok::<(), eintr::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: Option<u32>,
    custom_flags: c_int,
}

impl OpenOptions {
    /// Nothing chosen; permissions 0o666, less the umask, for a file that is created.
    pub fn new() -> Self {
        Self::default()
    }

    /// To be read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self
    }

    /// To be written.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.write = write;
        self
    }

    /// To be written at its end only.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.append = append;
        self
    }

    /// To be emptied, if it exists.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.truncate = truncate;
        self
    }

    /// To be created, unless it exists.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = create;
        self
    }

    /// To be created; it must not exist. `create` and `truncate` mean nothing then.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.create_new = create_new;
        self
    }

    /// The permissions of a file that is created, before the umask.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Flags of open(2) as they are. The access mode is not taken from here.
    pub fn custom_flags(&mut self, flags: c_int) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// The flags of open(2), where the options make sense: as in std.
    fn flags(&self) -> io::Result<c_int> {
        let access = match (self.read, self.write || self.append) {
            (true, true) => libc::O_RDWR,
            (true, false) => libc::O_RDONLY,
            (false, true) => libc::O_WRONLY,
            (false, false) => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        let truncates = self.truncate && !self.create_new;
        let makes = self.truncate || self.create || self.create_new;
        if makes && access == libc::O_RDONLY || truncates && self.append {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let creates = match (self.create_new, self.create) {
            (true, _) => libc::O_CREAT | libc::O_EXCL,
            (false, true) => libc::O_CREAT,
            (false, false) => 0,
        };
        let truncates = if truncates { libc::O_TRUNC } else { 0 };
        let appends = if self.append { libc::O_APPEND } else { 0 };
        let custom = self.custom_flags & !libc::O_ACCMODE;
        Ok(libc::O_CLOEXEC | access | creates | truncates | appends | custom)
    }
}

/// Opens a file. A FIFO's other end is waited for.
///
/// # Examples
///
/// A FIFO that nobody writes:
///
/// ```
/// use eintr::fs::OpenOptions;
/// use std::time::Duration;
///
/// let path = std::env::temp_dir().join(format!("eintr-doc-{}", std::process::id()));
/// nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU)?;
/// let fifo = path.clone();
/// let reader = eintr::spawn(move || eintr::fs::open(fifo, OpenOptions::new().read(true)));
/// reader.interrupt();
/// assert!(reader.join().unwrap().unwrap_err().interrupted().is_some());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error. Options that make no sense together, and a path
/// with a null byte, are of the kind `InvalidInput`.
///
/// # Interruption
///
/// On `Interrupted` nothing was opened, created or truncated. Somebody who opened the other end of
/// a FIFO while this call waited, has seen it come and go: that end is open.
///
/// See [open(2)](https://man7.org/linux/man-pages/man2/open.2.html).
pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<File, Error> {
    let flags = options.flags()?;
    let path = CString::new(path.as_ref().as_os_str().as_bytes()).map_err(io::Error::from)?;
    let mode = options.mode.unwrap_or(0o666);
    let here = libc::AT_FDCWD as usize;
    let arguments = [here, path.as_ptr() as usize, flags as usize, mode as usize];
    // SAFETY: the kernel reads the path, which is borrowed.
    let fd = complete(|| unsafe { call(libc::SYS_openat, arguments) })?;
    // SAFETY: the kernel has just made this descriptor, for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_std() {
        for bits in 0..64u32 {
            let has = |bit: u32| bits & (1 << bit) != 0;
            let mut ours = OpenOptions::new();
            ours.read(has(0)).write(has(1)).append(has(2));
            ours.truncate(has(3)).create(has(4)).create_new(has(5));
            let mut std = std::fs::OpenOptions::new();
            std.read(has(0)).write(has(1)).append(has(2));
            std.truncate(has(3)).create(has(4)).create_new(has(5));
            // A directory that does not exist: options that make sense get as far as that.
            let of_std = std.open("/nonexistent/file").unwrap_err();
            let of_ours = open("/nonexistent/file", &ours).unwrap_err();
            let of_ours = std::io::Error::from(of_ours);
            assert_eq!(of_ours.kind(), of_std.kind(), "{ours:?}");
        }
    }
}
