//! A pool's job in a context, against the job alone: boxed, sent through a channel, received and called. No other thread
//! takes part: a switch of threads costs ten times all of this.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use eintr_benches::contest::{Way, hold};
use eintr_benches::table::Table;

type Job = Box<dyn FnOnce() + Send>;

/// So many jobs, one after the other.
fn jobs(times: u64, make: impl Fn() -> Job) -> Duration {
    let (send, queue) = crossbeam_channel::unbounded::<Job>();
    let start = Instant::now();
    for _ in 0..times {
        send.send(make()).unwrap();
        queue.recv().unwrap()();
    }
    start.elapsed()
}

fn work() {
    black_box(());
}

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    let mut group = criterion.benchmark_group("context");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    eintr::Task::root().run(|| {
        let context = eintr::context();
        let carried = || -> Job {
            let context = context.clone();
            Box::new(move || context.run(work))
        };
        let own = || -> Job {
            let context = eintr::context();
            Box::new(move || context.run(work))
        };
        let ways = [
            Way("alone", &mut |times| jobs(times, || Box::new(work))),
            Way("carried", &mut |times| jobs(times, carried)),
            Way("own", &mut |times| jobs(times, own)),
        ];
        if let Some([alone, carried, own]) = hold(&mut group, 1024, ways) {
            table.times("a pool's job in a context / the job alone", &carried, &alone, None);
            table.times("a pool's job in a context of its own / the job alone", &own, &alone, None);
        }
    });
}
