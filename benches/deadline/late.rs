//! From the moment of a deadline to the return of a thread that waits in read, against the same
//! with a bare `timer_settime`, an empty handler and EINTR.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use criterion::Criterion;
use eintr_benches::contest::{Way, hold};
use eintr_benches::table::Table;

use crate::timer::{Timer, now};

/// How far ahead the deadlines are: long enough for the thread to sleep.
const AHEAD: Duration = Duration::from_millis(1);

pub fn eintr_is_late_by(reader: &File) -> Duration {
    let deadline = Instant::now() + AHEAD;
    let told =
        eintr::timeout_at(deadline, || Ok::<_, io::Error>(eintr::io::read(reader, &mut [0])?));
    let late = deadline.elapsed();
    assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
    late
}

/// A timer of one's own, and another one that comes to the rescue: what the first one sends is lost
/// if it comes before the call has begun.
pub struct Timers {
    timer: Timer,
    rescue: Timer,
}

impl Timers {
    pub fn new() -> Self {
        let timer = || Timer::new(libc::SIGRTMIN()).unwrap();
        Self { timer: timer(), rescue: timer() }
    }

    pub fn are_late_by(&self, reader: &File) -> Duration {
        let mut byte = [0_u8];
        self.rescue.set(100 * AHEAD);
        let moment = now() + AHEAD;
        self.timer.set_at(moment);
        // SAFETY: the kernel writes at most one byte, which is borrowed.
        let result = unsafe { libc::read(reader.as_raw_fd(), byte.as_mut_ptr().cast(), 1) };
        let late = now() - moment;
        assert_eq!((result, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EINTR)));
        self.rescue.set(Duration::ZERO);
        late
    }
}

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    let timers = Timers::new();
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    let reader = File::from(reader);
    let sum = |late: &dyn Fn() -> Duration, times| (0..times).map(|_| late()).sum();
    let mut group = criterion.benchmark_group("lateness");
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));
    let ways = [
        Way("eintr", &mut |times| {
            eintr::without_reach(|| sum(&|| eintr_is_late_by(&reader), times))
        }),
        Way("eintr_reached", &mut |times| {
            eintr::reach(|| sum(&|| eintr_is_late_by(&reader), times))
        }),
        Way("timer_settime", &mut |times| sum(&|| timers.are_late_by(&reader), times)),
    ];
    if let Some([ours, reached, bare]) = hold(&mut group, 1, ways) {
        table.times("lateness, without reach / timer_settime's", &ours, &bare, Some(1.2));
        table.times("lateness, with reach / timer_settime's", &reached, &bare, Some(1.2));
    }
}
