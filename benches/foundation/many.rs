//! Interrupting very many stuck threads, against a loop of bare `pthread_kill`s: how long the requester
//! is at it, and how long until the last read has returned. In tasks without reach, and in tasks with
//! it, as managed threads are.

use std::cell::RefCell;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use eintr_benches::contest::{Way, hold};
use eintr_benches::table::Table;

use crate::stuck::{How, Stuck};

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    for (count, seconds) in [(1_000, 8), (10_000, 20)] {
        // Made by the first round: not if the command line chooses something else.
        let stuck = std::cell::OnceCell::new();
        let asked = RefCell::new([const { Vec::new() }; 3]);
        let timed = |how: How, times| {
            let stuck = stuck.get_or_init(|| Stuck::new(count).unwrap());
            let one = || {
                let round = stuck.round(how);
                asked.borrow_mut()[how as usize].push(round.asked.as_nanos() as f64);
                round.returned
            };
            (0..times).map(|_| one()).sum()
        };
        let mut group = criterion.benchmark_group(format!("interrupt_{count}"));
        group.sampling_mode(SamplingMode::Flat).sample_size(10);
        group.warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(seconds) / 2);
        let ways = [
            Way("eintr", &mut |times| timed(How::Eintr, times)),
            Way("eintr_with_reach", &mut |times| timed(How::EintrWithReach, times)),
            Way("pthread_kill", &mut |times| timed(How::PthreadKill, times)),
        ];
        if let Some([ours, reached, bare]) = hold(&mut group, 1, ways) {
            let [ours_asked, reached_asked, bare_asked] = asked.take();
            let what = |part| format!("interrupting {count} threads, {part} / pthread_kill");
            table.times(&what("asking"), &ours_asked, &bare_asked, Some(1.2));
            table.times(&what("until all returned"), &ours, &bare, Some(1.2));
            let what =
                |part| format!("interrupting {count} threads with reach, {part} / pthread_kill");
            table.times(&what("asking"), &reached_asked, &bare_asked, Some(1.2));
            table.times(&what("until all returned"), &reached, &bare, Some(1.2));
        }
    }
}
