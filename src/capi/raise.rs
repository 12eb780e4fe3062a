//! The interrupted thread's side.
//!
//! # Safety
//!
//! An exported function relies on what `eintr.h` says of its pointers: null, or good for what is
//! written there.

#![allow(unsafe_code)]

use libc::c_int;

use super::{CReason, Errno, Held, border, done, handles, tsan};
use crate::{Interrupted, Interrupter, checkpoint};

/// Raises.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_checkpoint() -> c_int {
    done(|| Ok(checkpoint::checkpoint()?))
}

/// Whether a checkpoint would raise.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_is_interrupted() -> c_int {
    border(0, || Ok(checkpoint::is_interrupted().into()))
}

/// Raises, and tells why.
///
/// # Safety
///
/// `reason` is null or room for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_why(reason: *mut CReason) -> c_int {
    // SAFETY: the caller's promise.
    border(-1, || Ok(unsafe { hand_out(checkpoint::checkpoint().err(), reason) }))
}

/// Takes a request.
///
/// # Safety
///
/// `reason` is null or room for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_take(reason: *mut CReason) -> c_int {
    // SAFETY: the caller's promise.
    border(-1, || Ok(unsafe { hand_out(checkpoint::take(), reason) }))
}

/// 1 and the reason, or 0.
///
/// # Safety
///
/// `reason` is null or room for one.
pub(super) unsafe fn hand_out(interrupted: Option<Interrupted>, reason: *mut CReason) -> c_int {
    match interrupted {
        Some(interrupted) => {
            tsan::raised();
            // SAFETY: the caller's promise.
            unsafe { CReason::write_to(&interrupted, reason) };
            1
        }
        None => 0,
    }
}

/// An interrupter of the innermost task here.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_current() -> u64 {
    border(0, || {
        let current = Interrupter::current().ok_or(Errno(libc::ESRCH))?;
        Ok(handles::keep(Held::Interrupter(current)))
    })
}
