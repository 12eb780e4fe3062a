//! Syscalls on file descriptors.
//!
//! # Safety
//!
//! Each block hands the kernel buffers that are borrowed for the length of the call.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::call::{Outcome, call};

pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Outcome<usize> {
    let [fd, address, length] =
        [fd.as_raw_fd() as usize, buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
    unsafe { call(libc::SYS_read, [fd, address, length]) }
}

pub(crate) fn write(fd: BorrowedFd<'_>, buffer: &[u8]) -> Outcome<usize> {
    let [fd, address, length] = [fd.as_raw_fd() as usize, buffer.as_ptr() as usize, buffer.len()];
    // SAFETY: the kernel reads at most `length` bytes from the buffer, which is borrowed.
    unsafe { call(libc::SYS_write, [fd, address, length]) }
}
