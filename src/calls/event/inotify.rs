//! Reads of inotify.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use crate::Error;
use crate::calls::io::read;

/// Waits for what an inotify watches, and reads as many events as fit into the buffer. 4 KiB are a
/// good size; `NAME_MAX` + 17 bytes hold any one event.
///
/// # Examples
///
/// ```
/// # use std::ffi::CString;
/// # use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
/// # use std::os::unix::ffi::OsStrExt;
/// # let directory = std::env::temp_dir().join(format!("eintr-doc-inotify-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// # let path = CString::new(directory.as_os_str().as_bytes())?;
/// # let inotify = unsafe { OwnedFd::from_raw_fd(libc::inotify_init1(libc::IN_CLOEXEC)) };
/// # unsafe { libc::inotify_add_watch(inotify.as_raw_fd(), path.as_ptr(), libc::IN_CREATE) };
/// // An inotify that watches a directory for IN_CREATE.
/// std::fs::File::create(directory.join("new"))?;
///
/// let mut buffer = [0; 4096];
/// for event in eintr::event::inotify_read(&inotify, &mut buffer)? {
///     assert_eq!(event.mask, libc::IN_CREATE);
///     assert_eq!(event.name.unwrap(), "new");
/// }
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: EINVAL if the buffer is too small for the next
/// event.
///
/// # Interruption
///
/// On `Interrupted` no event was taken.
///
/// See [inotify(7)](https://man7.org/linux/man-pages/man7/inotify.7.html).
pub fn inotify_read(fd: impl AsFd, buffer: &mut [u8]) -> Result<InotifyEvents<'_>, Error> {
    let length = read(fd, buffer)?;
    Ok(InotifyEvents { rest: &buffer[..length] })
}

/// The events of one [`inotify_read`], in the order in which they happened.
#[derive(Debug, Clone)]
pub struct InotifyEvents<'buffer> {
    rest: &'buffer [u8],
}

/// Something that an inotify saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InotifyEvent<'buffer> {
    /// The watch; -1 if events were lost (`IN_Q_OVERFLOW`).
    pub watch: i32,
    /// What happened: `IN_CREATE` and its kin.
    pub mask: u32,
    /// What the two halves of a renaming have in common; 0 otherwise.
    pub cookie: u32,
    /// The name inside the watched directory, if that is what is watched.
    pub name: Option<&'buffer OsStr>,
}

impl<'buffer> Iterator for InotifyEvents<'buffer> {
    type Item = InotifyEvent<'buffer>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.rest.split_first_chunk::<16>()?;
        let field = |i: usize| u32::from_ne_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let (padded, rest) = rest.split_at_checked(field(12) as usize)?;
        self.rest = rest;
        let name = padded.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(InotifyEvent {
            watch: field(0) as i32,
            mask: field(4),
            cookie: field(8),
            name: (!name.is_empty()).then(|| OsStr::from_bytes(name)),
        })
    }
}

impl std::iter::FusedIterator for InotifyEvents<'_> {}
