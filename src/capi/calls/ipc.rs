//! Semaphores, for a limited time.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`super`].

#![allow(unsafe_code)]

use std::ffi::c_int;

use libc::{sembuf, size_t, timespec};

use super::{done, span};
use crate::calls::Limit;
use crate::complete;
use crate::kernel::{address_of, timespec_of};
use crate::thread::call;

/// semtimedop(2)
///
/// # Safety
///
/// As semtimedop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_semtimedop(
    set: c_int,
    operations: *mut sembuf,
    count: size_t,
    timeout: *const timespec,
) -> c_int {
    done(|| {
        // SAFETY: the caller's promise.
        let limit = Limit::new(unsafe { span(timeout) }?);
        Ok(complete(|| {
            let left = limit.remaining().map(timespec_of);
            let arguments = [set as usize, operations as usize, count, address_of(&left)];
            // SAFETY: the caller's promise; the time is ours.
            unsafe { call(libc::SYS_semtimedop, arguments) }
        })?)
    })
}
