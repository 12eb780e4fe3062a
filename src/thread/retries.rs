//! The call that a thread makes again and again, though it is cut short each time: what a report
//! shows of a loop that swallows its errors, or sleeps and looks. Where the thread is found is our
//! own pause, as a rule.
//!
//! Such a loop may make several calls in turns, an accept and a sleep. The one that is shown stays
//! the same as long as it comes back, so that a report says the same at whatever moment it is
//! asked. A sleep makes room for any other call, which says more.
//!
//! Written by the thread itself and its handlers, read by reporters. Each word is right by itself; a
//! reporter that comes between two stores tells the count of the row before.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use libc::c_long;

use crate::kernel::clock::{AtomicMoment, Moment};

pub(crate) struct Retries {
    /// The call that is about to be cut short, and when that is.
    asked: AtomicU64,
    asked_at: AtomicMoment,
    /// The one that is shown.
    shown: AtomicU64,
    count: AtomicU32,
    since: AtomicMoment,
    last: AtomicMoment,
    /// How many others came since it did, and how often it had another descriptor.
    others: AtomicU32,
    other_descriptors: AtomicU32,
}

/// A call that was cut short again and again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retried {
    pub(crate) call: Call,
    /// How often in a row.
    pub(crate) count: u32,
    /// The one that was cut short last.
    pub(crate) last_call: Call,
    /// When it was first, and last.
    pub(crate) since: Moment,
    pub(crate) last: Moment,
}

/// A syscall, and its first argument: the descriptor or the child; or the first descriptor that is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) number: c_long,
    pub(crate) about: i32,
    /// Whether it was one of ours.
    pub(crate) is_own: bool,
}

/// So many others, and a call does not come back.
const OTHERS: u32 = 16;

impl Retries {
    pub(super) const fn new() -> Self {
        let [asked, shown] = [const { AtomicU64::new(0) }; 2];
        let [count, others, other_descriptors] = [const { AtomicU32::new(0) }; 3];
        let [asked_at, since, last] = [const { AtomicMoment::new(Moment::LONG_AGO) }; 3];
        Self { asked, asked_at, shown, count, since, last, others, other_descriptors }
    }

    /// That call is about to be cut short. Async-signal-safe.
    pub(crate) fn ask(&self, call: Call, now: Moment) {
        self.asked.store(call.packed(), Relaxed);
        self.asked_at.set(now);
    }

    /// It is, as the first of a row or not.
    pub(super) fn count(&self, is_first: bool) {
        let [asked, shown] = [&self.asked, &self.shown].map(|call| call.load(Relaxed));
        let [asked_call, shown_call] = [asked, shown].map(Call::of);
        self.last.set(self.asked_at.get());
        if !is_first && asked_call.number == shown_call.number {
            self.count.fetch_add(1, Relaxed);
            self.others.store(0, Relaxed);
            if asked == shown {
                self.other_descriptors.store(0, Relaxed);
            } else if self.other_descriptors.fetch_add(1, Relaxed) >= OTHERS {
                self.show(asked);
            }
        } else if is_first
            || shown_call.is_sleep() && !asked_call.is_sleep()
            || self.others.fetch_add(1, Relaxed) >= OTHERS
        {
            self.count.store(1, Relaxed);
            self.since.set(self.asked_at.get());
            self.show(asked);
        }
    }

    fn show(&self, call: u64) {
        self.others.store(0, Relaxed);
        self.other_descriptors.store(0, Relaxed);
        self.shown.store(call, Relaxed);
    }

    /// Whether that is the call that is shown.
    pub(super) fn shows(&self, number: c_long) -> bool {
        Call::of(self.shown.load(Relaxed)).number == number
    }

    pub(super) fn look(&self) -> Retried {
        Retried {
            call: Call::of(self.shown.load(Relaxed)),
            count: self.count.load(Relaxed),
            last_call: Call::of(self.asked.load(Relaxed)),
            since: self.since.get(),
            last: self.last.get(),
        }
    }
}

impl Call {
    /// One of the program's.
    pub(crate) fn plain(number: c_long, about: usize) -> Self {
        Self { number, about: about as i32, is_own: false }
    }

    fn packed(self) -> u64 {
        u64::from(self.is_own) << 63 | (self.number as u64) << 32 | u64::from(self.about as u32)
    }

    fn of(packed: u64) -> Self {
        let number = (packed << 1 >> 33) as c_long;
        Self { number, about: packed as i32, is_own: packed >> 63 != 0 }
    }

    pub(crate) fn is_sleep(self) -> bool {
        matches!(self.number, libc::SYS_nanosleep | libc::SYS_clock_nanosleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: c_long = libc::SYS_read;
    const SLEEP: c_long = libc::SYS_clock_nanosleep;

    /// What is shown after each of these calls, and how often it was cut short.
    fn shown(calls: impl IntoIterator<Item = (c_long, usize)>) -> Vec<(c_long, i32, u32)> {
        let retries = Retries::new();
        let mut is_first = true;
        let each = |(number, first)| {
            retries.ask(Call::plain(number, first), Moment::LONG_AGO);
            retries.count(std::mem::take(&mut is_first));
            let Retried { call, count, .. } = retries.look();
            (call.number, call.about, count)
        };
        calls.into_iter().map(each).collect()
    }

    #[test]
    fn a_call_is_shown_as_long_as_it_comes_back() {
        let in_turns = [(READ, 3), (SLEEP, 0), (READ, 4)].into_iter().cycle().take(300);
        for (round, shown) in shown(in_turns).chunks(3).enumerate() {
            assert!(shown.iter().all(|shown| (shown.0, shown.1) == (READ, 3)), "{shown:?}");
            assert_eq!(shown[2].2, 2 * round as u32 + 2);
        }
    }

    #[test]
    fn a_sleep_makes_room_and_what_does_not_come_back_does() {
        assert_eq!(shown([(SLEEP, 0), (SLEEP, 0), (READ, 3)])[1..], [(SLEEP, 0, 2), (READ, 3, 1)]);
        let left = [(READ, 3)].into_iter().chain([(SLEEP, 0); 20]);
        assert_eq!(shown(left).last(), Some(&(SLEEP, 0, 4)));
        let renamed = [(READ, 3)].into_iter().chain([(READ, 4), (SLEEP, 0)].repeat(20));
        assert_eq!(shown(renamed).last(), Some(&(READ, 4, 21)));
        let other = [(READ, 3)].into_iter().chain([(READ, 4); 20]);
        assert_eq!(shown(other).last(), Some(&(READ, 4, 21)));
    }
}
