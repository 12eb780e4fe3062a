//! Deadlines among tasks: the outermost cause is raised first, and nothing is taken while a
//! deadline is armed.

use std::time::{Duration, Instant};

use eintr::{Task, task, timeout, within};
use test_support::{gettid, times_asleep, watched};

use super::{HOUR, SHORT, Told, raise_when_armed, raised, read_in_vain};

/// A task around a deadline around a task, with any of the three causes.
#[test]
fn the_outermost_cause_is_raised_first() {
    watched("the outermost cause is raised first", || {
        for causes in 0..8 {
            let [outer_asked, passed, inner_asked] = [1, 2, 4].map(|bit| causes & bit != 0);
            let (outer, outers) = task();
            let mut seen = None;
            let told = outer.run(|| {
                if outer_asked {
                    outers.interrupt_with("outer");
                }
                timeout(if passed { Duration::ZERO } else { HOUR }, || {
                    let inner = Task::new();
                    let inners = inner.interrupter();
                    inner.run(|| {
                        if inner_asked {
                            inners.interrupt_with("inner");
                        }
                        let raised = eintr::checkpoint();
                        seen = raised.as_ref().err().map(|raised| raised.to_string());
                        assert_eq!(outers.raised().is_some(), outer_asked);
                        let inner_is_first = inner_asked && !outer_asked && !passed;
                        assert_eq!(inners.raised().is_some(), inner_is_first);
                        Ok::<_, Told>(raised?)
                    })
                })
            });
            let (first, kept) = match (outer_asked, passed, inner_asked) {
                (true, _, _) => (Some("interrupted: outer"), Err(Told::Request)),
                (_, true, _) => (Some("deadline passed"), Err(Told::TimedOut)),
                (_, _, true) => (Some("interrupted: inner"), Err(Told::Request)),
                _ => (None, Ok(())),
            };
            assert_eq!((seen.as_deref(), told), (first, kept), "{causes:03b}");
            assert_eq!(raised(), None);
        }
    });
}

#[test]
fn a_request_from_outside_that_comes_after_the_raise_leaves_the_error_as_it_is() {
    let (task, interrupter) = task();
    let told = task.run(|| {
        timeout(Duration::ZERO, || {
            let raised = eintr::checkpoint();
            interrupter.interrupt();
            Ok::<_, Told>(raised?)
        })
    });
    assert_eq!(told, Err(Told::Deadline), "an outer cause stands");
}

#[test]
fn a_request_inside_that_has_ended_does_not_stand() {
    let told = timeout(Duration::ZERO, || {
        let (task, interrupter) = task();
        interrupter.interrupt();
        task.run(|| Err::<(), _>(raised().unwrap()))
    });
    assert_eq!(told, Err(Told::TimedOut));
}

#[test]
fn nothing_is_taken_while_a_deadline_is_armed() {
    let (outer, interrupter) = task();
    outer.run(|| {
        interrupter.interrupt();
        within(Duration::ZERO, || {
            assert!(eintr::take().is_none(), "the deadline is inside of the task");
            let inner = Task::new();
            let inner_one = inner.interrupter();
            inner_one.interrupt();
            inner.run(|| assert!(eintr::take().is_none(), "the deadline is outside of the task"));
            assert!(inner_one.raised().is_none());
        });
        assert!(eintr::take().is_some(), "the deadline has ended");
        assert_eq!(raised(), None);
    });
}

#[test]
fn a_deadline_that_has_not_passed_keeps_nobody_from_taking() {
    let (task, interrupter) = task();
    task.run(|| {
        within(HOUR, || {
            interrupter.interrupt();
            assert!(eintr::take().is_some());
            assert_eq!(raised(), None);
        });
    });
}

#[test]
fn a_root_task_hides_deadlines_and_a_nested_one_does_not() {
    within(Duration::ZERO, || {
        assert_eq!(Task::new().run(raised), Some(Told::Deadline));
        let root = Task::root();
        let interrupter = root.interrupter();
        root.run(|| {
            assert_eq!((raised(), eintr::remaining()), (None, None));
            assert_eq!(timeout(SHORT, raise_when_armed), Err(Told::TimedOut));
            assert_eq!(raised(), None, "the one inside has ended");
            interrupter.interrupt();
            assert_eq!(raised(), Some(Told::Request));
            assert!(eintr::take().is_some(), "a hidden deadline is not armed");
        });
        assert_eq!(raised(), Some(Told::Deadline));
    });
    assert_eq!(raised(), None);
}

/// What was made on another thread is a root here.
#[test]
fn a_strangers_job_is_not_armed() {
    let stranger = Task::new();
    std::thread::spawn(move || {
        within(Duration::ZERO, || {
            assert_eq!(stranger.run(raised), None);
            assert_eq!(raised(), Some(Told::Deadline));
        });
    })
    .join()
    .unwrap();
}

/// One who waits by deadlines, again and again, is not one who ignores errors.
#[test]
fn a_deadline_that_ends_ends_the_backoff() {
    watched("no back-off", || {
        let before = times_asleep(gettid());
        for _ in 0..1000 {
            assert_eq!(timeout(Duration::ZERO, || Ok(read_in_vain()?)), Err(Told::TimedOut));
        }
        // With back-off it sleeps for all but the first sixteen.
        let asleep = times_asleep(gettid()) - before;
        assert!(asleep < 500, "{asleep} times");
    });
}

#[test]
fn errors_that_are_ignored_are_backed_off_from() {
    watched("back-off", || {
        let start = Instant::now();
        within(Duration::ZERO, || (0..40).for_each(|_| drop(read_in_vain().unwrap_err())));
        // 16 free ones, 1 us doubling to 8 ms, then 10 ms each.
        assert!(start.elapsed() > Duration::from_millis(100), "{:?}", start.elapsed());
    });
}

/// The next thread often gets the place of the one that has ended: its stack, and its thread-locals
/// at the same address.
#[test]
fn a_task_of_a_thread_that_has_ended_is_nobodys_child() {
    for _ in 0..16 {
        let (task, _) = std::thread::spawn(eintr::task).join().unwrap();
        let elsewhere = std::thread::spawn(|| within(Duration::ZERO, || task.run(raised)).value);
        assert_eq!(elsewhere.join().unwrap(), None);
    }
}
