//! `io_uring_enter`, as far as it waits.
//!
//! # Safety
//!
//! The descriptor is all that the kernel is handed.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::reach::table::GET_EVENTS;
use crate::thread::{Outcome, call};

pub(crate) fn wait(ring: BorrowedFd<'_>, min_complete: u32) -> Outcome<()> {
    let arguments = [ring.as_raw_fd() as usize, 0, min_complete as usize, GET_EVENTS, 0, 0];
    // SAFETY: nothing is submitted and there is no mask. What was submitted before may complete at
    // any time, with this call or without it; whoever submitted it answers for its memory.
    unsafe { call(libc::SYS_io_uring_enter, arguments) }.map(drop)
}
