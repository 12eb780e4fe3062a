//! Sleeping by the clock.
//!
//! # Safety
//!
//! The kernel is handed a time of the function's own.

#![allow(unsafe_code)]

use crate::kernel::clock::Moment;
use crate::thread::{Outcome, call};

pub(crate) fn sleep_until(moment: Moment) -> Outcome<()> {
    let until = moment.timespec();
    let [clock, flags] = [libc::CLOCK_MONOTONIC as usize, libc::TIMER_ABSTIME as usize];
    let arguments = [clock, flags, &raw const until as usize, 0];
    // SAFETY: the kernel reads a timespec that is ours.
    unsafe { call(libc::SYS_clock_nanosleep, arguments) }.map(drop)
}
