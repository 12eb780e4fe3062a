//! The requester's side.
//!
//! # Safety
//!
//! An exported function relies on what `eintr.h` says of its pointers: null, or good for what is
//! written there.

#![allow(unsafe_code)]

use std::ffi::c_char;

use libc::{c_int, size_t};

use super::reason::CodeAndText;
use super::{CReason, Errno, Held, border, done, handles, raise, tsan};
use crate::interrupter::Outcome;
use crate::{Request, termination};

/// Another number for the same task.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_interrupter_clone(interrupter: u64) -> u64 {
    border(0, || Ok(handles::keep(Held::Interrupter(handles::interrupter(interrupter)?))))
}

/// Gives a number up.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_interrupter_free(interrupter: u64) -> c_int {
    done(|| handles::take(interrupter, |held| matches!(held, Held::Interrupter(_))))
}

/// Asks. The request's number; 0 if the task has ended.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_interrupt(interrupter: u64) -> i64 {
    tsan::asks();
    border(-1, || Ok(number(&handles::interrupter(interrupter)?.interrupt())))
}

/// Asks, with a reason.
///
/// # Safety
///
/// `text` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_interrupt_with(
    interrupter: u64,
    code: c_int,
    text: *const c_char,
) -> i64 {
    tsan::asks();
    border(-1, || {
        let interrupter = handles::interrupter(interrupter)?;
        // SAFETY: the caller's promise.
        let text = unsafe { handles::text(text) };
        Ok(number(&interrupter.interrupt_with(CodeAndText { code, text })))
    })
}

fn number(request: &Request) -> i64 {
    request.id().map_or(0, |id| id as i64)
}

/// `EINTR_RAISED` ...
const RAISED: c_int = 1;
const FINISHED: c_int = 2;
const NOT_STARTED: c_int = 3;
const MASKED: c_int = 4;
const STUCK: c_int = 5;
const UNDELIVERABLE: c_int = 6;

/// Waits for what becomes of a request.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_wait(interrupter: u64, request: i64, milliseconds: c_int) -> c_int {
    border(-1, || {
        let interrupter = handles::interrupter(interrupter)?;
        let request = u64::try_from(request).ok().and_then(|id| interrupter.request(id));
        let request = request.ok_or(Errno(libc::EINVAL))?;
        Ok(match request.wait(handles::limit(milliseconds)?) {
            Outcome::Raised => RAISED,
            Outcome::Finished => FINISHED,
            Outcome::NotStarted => NOT_STARTED,
            Outcome::Masked(_) => MASKED,
            Outcome::Stuck(_) => STUCK,
            Outcome::Undeliverable(_) => UNDELIVERABLE,
        })
    })
}

/// Waits until the task has ended.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_wait_finished(interrupter: u64, milliseconds: c_int) -> c_int {
    done(|| {
        let interrupter = handles::interrupter(interrupter)?;
        let waited = interrupter.wait_finished(handles::limit(milliseconds)?);
        waited.map(|()| tsan::has_ended()).map_err(|_| Errno(libc::ETIMEDOUT))
    })
}

/// Whether the task has ended.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_is_finished(interrupter: u64) -> c_int {
    border(-1, || {
        let is_finished = handles::interrupter(interrupter)?.is_finished();
        if is_finished {
            tsan::has_ended();
        }
        Ok(is_finished.into())
    })
}

/// What the task was last handed.
///
/// # Safety
///
/// `reason` is null or room for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_raised(interrupter: u64, reason: *mut CReason) -> c_int {
    border(-1, || {
        let raised = handles::interrupter(interrupter)?.raised();
        // SAFETY: the caller's promise.
        Ok(unsafe { raise::hand_out(raised, reason) })
    })
}

/// Signals to the process interrupt the task.
///
/// # Safety
///
/// `signals` points to `count` numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_interrupt_on(
    interrupter: u64,
    signals: *const c_int,
    count: size_t,
) -> u64 {
    border(0, || {
        let interrupter = handles::interrupter(interrupter)?;
        if signals.is_null() || count > 64 {
            return Err(Errno(libc::EINVAL));
        }
        // SAFETY: the caller's promise.
        let signals = unsafe { std::slice::from_raw_parts(signals, count) };
        let registration = termination::interrupt_on(signals, interrupter)?;
        Ok(handles::keep(Held::Registration(Box::new(registration))))
    })
}

/// Gives the signals back.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_interrupt_off(registration: u64) -> c_int {
    done(|| handles::take(registration, |held| matches!(held, Held::Registration(_))))
}
