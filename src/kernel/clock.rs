//! The monotonic clock.
//!
//! # Safety
//!
//! Each block has the kernel, or libc, write a time into a place of ours.

#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use libc::{c_int, clockid_t, timespec};

use super::syscall;

/// A moment of the monotonic clock, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// A moment that has passed.
    pub(crate) const LONG_AGO: Self = Self(1);
    /// A moment that does not come. So are all that lie beyond the kernel's own range, 292 years.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// Now: no syscall where the system has a page for the clock.
    #[inline]
    pub(crate) fn now() -> Self {
        Self::of_timespec(read(libc::clock_gettime, libc::CLOCK_MONOTONIC))
    }

    /// Now, by a raw syscall: libc makes one of its own where there is no such page, and with
    /// dispatch on and SIGSYS blocked that is death (S11). Async-signal-safe.
    pub(crate) fn now_in_handler() -> Self {
        let mut now = ZERO;
        let arguments = [libc::CLOCK_MONOTONIC as usize, &raw mut now as usize];
        // SAFETY: the kernel writes a time.
        let _ = unsafe { syscall(libc::SYS_clock_gettime, arguments) };
        Self::of_timespec(now)
    }

    /// The last tick of the kernel's clock, up to a [`tick`] ago: read in a seventh of the time,
    /// where an interrupt is on its way.
    #[inline]
    pub(crate) fn last_tick() -> Self {
        Self::of_timespec(read(libc::clock_gettime, libc::CLOCK_MONOTONIC_COARSE))
    }

    /// The moment that is so long after this one.
    #[inline]
    pub(crate) fn after(self, duration: Duration) -> Self {
        let at = nanoseconds(duration).and_then(|length| self.0.checked_add(length));
        at.filter(|at| *at <= i64::MAX as u64).map_or(Self::NEVER, Self)
    }

    /// The moment that is so long from now.
    #[inline]
    pub(crate) fn in_time(duration: Duration) -> Self {
        Self::now().after(duration)
    }

    /// The moment that is so long before this one. (Before one that does not come there is none.)
    pub(crate) fn before(self, duration: Duration) -> Self {
        match self {
            Self::NEVER => Self::NEVER,
            Self(at) => Self(at.saturating_sub(nanoseconds(duration).unwrap_or(u64::MAX))),
        }
    }

    /// The time from an earlier moment to this one; none if that one is later.
    #[inline]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// What the kernel takes for it.
    pub(crate) fn timespec(self) -> timespec {
        let [seconds, nanoseconds] = [self.0 / 1_000_000_000, self.0 % 1_000_000_000];
        timespec { tv_sec: seconds as i64, tv_nsec: nanoseconds as i64 }
    }

    /// The same, or nothing if it does not come.
    #[inline]
    pub(crate) fn ever(self) -> Option<timespec> {
        (self != Self::NEVER).then(|| self.timespec())
    }

    /// As a number.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    fn of_timespec(time: timespec) -> Self {
        Self(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}

/// The moment of an [`Instant`]. The same instant is always the same moment, so that two deadlines
/// with one instant pass together.
impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        let (known, moment) = prepare();
        match instant.checked_duration_since(known) {
            Some(later) => moment.after(later),
            None => moment.before(known.duration_since(instant)),
        }
    }
}

/// A moment that a handler and its thread both look at.
pub(crate) struct AtomicMoment(AtomicU64);

impl AtomicMoment {
    pub(crate) const fn new(Moment(at): Moment) -> Self {
        Self(AtomicU64::new(at))
    }

    #[inline]
    pub(crate) fn get(&self) -> Moment {
        Moment(self.0.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set(&self, Moment(at): Moment) {
        self.0.store(at, Ordering::Relaxed);
    }

    pub(crate) fn replace(&self, Moment(at): Moment) -> Moment {
        Moment(self.0.swap(at, Ordering::Relaxed))
    }
}

/// From one tick of the kernel's clock to the next.
pub(crate) fn tick() -> Duration {
    let tick = read(libc::clock_getres, libc::CLOCK_MONOTONIC_COARSE);
    Duration::new(tick.tv_sec as u64, tick.tv_nsec as u32)
}

/// How long the machine has been up, asleep or awake.
pub(crate) fn since_boot() -> Duration {
    let up = read(libc::clock_gettime, libc::CLOCK_BOOTTIME);
    Duration::new(up.tv_sec as u64, up.tv_nsec as u32)
}

/// The moment of the wall clock that is so long from now, or the last one that it can tell: for the
/// calls that know no other clock.
pub(crate) fn wall_clock_in(duration: Duration) -> timespec {
    let now = read(libc::clock_gettime, libc::CLOCK_REALTIME);
    let span = timespec_of(duration);
    let nanoseconds = now.tv_nsec + span.tv_nsec;
    let seconds = now.tv_sec.checked_add(span.tv_sec);
    match seconds.and_then(|seconds| seconds.checked_add(nanoseconds / 1_000_000_000)) {
        Some(tv_sec) => timespec { tv_sec, tv_nsec: nanoseconds % 1_000_000_000 },
        None => timespec { tv_sec: i64::MAX, tv_nsec: 0 },
    }
}

/// A length of time as the kernel takes it, or the longest.
pub(crate) fn timespec_of(duration: Duration) -> timespec {
    let tv_sec = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    timespec { tv_sec, tv_nsec: duration.subsec_nanos().into() }
}

/// Sleeps for a short time, whatever comes. Async-signal-safe.
pub(crate) fn pause(duration: Duration) {
    let until = Moment::now_in_handler().after(duration).timespec();
    let [clock, flags] = [libc::CLOCK_MONOTONIC as usize, libc::TIMER_ABSTIME as usize];
    let arguments = [clock, flags, &raw const until as usize, 0];
    // SAFETY: the kernel reads a time.
    while unsafe { syscall(libc::SYS_clock_nanosleep, arguments) } == Err(libc::EINTR) {}
}

/// Finds out once how this clock and std's go together.
pub(crate) fn prepare() -> (Instant, Moment) {
    static PAIR: OnceLock<(Instant, Moment)> = OnceLock::new();
    *PAIR.get_or_init(closest_pair)
}

/// An instant and its moment. std does not tell what is in an `Instant`, so both are read one after
/// the other; of several pairs that with the least time between is right to some 20 ns, and no
/// slice of the scheduler's is in it.
fn closest_pair() -> (Instant, Moment) {
    let pair = || {
        let before = Moment::now();
        let instant = Instant::now();
        (Moment::now().since(before), instant, before)
    };
    let (between, instant, before) = std::iter::repeat_with(pair)
        .take(64)
        .min_by_key(|(between, ..)| *between)
        .expect("64 are not none");
    (instant, before.after(between / 2))
}

#[inline]
fn nanoseconds(duration: Duration) -> Option<u64> {
    let seconds = duration.as_secs().checked_mul(1_000_000_000)?;
    seconds.checked_add(duration.subsec_nanos().into())
}

const ZERO: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

/// A function of libc's that tells something of a clock.
type Read = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;

#[inline]
fn read(read: Read, clock: clockid_t) -> timespec {
    let mut time = ZERO;
    // SAFETY: it writes a time; the clocks that are asked for here always exist.
    unsafe { read(clock, &mut time) };
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: Duration = Duration::from_nanos(i64::MAX as u64);

    #[test]
    fn an_overflow_is_never() {
        assert_eq!(Moment(0).after(Duration::MAX), Moment::NEVER);
        assert_eq!(Moment(1).after(LAST), Moment::NEVER);
        assert_eq!(Moment(0).after(LAST), Moment(i64::MAX as u64));
        assert_eq!(Moment(5).after(Duration::new(1, 7)), Moment(1_000_000_012));
        assert_eq!(Moment::NEVER.before(Duration::from_secs(1)), Moment::NEVER);
        assert_eq!(wall_clock_in(Duration::MAX).tv_sec, i64::MAX);
    }

    #[test]
    fn an_instant_has_one_moment() {
        let instant = Instant::now();
        let moment = Moment::from(instant);
        assert_eq!(moment, Moment::from(instant));
        let [later, earlier] = [Duration::from_secs(3), Duration::from_millis(3)];
        assert_eq!(Moment::from(instant + later), moment.after(later));
        assert_eq!(Moment::from(instant - earlier), moment.before(earlier));
        // Both are read from one clock; the pair is right to far less than this, and the looks are
        // in order.
        let slack = Duration::from_nanos(100_000);
        assert!(
            moment <= Moment::now().after(slack),
            "an instant of the past is not in the future"
        );
        let before = Moment::now();
        assert!(Moment::from(Instant::now()).after(slack) >= before);
    }

    #[test]
    fn a_moment_is_a_timespec() {
        let timespec = Moment(3_000_000_007).timespec();
        assert_eq!((timespec.tv_sec, timespec.tv_nsec), (3, 7));
    }
}
