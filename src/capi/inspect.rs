//! What is told: reports, what works here, the version.
//!
//! # Safety
//!
//! An exported function relies on what `eintr.h` says of its pointers: null, or good for what is
//! written there.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::panic::Location;

use libc::{size_t, ssize_t};

use super::{Errno, border, handles};
use crate::dump;
use crate::entry::install::{self, Installed};
use crate::support::{Road, support};

/// `struct eintr_support`
#[repr(C)]
pub struct CSupport {
    signal: c_int,
    own_calls: c_int,
    reach: c_int,
}

/// `EINTR_ABSENT` ...
fn number(road: Road) -> c_int {
    match road {
        Road::Absent => 0,
        Road::SecondBest => 1,
        Road::Exact => 2,
    }
}

/// What works here.
///
/// # Safety
///
/// `out` is room for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_support(out: *mut CSupport) -> c_int {
    border(-1, || {
        if out.is_null() {
            return Err(Errno(libc::EINVAL));
        }
        let support = support();
        let [own_calls, reach] = [support.own_calls, support.reach].map(number);
        // SAFETY: the caller's promise.
        unsafe { out.write(CSupport { signal: support.signal.unwrap_or(0), own_calls, reach }) };
        Ok(0)
    })
}

/// Where a task is, as a line of text.
///
/// # Safety
///
/// `buffer` has room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_report(
    interrupter: u64,
    buffer: *mut c_char,
    size: size_t,
) -> ssize_t {
    border(-1, || {
        let report = handles::interrupter(interrupter)?.report().to_string();
        // SAFETY: the caller's promise.
        unsafe { write(&report, buffer, size) }
    })
}

/// Where all threads are, with the stacks of those that run a task.
///
/// # Safety
///
/// `buffer` has room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_dump(buffer: *mut c_char, size: size_t) -> ssize_t {
    border(-1, || {
        let dump = dump().to_string();
        // SAFETY: the caller's promise.
        unsafe { write(&dump, buffer, size) }
    })
}

/// As much of the text as fits, and a zero; the length that it has.
///
/// # Safety
///
/// `buffer` has room for `size` bytes.
unsafe fn write(text: &str, buffer: *mut c_char, size: size_t) -> Result<ssize_t, Errno> {
    if size > 0 {
        if buffer.is_null() {
            return Err(Errno(libc::EINVAL));
        }
        let length = text.len().min(size - 1);
        // SAFETY: there is room for so many bytes and one more.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr().cast(), length);
            buffer.add(length).write(0);
        }
    }
    Ok(text.len() as ssize_t)
}

/// Chooses the signal.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_install(signal: c_int) -> c_int {
    border(-1, || {
        if !(1..=libc::SIGRTMAX()).contains(&signal)
            || matches!(signal, libc::SIGKILL | libc::SIGSTOP)
        {
            return Err(Errno(libc::EINVAL));
        }
        let (Installed { signal, .. }, ours) = install::choose(signal, Location::caller());
        match signal {
            Ok(_) if ours => Ok(0),
            Err(number) if ours => Err(Errno(number)),
            _ => Err(Errno(libc::EBUSY)),
        }
    })
}

/// The version of the library.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
