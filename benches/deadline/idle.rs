//! Beginning and ending a deadline that does not pass: against a POSIX timer, set and stopped by
//! syscall; against a socket whose read timeout is set and taken back; and against tokio's timeout
//! around a future that is ready.

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use criterion::Criterion;
use eintr::TimedOut;
use eintr_benches::contest::{Way, hold};
use eintr_benches::table::Table;

use crate::timer::Timer;

/// Short enough for shots that come too early to have their part in the figure.
const LIMIT: Duration = Duration::from_secs(1);

fn timed(times: u64, mut deadline: impl FnMut(Duration)) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        deadline(black_box(LIMIT));
    }
    start.elapsed()
}

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    let timer = Timer::new(libc::SIGRTMIN()).unwrap();
    let (socket, _peer) = UnixStream::pair().unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = criterion.benchmark_group("idle_deadline");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let ways = [
        Way("eintr_timeout", &mut |times| {
            timed(times, |limit| {
                black_box(eintr::timeout(limit, || Ok::<_, TimedOut>(black_box(0_u8))).unwrap());
            })
        }),
        Way("eintr_within", &mut |times| {
            timed(times, |limit| assert!(!eintr::within(limit, || black_box(())).expired))
        }),
        Way("timer_settime", &mut |times| {
            timed(times, |limit| {
                timer.set(limit);
                black_box(());
                timer.set(Duration::ZERO);
            })
        }),
        Way("set_read_timeout", &mut |times| {
            timed(times, |limit| {
                socket.set_read_timeout(Some(limit)).unwrap();
                black_box(());
                socket.set_read_timeout(None).unwrap();
            })
        }),
        Way("tokio", &mut |times| {
            tokio.block_on(async {
                let start = Instant::now();
                for _ in 0..times {
                    let body = ready(Ok::<_, Infallible>(black_box(0_u8)));
                    let _ = tokio::time::timeout(black_box(LIMIT), body).await.unwrap();
                }
                start.elapsed()
            })
        }),
    ];
    if let Some([timeout, within, timer, socket, tokio]) = hold(&mut group, 512, ways) {
        table.times("timeout / timer_settime, twice", &timeout, &timer, Some(0.05));
        // Two looks at the clock, for it tells whether the time was up.
        table.times("within / timer_settime, twice", &within, &timer, None);
        table.times("timeout / set_read_timeout, twice", &timeout, &socket, None);
        table.times("timeout / tokio's around a ready future", &timeout, &tokio, None);
    }
}
