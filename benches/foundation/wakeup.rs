//! From the request to the return of a thread that is stuck in read, against a bare `pthread_kill`
//! and EINTR.
//!
//! Both threads are on one CPU, where the figure is steady; across CPUs it is the scheduler's. The
//! clock is read right before the request, and right after the call has returned in the target. For
//! what its later plain calls need, a task with reach (as a managed thread is, unless told
//! otherwise) turns on dispatch there, and one without sets a timer.

use std::time::Duration;

use criterion::Criterion;
use eintr_benches::contest::{Way, hold};
use eintr_benches::cpu::OneCpu;
use eintr_benches::table::Table;

use crate::stuck::{How, Stuck};

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    let _here = OneCpu::take();
    let stuck = Stuck::new(1).unwrap();
    let timed = |how, times| (0..times).map(|_| stuck.round(how).returned).sum();
    let mut group = criterion.benchmark_group("request_to_return");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(4));
    let ways = [
        Way("eintr", &mut |times| timed(How::Eintr, times)),
        Way("pthread_kill", &mut |times| timed(How::PthreadKill, times)),
        Way("eintr_with_reach", &mut |times| timed(How::EintrWithReach, times)),
        Way("std_with_reach", &mut |times| timed(How::Std, times)),
        Way("sync", &mut |times| timed(How::Waiter, times)),
    ];
    if let Some([ours, bare, reached, std, waiter]) = hold(&mut group, 1, ways) {
        table.times("request to return from read / pthread_kill", &ours, &bare, Some(1.1));
        table.times("the same in a task with reach / pthread_kill", &reached, &bare, Some(1.1));
        table.times("request to return from std's read / pthread_kill", &std, &bare, None);
        table.times("request to return of a waiter / pthread_kill", &waiter, &bare, None);
    }
}
