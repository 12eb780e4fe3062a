//! Deadlines leave nothing behind: no memory, no kernel timer, no descriptor.

use std::fs;
use std::thread;
use std::time::Duration;

use eintr::{remaining, timeout, within};
use test_support::allocations;
use test_support::child::alone;

use super::{HOUR, SHORT, Told, raised, read_in_vain};

/// The timers of this process; none where the kernel does not tell.
fn timers() -> Option<usize> {
    let timers = fs::read_to_string("/proc/self/timers").ok()?;
    Some(timers.lines().filter(|line| line.starts_with("ID:")).count())
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn assert_timers(expected: usize) {
    match timers() {
        Some(timers) => assert_eq!(timers, expected),
        None => println!("not counted: this kernel does not tell of timers"),
    }
}

#[test]
fn a_million_deadlines_one_after_the_other() {
    alone(|| {
        within(HOUR, || ());
        let before = (allocations::here(), descriptors());
        for i in 0..1_000_000_u64 {
            // Some earlier than what the timer stands at, so that it has to be set.
            let limit = HOUR - Duration::from_micros(i);
            assert_eq!(timeout(limit, || Ok::<_, Told>(i)), Ok(i));
        }
        assert_eq!((allocations::here(), descriptors()), before);
        assert_timers(1);
    });
}

fn nest(depth: u32, f: &mut dyn FnMut()) {
    match depth.checked_sub(1) {
        Some(depth) => within(HOUR - Duration::from_nanos(depth.into()), || nest(depth, f)).value,
        None => f(),
    }
}

#[test]
fn ten_thousand_deadlines_in_each_other() {
    alone(|| {
        let deep = thread::Builder::new().stack_size(1 << 28).spawn(|| {
            within(HOUR, || ());
            let before = allocations::here();
            nest(10_000, &mut || {
                assert!(remaining().unwrap() < HOUR);
                assert_timers(1);
                assert_eq!(timeout(SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
                assert_eq!(raised(), None);
            });
            assert_eq!(remaining(), None);
            assert_eq!(allocations::here(), before);
        });
        deep.unwrap().join().unwrap();
    });
}

/// A million in all, ten thousand of them at a time.
#[test]
fn a_million_deadlines_in_each_other() {
    alone(|| {
        let deep = thread::Builder::new().stack_size(1 << 28).spawn(|| {
            within(HOUR, || ());
            let before = (allocations::here(), descriptors());
            for _ in 0..100 {
                nest(10_000, &mut || assert_timers(1));
            }
            assert_eq!(remaining(), None);
            assert_eq!((allocations::here(), descriptors()), before);
        });
        deep.unwrap().join().unwrap();
    });
}

/// All of them have passed, and the outermost is found.
#[test]
fn ten_thousand_passed_deadlines_in_each_other() {
    alone(|| {
        let deep = thread::Builder::new().stack_size(1 << 28).spawn(|| {
            let told = timeout(SHORT, || {
                let mut found = None;
                nest(10_000, &mut || found = read_in_vain().err().map(Told::from));
                Err::<(), _>(found.unwrap())
            });
            assert_eq!(told, Err(Told::TimedOut));
        });
        deep.unwrap().join().unwrap();
    });
}

#[test]
fn threads_that_end_delete_their_timers() {
    alone(|| {
        for _ in 0..500 {
            let [short, long] =
                [SHORT / 100, HOUR].map(|limit| thread::spawn(move || within(limit, || ())));
            short.join().unwrap();
            long.join().unwrap();
        }
        // A thread is joined when it is about to end: the last ones' destructors may still run.
        if timers().is_some() {
            test_support::wait_until("the timers are deleted", || timers() == Some(0));
        }
    });
}

#[test]
fn raising_leaves_nothing() {
    alone(|| {
        let round = || {
            let told = timeout(Duration::ZERO, || Err::<(), _>(raised().unwrap()));
            assert_eq!(told, Err(Told::TimedOut));
        };
        round();
        let before = allocations::here();
        (0..1000).for_each(|_| round());
        assert_eq!(allocations::here(), before);
    });
}
