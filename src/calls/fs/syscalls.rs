//! Syscalls that open and lock files.
//!
//! # Safety
//!
//! Each block hands the kernel a path or a lock that is borrowed for the length of the call, or
//! takes over a descriptor that the kernel has just made.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_short};

use crate::kernel::syscall;
use crate::thread::{Outcome, call};

pub(crate) fn open(path: &CStr, flags: c_int, mode: u32) -> Outcome<OwnedFd> {
    let here = libc::AT_FDCWD as usize;
    let arguments = [here, path.as_ptr() as usize, flags as usize, mode as usize];
    // SAFETY: the kernel reads the path, which is borrowed.
    let fd = unsafe { call(libc::SYS_openat, arguments) }?;
    // SAFETY: the kernel has just made this descriptor, for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

pub(crate) fn flock(fd: BorrowedFd<'_>, operation: c_int) -> Outcome<()> {
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_flock, [fd.as_raw_fd() as usize, operation as usize]) }.map(drop)
}

/// Unlocks, which does not wait. No interrupt keeps it from that, though one that lands just before
/// it makes a plain flock fail with EINTR (P11).
pub(crate) fn funlock(fd: BorrowedFd<'_>) -> Result<(), i32> {
    let arguments = [fd.as_raw_fd() as usize, libc::LOCK_UN as usize];
    loop {
        // SAFETY: no pointers.
        match unsafe { syscall(libc::SYS_flock, arguments) } {
            Err(libc::EINTR) => {}
            unlocked => return unlocked.map(drop),
        }
    }
}

/// Bytes of a file, from `start` on; a length of 0 is to its end, wherever that will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: i64,
    pub(crate) length: i64,
}

impl Stretch {
    fn locked(self, kind: c_int) -> libc::flock {
        let [l_type, l_whence] = [kind as c_short, libc::SEEK_SET as c_short];
        // l_pid: must be 0 for locks that belong to an open file description.
        libc::flock { l_type, l_whence, l_start: self.start, l_len: self.length, l_pid: 0 }
    }
}

pub(crate) fn ofd_lock(fd: BorrowedFd<'_>, kind: c_int, stretch: Stretch) -> Outcome<()> {
    let lock = stretch.locked(kind);
    let [fd, command] = [fd.as_raw_fd() as usize, libc::F_OFD_SETLKW as usize];
    // SAFETY: the kernel reads the lock.
    unsafe { call(libc::SYS_fcntl, [fd, command, &raw const lock as usize]) }.map(drop)
}

/// Unlocks, which does not wait and is never interrupted.
pub(crate) fn ofd_unlock(fd: BorrowedFd<'_>, stretch: Stretch) -> Result<(), i32> {
    let lock = stretch.locked(libc::F_UNLCK);
    let [fd, command] = [fd.as_raw_fd() as usize, libc::F_OFD_SETLK as usize];
    // SAFETY: the kernel reads the lock.
    unsafe { syscall(libc::SYS_fcntl, [fd, command, &raw const lock as usize]) }.map(drop)
}
