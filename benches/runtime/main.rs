//! How long it takes to drop a runtime of tokio's whose blocking jobs are all stuck in std's `read`: by `eintr-tokio`, which
//! interrupts them, against tokio's own jobs where the peer is so kind as to close. (It need not be; then tokio's drop
//! never returns.)
//!
//! `cargo bench -p eintr-benches --bench runtime`

use std::io::{PipeReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};
use eintr_benches::contest::{Way, hold};
use eintr_benches::table::Table;
use tokio::runtime::Builder;

const JOBS: usize = 1_000;

type Job = Box<dyn FnOnce() + Send>;

fn drop_runtime(spawn: fn(Job), peer_closes: bool) -> Duration {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).max_blocking_threads(JOBS).build().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let begun = Arc::new(AtomicUsize::new(0));
    let in_it = runtime.enter();
    for _ in 0..JOBS {
        let (begun, mut reader): (_, PipeReader) = (begun.clone(), reader.try_clone().unwrap());
        spawn(Box::new(move || {
            begun.fetch_add(1, SeqCst);
            let _ = reader.read(&mut [0]);
        }));
    }
    drop(in_it);
    while begun.load(SeqCst) < JOBS {
        thread::yield_now();
    }
    // Most of them sleep by then.
    thread::sleep(Duration::from_millis(20));
    let start = Instant::now();
    let _writer = (!peer_closes).then_some(writer);
    drop(runtime);
    start.elapsed()
}

fn bench(criterion: &mut Criterion, table: &mut Table) {
    let mut group = criterion.benchmark_group("runtime");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let ours = |job| drop(eintr_tokio::spawn_blocking(job));
    let tokios = |job| drop(tokio::task::spawn_blocking(job));
    let timed =
        |times, spawn: fn(Job), closes| (0..times).map(|_| drop_runtime(spawn, closes)).sum();
    let ways = [
        Way("eintr_tokio", &mut |times| timed(times, ours, false)),
        Way("peer_closes", &mut |times| timed(times, tokios, true)),
    ];
    if let Some([ours, theirs]) = hold(&mut group, 1, ways) {
        table.times(
            "drop of a runtime with 1000 stuck jobs / their peer closes",
            &ours,
            &theirs,
            None,
        );
    }
}

fn main() {
    eintr_benches::run(&[bench], &[]);
}
