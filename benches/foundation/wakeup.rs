//! From the request to the return of a thread that is stuck in read, against a bare `pthread_kill`
//! and EINTR.
//!
//! Both threads are on one CPU, where the figure is steady; across CPUs it is the scheduler's. The
//! clock is read right before the request, and right after the call has returned in the target. For
//! what its later plain calls need, a task with reach (as a managed thread is, unless told
//! otherwise) turns on dispatch there, and one without sets a timer.

use std::time::Duration;

use criterion::Criterion;

use crate::contest::{Way, hold};
use crate::stuck::{How, Stuck};
use crate::table::Table;

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    let everywhere = affinity();
    let here = only(current_cpu());
    set_affinity(&here);
    let stuck = Stuck::new(1).unwrap();
    let timed = |how, times| (0..times).map(|_| stuck.round(how).returned).sum();
    let mut group = criterion.benchmark_group("request_to_return");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(4));
    let ways = [
        Way("eintr", &mut |times| timed(How::Eintr, times)),
        Way("pthread_kill", &mut |times| timed(How::PthreadKill, times)),
        Way("eintr_with_reach", &mut |times| timed(How::EintrWithReach, times)),
    ];
    if let Some([ours, bare, reached]) = hold(&mut group, 1, ways) {
        table.times("request to return from read / pthread_kill", &ours, &bare, Some(1.1));
        table.times("the same in a task with reach / pthread_kill", &reached, &bare, Some(1.1));
    }
    set_affinity(&everywhere);
}

fn current_cpu() -> usize {
    // SAFETY: no arguments.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

fn only(cpu: usize) -> libc::cpu_set_t {
    // SAFETY: the set is plain bits, and the macro checks the index.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    }
}

/// The CPUs of the calling thread, and of the threads that it makes.
fn affinity() -> libc::cpu_set_t {
    // SAFETY: all bits are valid, and the kernel writes a set.
    unsafe {
        let mut set = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
        set
    }
}

fn set_affinity(set: &libc::cpu_set_t) {
    // SAFETY: the kernel reads a set.
    assert_eq!(unsafe { libc::sched_setaffinity(0, size_of_val(set), set) }, 0);
}
