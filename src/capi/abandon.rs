//! Road 4.
//!
//! # Safety
//!
//! What may be left is for the caller to know: see [`abandon`](crate::abandon()).

#![allow(unsafe_code)]

use std::ffi::c_void;

use libc::c_int;

use super::{Errno, border};
use crate::abandon::{self, Abandoned};

/// Runs a plain call that an interrupt ends.
///
/// # Safety
///
/// As [`abandon()`](crate::abandon()); `result` is null or room for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_abandonable(
    f: Option<unsafe extern "C" fn(*mut c_void) -> isize>,
    arg: *mut c_void,
    result: *mut isize,
) -> c_int {
    border(-1, || {
        let f = f.ok_or(Errno(libc::EINVAL))?;
        // SAFETY: the caller's promise.
        match unsafe { abandon::run(f, arg) } {
            Ok(value) => {
                if !result.is_null() {
                    // SAFETY: the caller's promise.
                    unsafe { result.write(value) };
                }
                Ok(0)
            }
            Err(Abandoned::Interrupted(_)) => Err(Errno(libc::ECANCELED)),
            Err(Abandoned::OnAlternateStack) => Err(Errno(libc::ENOTSUP)),
        }
    })
}
