//! The monotonic clock as one number: nanoseconds, as deadlines and the handler compare them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::time;

/// A moment that does not come. So are all that lie beyond the kernel's own range, 292 years.
pub(crate) const NEVER: u64 = u64::MAX;

/// Now: no syscall where the system has a page for the clock.
#[inline]
pub(crate) fn now() -> u64 {
    time::now_nanos_by_libc()
}

/// The moment that is so long after another.
#[inline]
pub(crate) fn after(now: u64, duration: Duration) -> u64 {
    let nanoseconds = duration.as_secs().checked_mul(1_000_000_000);
    let nanoseconds = nanoseconds.and_then(|n| n.checked_add(duration.subsec_nanos().into()));
    let at = nanoseconds.and_then(|n| now.checked_add(n));
    at.filter(|at| *at <= i64::MAX as u64).unwrap_or(NEVER)
}

/// The moment of an [`Instant`]. The same instant is always the same moment, so that two deadlines
/// with one instant pass together.
pub(crate) fn of(instant: Instant) -> u64 {
    let (known, moment) = prepare();
    match instant.checked_duration_since(known) {
        Some(later) => after(moment, later),
        None => moment.saturating_sub(after(0, known.duration_since(instant))),
    }
}

/// A moment as of the last tick of the kernel's clock, 1 to 10 ms ago at most: read in a seventh of
/// the time, where an interrupt is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    pub(crate) fn now() -> Self {
        Self(time::last_tick_nanos())
    }

    /// How long ago that was, or up to a tick more.
    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_nanos(now().saturating_sub(self.0))
    }
}

/// Finds out once how the two clocks go together.
pub(super) fn prepare() -> (Instant, u64) {
    static PAIR: OnceLock<(Instant, u64)> = OnceLock::new();
    *PAIR.get_or_init(closest_pair)
}

/// An instant and its moment. std does not tell what is in an `Instant`, so both are read one after
/// the other; of several pairs that with the least time between is right to some 20 ns, and no
/// slice of the scheduler's is in it.
fn closest_pair() -> (Instant, u64) {
    let pair = || {
        let before = now();
        let instant = Instant::now();
        (now() - before, instant, before)
    };
    let (between, instant, before) = std::iter::repeat_with(pair)
        .take(64)
        .min_by_key(|(between, ..)| *between)
        .expect("64 are not none");
    (instant, before + between / 2)
}

/// What the kernel takes for a moment.
pub(super) fn timespec(moment: u64) -> libc::timespec {
    let [seconds, nanoseconds] = [moment / 1_000_000_000, moment % 1_000_000_000];
    libc::timespec { tv_sec: seconds as i64, tv_nsec: nanoseconds as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_is_never() {
        assert_eq!(after(0, Duration::MAX), NEVER);
        assert_eq!(after(1, Duration::from_nanos(i64::MAX as u64)), NEVER);
        assert_eq!(after(0, Duration::from_nanos(i64::MAX as u64)), i64::MAX as u64);
        assert_eq!(after(5, Duration::new(1, 7)), 1_000_000_012);
    }

    #[test]
    fn an_instant_has_one_moment() {
        let instant = Instant::now();
        let moment = of(instant);
        assert_eq!(moment, of(instant));
        assert_eq!(of(instant + Duration::from_secs(3)), moment + 3_000_000_000);
        assert_eq!(of(instant - Duration::from_millis(3)), moment - 3_000_000);
        // Both are read from one clock; the pair is right to far less than this, and the looks are
        // in order.
        let slack = 100_000;
        assert!(moment <= now() + slack, "an instant of the past is not in the future");
        let before = now();
        assert!(of(Instant::now()) + slack >= before);
    }

    #[test]
    fn a_moment_is_a_timespec() {
        let timespec = timespec(3_000_000_007);
        assert_eq!((timespec.tv_sec, timespec.tv_nsec), (3, 7));
    }
}
