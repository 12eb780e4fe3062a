//! Back-off (DESIGN §5): a loop that ignores its errors does not burn a core, and one that heeds
//! them is not slowed down.
//!
//! The tests here work like this: they measure times that are at least so long, whatever the load;
//! and where something is to be quick, the kernel tells that the thread has not gone to sleep.

use std::time::{Duration, Instant};

use eintr::{Interrupter, checkpoint, take, task};
use test_support::target::{is_interrupt, own_read, pipe};
use test_support::{emulated, gettid, times_asleep, watched};

/// Runs `f` as a task that it may interrupt.
fn with_task<T>(f: impl FnOnce(&Interrupter) -> T) -> T {
    let (task, interrupter) = task();
    task.run(|| f(&interrupter))
}

/// The processor time of this thread.
fn cpu_time() -> Duration {
    // SAFETY: all bytes zero are a valid usage, which is borrowed.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &mut usage), 0);
        usage
    };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

#[test]
fn ignored_errors_are_slowed_down() {
    watched("ignored_errors_are_slowed_down", || {
        let (reader, _writer) = pipe();
        with_task(|interrupter| {
            interrupter.interrupt();
            let (start, cpu) = (Instant::now(), cpu_time());
            for _ in 0..40 {
                assert!(is_interrupt(&own_read(&reader)));
            }
            let (took, cpu) = (start.elapsed(), cpu_time() - cpu);
            assert_eq!(interrupter.report().raised, 40);
            // Sixteen go free, then come 1 us, 2 us ... 8192 us, and ten of 10 ms.
            let least = Duration::from_micros((1 << 14) - 1) + 10 * Duration::from_millis(10);
            assert!(took >= least, "{took:?} is less than {least:?}");
            assert!(emulated() || cpu < took / 2, "{cpu:?} on the processor, of {took:?}");
        });
    });
}

#[test]
fn no_backoff_after_a_checkpoint_or_take() {
    watched("no_backoff_after_a_checkpoint_or_take", || {
        let (reader, _writer) = pipe();
        with_task(|interrupter| {
            let errors = |checked: &dyn Fn()| {
                let before = times_asleep(gettid());
                for _ in 0..500 {
                    interrupter.interrupt();
                    assert!(is_interrupt(&own_read(&reader)));
                    checked();
                }
                times_asleep(gettid()) - before
            };
            // With back-off it sleeps for all but the first sixteen.
            let with_checkpoint = errors(&|| assert!(checkpoint().is_err()));
            let with_take = errors(&|| assert!(take().is_some()));
            assert!(with_checkpoint < 250 && with_take < 250, "{with_checkpoint} {with_take}");
        });
    });
}

#[test]
fn the_backoff_does_not_hold_up_the_end() {
    watched("the_backoff_does_not_hold_up_the_end", || {
        let (reader, _writer) = pipe();
        // A new task on the same thread starts without back-off.
        let before = times_asleep(gettid());
        for _ in 0..30 {
            with_task(|interrupter| {
                interrupter.interrupt();
                for _ in 0..16 {
                    assert!(is_interrupt(&own_read(&reader)));
                }
            });
        }
        let asleep = times_asleep(gettid()) - before;
        assert!(asleep < 250, "{asleep} times");
    });
}
