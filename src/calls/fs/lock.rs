//! Locking.
//!
//! # Safety
//!
//! The kernel is handed a lock that is borrowed for the length of the call, or no pointers.

#![allow(unsafe_code)]

use std::io;
use std::ops::{Bound, RangeBounds};
use std::os::fd::{AsFd, BorrowedFd};

use libc::{c_int, c_short};

use crate::calls::number;
use crate::kernel::syscall;
use crate::thread::call;
use crate::{Error, complete};

/// Whom a lock lets in beside its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockKind {
    /// Others that lock it shared.
    Shared,
    /// Nobody.
    Exclusive,
}

/// Locks a whole file for its open file description, for as long as that is open or until
/// [`unlock`].
///
/// # Examples
///
/// ```
/// use eintr::fs::LockKind;
///
/// # let path = std::env::temp_dir().join(format!("eintr-doc-flock-{}", std::process::id()));
/// let file = std::fs::File::create(&path)?;
/// eintr::fs::flock(&file, LockKind::Exclusive)?;
/// eintr::fs::unlock(&file)?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` the lock was not taken. A lock of the other kind that the description held may
/// be gone: the kernel gives it up before it waits for the new one. [`ofd_lock`] keeps it.
///
/// See [flock(2)](https://man7.org/linux/man-pages/man2/flock.2.html).
pub fn flock(fd: impl AsFd, kind: LockKind) -> Result<(), Error> {
    let operation = match kind {
        LockKind::Shared => libc::LOCK_SH,
        LockKind::Exclusive => libc::LOCK_EX,
    };
    let arguments = [number(fd.as_fd()), operation as usize];
    // SAFETY: no pointers.
    complete(|| unsafe { call(libc::SYS_flock, arguments) }.map(drop))
}

/// Gives up a lock of [`flock`]'s. It does not wait, and works on an interrupted thread.
///
/// # Examples
///
/// ```
/// use eintr::fs::{LockKind, flock, unlock};
///
/// # let path = std::env::temp_dir().join(format!("eintr-doc-unlock-{}", std::process::id()));
/// # std::fs::write(&path, "")?;
/// let (one, other) = (std::fs::File::open(&path)?, std::fs::File::open(&path)?);
/// flock(&one, LockKind::Exclusive)?;
/// unlock(&one)?;
/// flock(&other, LockKind::Exclusive)?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// The kernel's.
///
/// # Interruption
///
/// None.
///
/// See [flock(2)](https://man7.org/linux/man-pages/man2/flock.2.html).
pub fn unlock(fd: impl AsFd) -> io::Result<()> {
    funlock(fd.as_fd()).map_err(io::Error::from_raw_os_error)
}

/// Unlocks, which does not wait. No interrupt keeps it from that, though one that lands just before
/// it makes a plain flock fail with EINTR (P11).
pub(crate) fn funlock(fd: BorrowedFd<'_>) -> Result<(), i32> {
    let arguments = [number(fd), libc::LOCK_UN as usize];
    loop {
        // SAFETY: no pointers.
        match unsafe { syscall(libc::SYS_flock, arguments) } {
            Err(libc::EINTR) => {}
            unlocked => return unlocked.map(drop),
        }
    }
}

/// Locks a range of a file's bytes for its open file description, for as long as that is open or
/// until [`ofd_unlock`].
///
/// A range without end goes on to the file's end, wherever that will be. A part that the
/// description has locked already changes its kind. An exclusive lock demands a descriptor that is
/// open for writing, a shared one for reading.
///
/// # Examples
///
/// ```
/// use eintr::fs::LockKind;
///
/// # let path = std::env::temp_dir().join(format!("eintr-doc-ofd-{}", std::process::id()));
/// let file = std::fs::File::create(&path)?;
/// eintr::fs::ofd_lock(&file, LockKind::Exclusive, 0..512)?;
/// eintr::fs::ofd_unlock(&file, ..)?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error. A range that is empty or goes beyond what a file
/// can have is of the kind `InvalidInput`.
///
/// # Interruption
///
/// On `Interrupted` nothing was locked, and what was locked before is as it was.
///
/// See `F_OFD_SETLKW` in
/// [fcntl_locking(2)](https://man7.org/linux/man-pages/man2/F_OFD_SETLKW.2const.html).
pub fn ofd_lock(fd: impl AsFd, kind: LockKind, range: impl RangeBounds<u64>) -> Result<(), Error> {
    let kind = match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    };
    let lock = stretch(&range)?.locked(kind);
    let arguments = [number(fd.as_fd()), libc::F_OFD_SETLKW as usize, &raw const lock as usize];
    // SAFETY: the kernel reads the lock.
    complete(|| unsafe { call(libc::SYS_fcntl, arguments) }.map(drop))
}

/// Gives up [`ofd_lock`]'s locks on a range. It does not wait, and works on an interrupted thread.
///
/// # Examples
///
/// ```
/// use eintr::fs::{LockKind, ofd_lock, ofd_unlock};
///
/// # let path = std::env::temp_dir().join(format!("eintr-doc-ofd-unlock-{}", std::process::id()));
/// # std::fs::write(&path, "")?;
/// let one = std::fs::File::open(&path)?;
/// let other = std::fs::File::options().write(true).open(&path)?;
/// ofd_lock(&one, LockKind::Shared, ..)?;
/// ofd_unlock(&one, 512..)?;
/// ofd_lock(&other, LockKind::Exclusive, 512..1024)?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// The kernel's, and as for [`ofd_lock`] a range that makes no sense.
///
/// # Interruption
///
/// None.
///
/// See `F_OFD_SETLK` in
/// [fcntl_locking(2)](https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html).
pub fn ofd_unlock(fd: impl AsFd, range: impl RangeBounds<u64>) -> io::Result<()> {
    let lock = stretch(&range)?.locked(libc::F_UNLCK);
    let arguments = [number(fd.as_fd()), libc::F_OFD_SETLK as usize, &raw const lock as usize];
    // SAFETY: the kernel reads the lock.
    let unlocked = unsafe { syscall(libc::SYS_fcntl, arguments) };
    unlocked.map(drop).map_err(io::Error::from_raw_os_error)
}

/// Bytes of a file, from `start` on; a length of 0 is to its end, wherever that will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    start: i64,
    length: i64,
}

impl Stretch {
    fn locked(self, kind: c_int) -> libc::flock {
        let [l_type, l_whence] = [kind as c_short, libc::SEEK_SET as c_short];
        // l_pid: must be 0 for locks that belong to an open file description.
        libc::flock { l_type, l_whence, l_start: self.start, l_len: self.length, l_pid: 0 }
    }
}

/// A range as the kernel takes it: there, a length of 0 has no end.
fn stretch(range: &impl RangeBounds<u64>) -> io::Result<Stretch> {
    let after = |last: u64| last.checked_add(1);
    let start = match range.start_bound() {
        Bound::Included(&first) => Some(first),
        Bound::Excluded(&before) => after(before),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => after(last).map(Some),
        Bound::Excluded(&end) => Some(Some(end)),
        Bound::Unbounded => Some(None),
    };
    start
        .zip(end)
        .and_then(|(start, end)| {
            let length = match end {
                Some(end) => end.checked_sub(start).filter(|length| *length > 0)?,
                None => 0,
            };
            Some(Stretch { start: start.try_into().ok()?, length: length.try_into().ok()? })
        })
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no range of a file's bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_stretches() {
        let of = |start, length| Some(Stretch { start, length });
        assert_eq!(stretch(&(..)).ok(), of(0, 0));
        assert_eq!(stretch(&(5..)).ok(), of(5, 0));
        assert_eq!(stretch(&(..5)).ok(), of(0, 5));
        assert_eq!(stretch(&(5..7)).ok(), of(5, 2));
        assert_eq!(stretch(&(5..=7)).ok(), of(5, 3));
        assert_eq!(stretch(&(Bound::Excluded(5), Bound::Unbounded)).ok(), of(6, 0));
        assert_eq!(stretch(&(0..i64::MAX as u64)).ok(), of(0, i64::MAX));
    }

    #[test]
    fn what_is_no_range_is_an_error() {
        assert!(stretch(&(5..5)).is_err(), "the kernel would lock all from there on");
        #[expect(clippy::reversed_empty_ranges, reason = "the case under test")]
        let reversed = 7..5;
        assert!(stretch(&reversed).is_err());
        assert!(stretch(&(..0)).is_err());
        assert!(stretch(&(0..=u64::MAX)).is_err());
        assert!(stretch(&(u64::MAX..)).is_err());
        assert!(stretch(&(0..u64::MAX)).is_err());
    }
}
