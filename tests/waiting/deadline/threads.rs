//! Deadlines in threads of every kind: unmanaged ones, such as block all signals, and many at once.

use std::thread;

use eintr::{Task, timeout, within};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use test_support::{gettid, watched};

use super::{HOUR, SHORT, Told, raise_when_armed, read_in_vain};

fn in_time() {
    assert_eq!(timeout(SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
}

#[test]
fn in_an_unmanaged_thread() {
    watched("unmanaged", || thread::spawn(in_time).join().unwrap());
}

#[test]
fn in_a_managed_thread() {
    watched("managed", || eintr::spawn(in_time).join().unwrap());
}

/// A set of signals of the calling thread, as the kernel tells it.
pub fn signal_set(which: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/self/task/{}/status", gettid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

/// Runs in a thread that blocks all signals, and checks that it does so after, with none pending.
fn blocked(f: impl FnOnce() + Send) {
    let body = || {
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).unwrap();
        let mask = signal_set("SigBlk:");
        f();
        assert_eq!(signal_set("SigBlk:"), mask, "the mask is restored");
        assert_eq!(signal_set("SigPnd:"), 0, "nothing is left pending");
    };
    thread::scope(|scope| scope.spawn(body).join().unwrap());
}

#[test]
fn in_a_thread_that_blocks_all_signals() {
    watched("all blocked", || blocked(in_time));
}

/// The first one's timer stands still at an hour from now, and the second one's must not rely on
/// that: the signal is blocked again in between.
#[test]
fn again_and_again_in_a_thread_that_blocks_all_signals() {
    watched("all blocked, again", || {
        blocked(|| {
            for _ in 0..3 {
                within(HOUR, || ());
                within(SHORT, || ());
                assert_eq!(timeout(2 * SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
                within(HOUR, in_time);
            }
        });
    });
}

/// The task unblocks the signal for its time. What the deadline in it has set is of no use after.
#[test]
fn after_a_task_in_a_thread_that_blocks_all_signals() {
    watched("all blocked, a task", || {
        blocked(|| {
            Task::new().run(|| {
                within(SHORT, || ());
                in_time();
                within(SHORT, || ());
            });
            assert_eq!(timeout(2 * SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
            within(HOUR, || Task::new().run(in_time));
            in_time();
        });
    });
}

#[test]
fn without_time_in_a_thread_that_blocks_all_signals() {
    watched("all blocked, no time", || {
        blocked(|| {
            within(std::time::Duration::ZERO, || read_in_vain().unwrap_err());
            in_time();
        });
    });
}

#[test]
fn in_a_destructor_of_a_thread_local() {
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            in_time();
        }
    }
    thread_local!(static LAST: Last = const { Last });
    watched("a thread-local's destructor", || {
        thread::spawn(|| {
            LAST.with(|_| ());
            in_time();
        })
        .join()
        .unwrap();
    });
}

#[test]
fn in_many_threads_at_once() {
    watched("many threads", || {
        thread::scope(|scope| {
            for i in 0..64 {
                scope.spawn(move || {
                    for round in 0..20 {
                        let limit = SHORT * ((i + round) % 5) / 4;
                        let told = timeout(HOUR, || {
                            timeout(limit, || {
                                if round % 2 == 0 {
                                    Ok(read_in_vain()?)
                                } else {
                                    raise_when_armed().map(|()| 0)
                                }
                            })
                        });
                        assert_eq!(told, Err(Told::TimedOut));
                    }
                });
            }
        });
    });
}
