//! A checkpoint, against a plain thread-local and against the usual stop flag.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};
use std::time::{Duration, Instant};

use criterion::Criterion;
use eintr_benches::contest::{Way, hold};
use eintr_benches::table::Table;

const UNROLLED: u64 = 16;

/// Times a look, again and again: 16 to a turn of the loop, so that the look is timed and not the
/// loop. The fences are for the compiler, which would otherwise look at a plain variable once and
/// for all.
macro_rules! looks {
    ($times:expr, $look:expr) => {{
        let start = Instant::now();
        for _ in 0..$times / UNROLLED {
            looks!(@4 looks!(@4 { $look; compiler_fence(Ordering::SeqCst) }));
        }
        start.elapsed()
    }};
    (@4 $body:expr) => {{ $body; $body; $body; $body }};
}

thread_local! {
    static STOP: Cell<u32> = const { Cell::new(0) };
}

#[inline(never)]
fn ours(times: u64) -> Result<Duration, eintr::Interrupted> {
    Ok(looks!(times, eintr::checkpoint()?))
}

#[inline(never)]
fn thread_local(times: u64) -> Option<Duration> {
    Some(looks!(
        times,
        if STOP.with(Cell::get) != 0 {
            return None;
        }
    ))
}

#[inline(never)]
fn shared_flag(flag: &Arc<AtomicBool>, times: u64) -> Option<Duration> {
    Some(looks!(
        times,
        if flag.load(Ordering::Relaxed) {
            return None;
        }
    ))
}

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    // The compiler must not know that nobody writes to it.
    STOP.with(|stop| black_box(stop).set(0));
    let flag = black_box(Arc::new(AtomicBool::new(false)));
    let mut group = criterion.benchmark_group("checkpoint");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let ways = [
        Way("eintr", &mut |times| ours(times).unwrap()),
        Way("thread_local", &mut |times| thread_local(times).unwrap()),
        Way("arc_atomic_bool", &mut |times| shared_flag(&flag, times).unwrap()),
    ];
    let task = eintr::Task::root();
    if let Some([ours, thread_local, flag]) = task.run(|| hold(&mut group, 256 * 1024, ways)) {
        table.times("checkpoint / thread-local load and branch", &ours, &thread_local, Some(1.1));
        table.times("checkpoint / AtomicBool behind an Arc", &ours, &flag, None);
    }
}
