//! The clock, and sleeping by it.
//!
//! # Safety
//!
//! Each block hands the kernel a time of its caller's.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use super::call::{Outcome, call};
use super::raw::syscall;

/// A moment of the monotonic clock, as the kernel takes it.
pub(crate) struct Moment(libc::timespec);

impl Moment {
    /// Where the kernel finds it.
    pub(super) fn address(&self) -> usize {
        &raw const self.0 as usize
    }
}

/// The moment of an [`Instant`].
pub(crate) fn at(instant: Instant) -> Moment {
    after(instant.saturating_duration_since(Instant::now()))
}

/// The moment that is `duration` from now, or the last one that the clock can tell.
pub(crate) fn after(duration: Duration) -> Moment {
    from_now(libc::CLOCK_MONOTONIC, duration)
}

/// The same on the wall clock, for the calls that know no other.
pub(super) fn wall_clock_after(duration: Duration) -> Moment {
    from_now(libc::CLOCK_REALTIME, duration)
}

fn from_now(clock: libc::clockid_t, duration: Duration) -> Moment {
    let now = now(clock);
    let nanoseconds = now.tv_nsec + libc::c_long::from(duration.subsec_nanos() as i32);
    let carry = nanoseconds / 1_000_000_000;
    let seconds = i64::try_from(duration.as_secs())
        .ok()
        .and_then(|seconds| now.tv_sec.checked_add(seconds))
        .and_then(|seconds| seconds.checked_add(carry));
    Moment(match seconds {
        Some(tv_sec) => libc::timespec { tv_sec, tv_nsec: nanoseconds % 1_000_000_000 },
        None => libc::timespec { tv_sec: i64::MAX, tv_nsec: 0 },
    })
}

fn now(clock: libc::clockid_t) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours to write; both clocks always exist.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now
}

/// A length of time as the kernel takes it.
pub(super) fn span(duration: Duration) -> libc::timespec {
    let tv_sec = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    libc::timespec { tv_sec, tv_nsec: libc::c_long::from(duration.subsec_nanos() as i32) }
}

/// Now, in nanoseconds of the monotonic clock, from a handler. By a raw syscall: libc's makes one
/// of its own where the clock cannot be read without, and with dispatch on and SIGSYS blocked that
/// is death (S11).
pub(super) fn now_nanos() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes a time.
    let _ = unsafe {
        syscall(libc::SYS_clock_gettime, [libc::CLOCK_MONOTONIC as usize, &raw mut now as usize])
    };
    nanos(now)
}

/// The same as of the last tick.
pub(super) fn last_tick_nanos() -> u64 {
    nanos(now(libc::CLOCK_MONOTONIC_COARSE))
}

/// The same in a tenth of the time, for where dispatch is off.
pub(super) fn now_nanos_by_libc() -> u64 {
    nanos(now(libc::CLOCK_MONOTONIC))
}

fn nanos(time: libc::timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub(crate) fn sleep_until(moment: &Moment) -> Outcome<()> {
    let [clock, flags] = [libc::CLOCK_MONOTONIC as usize, libc::TIMER_ABSTIME as usize];
    // SAFETY: the kernel reads a timespec that is borrowed.
    unsafe { call(libc::SYS_clock_nanosleep, [clock, flags, moment.address(), 0]) }.map(drop)
}

/// Sleeps for a short time, whatever comes. Async-signal-safe.
pub(crate) fn pause(duration: Duration) {
    let nanoseconds = now_nanos() + duration.as_nanos() as u64;
    let moment = Moment(libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as libc::c_long,
    });
    let [clock, flags] = [libc::CLOCK_MONOTONIC as usize, libc::TIMER_ABSTIME as usize];
    let arguments = [clock, flags, moment.address(), 0];
    // SAFETY: the kernel reads a timespec that is borrowed.
    while unsafe { syscall(libc::SYS_clock_nanosleep, arguments) } == Err(libc::EINTR) {}
}
