//! Children.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`super`].

#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint};

use libc::{pid_t, rusage, siginfo_t};

use super::files::plain_calls;
use super::plain;
use crate::capi::border::border;

plain_calls! {
    "wait4(2)" eintr_wait4(
        pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage
    ) -> pid_t = SYS_wait4;
    "waitid(2)" eintr_waitid(
        kind: c_uint, id: libc::id_t, info: *mut siginfo_t, options: c_int
    ) -> c_int = SYS_waitid;
}

/// waitpid(2)
///
/// # Safety
///
/// As waitpid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    // SAFETY: the caller's promise.
    unsafe { eintr_wait4(pid, status, options, std::ptr::null_mut()) }
}
