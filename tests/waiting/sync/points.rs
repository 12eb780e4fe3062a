//! Every wait, asked at every point.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eintr::{Interrupted, Interrupter, Reason, Task};
use test_support::signals::{STRAY, is_pending, send_stray};
use test_support::{gettid, wait_until, watched};

use super::cases::{Case, cases};
use super::wait_until_asleep;

/// Runs `test` on every case, new each time, in a task with reach and in one without.
fn each(name: &str, test: impl Fn(&Case, &dyn Fn() -> Task)) {
    for reach in [true, false] {
        for case in cases() {
            watched(&format!("{name}: {}, reach {reach}", case.name), || {
                test(&case, &|| Task::new().reach(reach));
            });
        }
    }
}

/// Runs the wait as a task on a thread of its own; once it sleeps, `then`. Its result.
fn beside(
    case: &Case,
    task: Task,
    body: impl FnOnce() -> Result<(), Interrupted> + Send,
    then: impl FnOnce(i32, &Interrupter),
) -> Result<(), Interrupted> {
    let interrupter = task.interrupter();
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let thread = scope.spawn(move || {
            tell.send(gettid()).unwrap();
            task.run(body)
        });
        let tid = told.recv().unwrap();
        wait_until_asleep(tid);
        then(tid, &interrupter);
        let result = thread.join().unwrap();
        assert!(interrupter.is_finished(), "{}", case.name);
        result
    })
}

/// The case is as it was: one `finish`, one wait.
fn assert_nothing_lost(case: &Case, task: Task) {
    (case.finish)();
    task.run(&case.wait).expect("nobody asked");
}

#[test]
fn an_interrupted_thread_does_not_begin() {
    each("asked before", |case, task| {
        let asked = task();
        asked.interrupter().interrupt();
        asked.run(&case.wait).expect_err(case.name);
        assert_nothing_lost(case, task());
    });
}

#[test]
fn what_is_ready_is_left_to_the_next() {
    each("asked before, ready", |case, task| {
        (case.finish)();
        let asked = task();
        asked.interrupter().interrupt();
        asked.run(&case.wait).expect_err(case.name);
        task().run(&case.wait).expect("nobody asked");
    });
}

#[test]
fn a_request_wakes_a_waiter() {
    each("asked while blocked", |case, task| {
        let interrupt = |_, interrupter: &Interrupter| drop(interrupter.interrupt());
        let error = beside(case, task(), &case.wait, interrupt).expect_err(case.name);
        assert!(matches!(error.reason(), Reason::Requested));
        assert_nothing_lost(case, task());
    });
}

#[test]
fn a_result_ends_the_wait() {
    each("finished while blocked", |case, task| {
        beside(case, task(), &case.wait, |_, _| (case.finish)()).expect("nobody asked");
    });
}

#[test]
fn a_mask_puts_it_off() {
    each("masked", |case, task| {
        let masked = || {
            eintr::mask(&case.wait)?;
            assert!(eintr::checkpoint().is_err(), "it was put off, not forgotten");
            Ok(())
        };
        let then = |tid, interrupter: &Interrupter| {
            interrupter.interrupt();
            wait_until_asleep(tid);
            (case.finish)();
        };
        beside(case, task(), masked, then).expect("it was masked");
    });
}

#[test]
fn a_root_task_inside_is_left_alone() {
    each("a stranger's job", |case, task| {
        let strangers = || Task::root().run(&case.wait);
        let then = |_, interrupter: &Interrupter| {
            interrupter.interrupt();
            (case.finish)();
        };
        beside(case, task(), strangers, then).expect("it was another that was asked");
    });
}

#[test]
fn stray_signals_do_not_matter() {
    each("disturbed", |case, task| {
        let then = |tid, _: &Interrupter| {
            for _ in 0..3 {
                wait_until_asleep(tid);
                send_stray(tid);
                wait_until("the stray signal is taken", || !is_pending(tid, STRAY));
            }
            wait_until_asleep(tid);
            (case.finish)();
        };
        beside(case, task(), &case.wait, then).expect("nobody asked");
    });
}

#[test]
fn a_deadline_ends_the_wait() {
    each("deadline", |case, task| {
        let timed = || eintr::timeout(Duration::from_millis(5), || Ok((case.wait)()?));
        let error: eintr::Error = task().run(timed).expect_err(case.name);
        let eintr::Error::Io(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_nothing_lost(case, task());
    });
}

#[test]
fn a_deadline_that_has_passed_is_seen_at_once() {
    each("passed deadline", |case, task| {
        let within = || eintr::within(Duration::ZERO, &case.wait);
        let error = task().run(within).value.expect_err(case.name);
        assert!(matches!(error.reason(), Reason::Deadline));
        assert_nothing_lost(case, task());
    });
}

#[test]
fn outside_of_a_task_it_is_a_plain_wait() {
    for case in cases() {
        watched(case.name, || {
            thread::scope(|scope| {
                let (tell, told) = mpsc::channel();
                let wait = &case.wait;
                let thread = scope.spawn(move || {
                    tell.send(gettid()).unwrap();
                    wait()
                });
                wait_until_asleep(told.recv().unwrap());
                (case.finish)();
                thread.join().unwrap().expect("nobody asks here");
            });
        });
    }
}

#[test]
fn a_swallowed_interrupt_is_raised_again() {
    each("swallowed", |case, task| {
        let twice = || {
            (case.wait)().expect_err(case.name);
            (case.wait)()
        };
        let interrupt = |_, interrupter: &Interrupter| drop(interrupter.interrupt());
        beside(case, task(), twice, interrupt).expect_err(case.name);
        let taken = || {
            (case.wait)().expect_err(case.name);
            eintr::take().expect("it was asked");
            (case.finish)();
            (case.wait)()
        };
        beside(case, task(), taken, interrupt).expect("it was taken");
    });
}
