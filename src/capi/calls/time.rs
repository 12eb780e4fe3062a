//! Sleeping, and the futex.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`super`]. A word to sleep on is read by the kernel, and by
//! nobody here.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint};
use std::time::Duration;

use libc::{clockid_t, timespec};

use super::{Errno, at_once, border, done, numbered, plain, span};
use crate::calls::Limit;
use crate::calls::time::nanosleep_until;
use crate::complete;
use crate::entry::futex_wait;
use crate::kernel::{Moment, futex, timespec_of};
use crate::thread::call;

/// nanosleep(2)
///
/// # Safety
///
/// As nanosleep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_nanosleep(time: *const timespec, left: *mut timespec) -> c_int {
    done(|| {
        // SAFETY: the caller's promise.
        let time = unsafe { span(time) }?.ok_or(Errno(libc::EFAULT))?;
        // SAFETY: the caller's promise.
        unsafe { slept(time, left) }
    })
}

/// clock_nanosleep(2): returns the error number.
///
/// # Safety
///
/// As clock_nanosleep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    time: *const timespec,
    left: *mut timespec,
) -> c_int {
    let sleep = || {
        let [clock_number, flag_bits] = [clock as usize, flags as usize];
        if flags & libc::TIMER_ABSTIME != 0 {
            let arguments = [clock_number, flag_bits, time as usize, 0];
            // SAFETY: the caller's promise.
            return unsafe { plain(libc::SYS_clock_nanosleep, arguments) }.map(drop);
        }
        // SAFETY: the caller's promise.
        let span = unsafe { span(time) }?.ok_or(Errno(libc::EFAULT))?;
        if matches!(clock, libc::CLOCK_MONOTONIC | libc::CLOCK_REALTIME) && flags == 0 {
            // By either clock a stretch of time is the same, whatever is set.
            // SAFETY: the caller's promise.
            return unsafe { slept(span, left) };
        }
        // Another clock's time cannot be told from ours: a signal ends it, as it does the plain
        // call.
        let arguments = [clock_number, flag_bits, time as usize, left as usize];
        // SAFETY: the caller's promise.
        at_once(unsafe { call(libc::SYS_clock_nanosleep, arguments) }).map(drop)
    };
    numbered(sleep)
}

/// usleep(3)
#[unsafe(no_mangle)]
pub extern "C" fn eintr_usleep(microseconds: c_uint) -> c_int {
    let time = Duration::from_micros(microseconds.into());
    // SAFETY: nobody asks what is left.
    done(|| unsafe { slept(time, std::ptr::null_mut()) })
}

/// # Safety
///
/// `left` is null or room for a time.
unsafe fn slept(time: Duration, left: *mut timespec) -> Result<(), Errno> {
    let limit = Limit::new(Some(time));
    let wake = Moment::in_time(time);
    let slept = complete(|| nanosleep_until(wake));
    if slept.is_err() && !left.is_null() {
        let remaining = limit.remaining().unwrap_or(time);
        // SAFETY: the caller's promise.
        unsafe { left.write(timespec_of(remaining)) };
    }
    Ok(slept?)
}

/// Sleeps while the word is what is expected.
///
/// # Safety
///
/// `word` is one, and `timeout` is null or a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_futex_wait(
    word: *const u32,
    expected: u32,
    timeout: *const timespec,
) -> c_int {
    done(|| {
        // SAFETY: the caller's promise; the words of Rust's atomics are C's.
        let word = unsafe { word.cast::<std::sync::atomic::AtomicU32>().as_ref() };
        let word = word.ok_or(Errno(libc::EFAULT))?;
        // SAFETY: the caller's promise.
        let until = unsafe { span(timeout) }?.map_or(Moment::NEVER, Moment::in_time);
        Ok(complete(|| futex_wait::wait_until(word, expected, until))?)
    })
}

/// Wakes up to `count` that sleep on the word.
///
/// # Safety
///
/// `word` is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_futex_wake(word: *const u32, count: c_int) -> c_int {
    border(-1, || {
        // SAFETY: the caller's promise; the words of Rust's atomics are C's.
        let word = unsafe { word.cast::<std::sync::atomic::AtomicU32>().as_ref() };
        let word = word.ok_or(Errno(libc::EFAULT))?;
        let count = u32::try_from(count).map_err(|_| Errno(libc::EINVAL))?;
        Ok(futex::wake(word, count) as c_int)
    })
}
