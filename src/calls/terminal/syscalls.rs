//! Syscalls on terminals.
//!
//! # Safety
//!
//! No pointers are handed to the kernel.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::thread::{Outcome, call};

pub(crate) fn tcdrain(fd: BorrowedFd<'_>) -> Outcome<()> {
    // An argument other than 0: wait for the output, and send no break after it.
    let arguments = [fd.as_raw_fd() as usize, libc::TCSBRK as usize, 1];
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_ioctl, arguments) }.map(drop)
}
