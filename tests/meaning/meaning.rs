//! The rules of meaning (DESIGN §5): what is raised when, what takes it, who belongs to whom.
//!
//! The tests here work like this: most need one thread only, for a task may ask itself; the word is
//! set at once. Where threads meet, they hand each other what they need by channels.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eintr::{Interrupter, Outcome, Request, Task, checkpoint, is_interrupted, mask, take, task};
use test_support::target::{is_interrupt, own_read, pipe, raised, target};
use test_support::{LIMIT, wait_until, wait_until_blocked, watched};

/// Runs `f` as a task that it may interrupt.
fn with_task<T>(f: impl FnOnce(&Interrupter) -> T) -> T {
    let (task, interrupter) = task();
    task.run(|| f(&interrupter))
}

/// What is taken, as text; empty for nothing.
fn taken() -> String {
    take().map(|interrupted| interrupted.to_string()).unwrap_or_default()
}

// Level-triggered.

#[test]
fn a_cause_is_raised_until_it_is_taken() {
    watched("a_cause_is_raised_until_it_is_taken", || {
        let (reader, writer) = pipe();
        with_task(|interrupter| {
            interrupter.interrupt();
            for _ in 0..3 {
                assert!(is_interrupted());
                assert!(checkpoint().is_err());
                assert!(is_interrupt(&own_read(&reader)));
                assert!(is_interrupt(&eintr::io::write(&writer, b"x")));
                assert!(is_interrupt(&eintr::time::sleep(Duration::MAX)));
            }
            assert!(take().is_some());
            assert!(!is_interrupted() && checkpoint().is_ok() && take().is_none());
            eintr::io::write(&writer, b"y").unwrap();
            assert_eq!(own_read(&reader).unwrap(), b'y');
        });
    });
}

#[test]
fn a_cause_ends_with_its_task() {
    let (request, interrupter) = with_task(|interrupter| {
        with_task(|inner| {
            inner.interrupt();
            assert!(checkpoint().is_err());
        });
        assert!(checkpoint().is_ok());
        (interrupter.interrupt(), interrupter.clone())
    });
    assert!(checkpoint().is_ok() && !is_interrupted());
    assert!(matches!(request.wait(Duration::ZERO), Outcome::Finished));
    assert!(matches!(interrupter.interrupt().wait(Duration::MAX), Outcome::Finished));
}

#[test]
fn what_is_ready_is_not_taken_by_an_interrupt() {
    watched("what_is_ready_is_not_taken_by_an_interrupt", || {
        let (reader, writer) = pipe();
        nix::unistd::write(&writer, b"x").unwrap();
        with_task(|interrupter| {
            interrupter.interrupt();
            assert!(is_interrupt(&own_read(&reader)));
        });
        assert_eq!(own_read(&reader).unwrap(), b'x');
    });
}

// take.

#[test]
fn take_counts_as_raised() {
    with_task(|interrupter| {
        let request = interrupter.interrupt_with("enough");
        assert!(matches!(request.wait(Duration::ZERO), Outcome::Stuck(_)));
        assert_eq!(interrupter.report().raised, 0);
        assert_eq!(taken(), "interrupted: enough");
        assert!(matches!(request.wait(Duration::ZERO), Outcome::Raised));
        assert_eq!(interrupter.report().raised, 1);
        assert_eq!(interrupter.raised().unwrap().to_string(), "interrupted: enough");
    });
}

#[test]
fn take_without_a_task() {
    assert!(take().is_none() && checkpoint().is_ok() && !is_interrupted());
    assert_eq!(mask(|| 7), 7);
}

#[test]
fn take_under_a_mask() {
    with_task(|interrupter| {
        interrupter.interrupt();
        mask(|| {
            assert!(take().is_none());
            with_task(|_| assert!(take().is_none()));
        });
        assert!(take().is_some());
    });
}

#[test]
fn take_while_an_outer_task_is_armed() {
    with_task(|outer| {
        with_task(|inner| {
            inner.interrupt_with("inner");
            outer.interrupt_with("outer");
            assert!(take().is_none());
            assert_eq!(raised(), "interrupted: outer");
            // It is the mask's business to put the outer one off, and then the inner one too.
            mask(|| assert!(take().is_none()));
        });
        assert_eq!(taken(), "interrupted: outer");
        assert!(take().is_none());
    });
}

#[test]
fn take_in_an_inner_task_leaves_the_outer_one() {
    with_task(|outer| {
        with_task(|inner| {
            inner.interrupt();
            assert!(take().is_some() && take().is_none());
        });
        outer.interrupt();
        with_task(|_| assert!(is_interrupted() && take().is_none()));
        assert!(take().is_some());
    });
}

#[test]
fn the_oldest_is_taken_first() {
    with_task(|interrupter| {
        for reason in ["first", "second", "third"] {
            interrupter.interrupt_with(reason);
        }
        for reason in ["first", "second", "third"] {
            let expected = format!("interrupted: {reason}");
            assert_eq!((raised(), raised()), (expected.clone(), expected.clone()));
            assert_eq!(taken(), expected);
        }
        assert!(take().is_none() && checkpoint().is_ok());
    });
}

// Order.

#[test]
fn plain_requests_are_one() {
    with_task(|interrupter| {
        let requests: Vec<Request> = (0..100).map(|_| interrupter.interrupt()).collect();
        assert_eq!(taken(), "interrupted");
        assert!(take().is_none());
        for request in &requests {
            assert!(matches!(request.wait(Duration::ZERO), Outcome::Raised));
        }
        // What comes after is another.
        let next = interrupter.interrupt();
        assert!(matches!(next.wait(Duration::ZERO), Outcome::Stuck(_)));
        assert_eq!(taken(), "interrupted");
    });
}

#[test]
fn plain_and_custom_requests_keep_their_order() {
    with_task(|interrupter| {
        let first = interrupter.interrupt_with("first");
        let plain = interrupter.interrupt();
        let last = interrupter.interrupt_with("last");
        let same = interrupter.interrupt();
        let answers = || {
            [&first, &plain, &same, &last]
                .map(|r| matches!(r.wait(Duration::ZERO), Outcome::Raised))
        };
        assert_eq!(answers(), [false; 4]);
        assert_eq!(raised(), "interrupted: first");
        assert_eq!(answers(), [true, false, false, false]);
        assert_eq!((taken(), taken()), ("interrupted: first".into(), "interrupted".into()));
        assert_eq!(answers(), [true, true, true, false]);
        assert_eq!(taken(), "interrupted: last");
        assert_eq!(answers(), [true; 4]);
    });
}

#[test]
fn the_outermost_comes_first() {
    with_task(|outer| {
        with_task(|middle| {
            with_task(|inner| {
                inner.interrupt_with("inner");
                assert_eq!(raised(), "interrupted: inner");
                middle.interrupt_with("middle");
                assert_eq!(raised(), "interrupted: middle");
                outer.interrupt_with("outer");
                outer.interrupt_with("outer, again");
                assert_eq!(raised(), "interrupted: outer");
            });
            assert_eq!(raised(), "interrupted: outer");
        });
        assert_eq!(
            (taken(), taken()),
            ("interrupted: outer".into(), "interrupted: outer, again".into())
        );
        assert_eq!(raised(), "");
    });
}

// Masks.

#[test]
fn a_mask_puts_off_and_does_not_forget() {
    with_task(|interrupter| {
        let request = mask(|| {
            let request = interrupter.interrupt();
            assert!(!is_interrupted() && checkpoint().is_ok());
            assert!(matches!(request.wait(Duration::ZERO), Outcome::Masked(_)));
            request
        });
        assert!(is_interrupted() && checkpoint().is_err());
        assert!(matches!(request.wait(Duration::ZERO), Outcome::Raised));
    });
}

#[test]
fn tasks_inside_a_mask_are_interrupted() {
    with_task(|outer| {
        outer.interrupt_with("outer");
        mask(|| {
            with_task(|inner| {
                assert!(checkpoint().is_ok());
                inner.interrupt_with("inner");
                assert_eq!(raised(), "interrupted: inner");
                mask(|| assert!(checkpoint().is_ok()));
                assert_eq!(taken(), "interrupted: inner");
            });
            assert!(checkpoint().is_ok());
        });
        assert_eq!(raised(), "interrupted: outer");
    });
}

#[test]
fn a_mask_ends_with_a_panic() {
    with_task(|interrupter| {
        let panicked = std::panic::catch_unwind(|| mask(|| panic!("on purpose")));
        assert!(panicked.is_err());
        interrupter.interrupt();
        assert!(checkpoint().is_err());
    });
}

#[test]
fn a_masked_call_is_not_interrupted() {
    watched("a_masked_call_is_not_interrupted", || {
        let (reader, writer) = pipe();
        let stuck = target(move || (mask(|| own_read(&reader)), own_read(&reader)))
            .blocked_in(libc::SYS_read);
        let request = stuck.thread.interrupt();
        let outcome = request.wait(Duration::ZERO);
        let Outcome::Masked(report) = outcome else { panic!("{outcome:?}") };
        assert!(report.masked, "{report}");
        nix::unistd::write(&writer, b"xy").unwrap();
        let (masked, after) = stuck.result();
        assert_eq!(masked.unwrap(), b'x');
        assert!(is_interrupt(&after));
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
    });
}

#[test]
fn a_thousand_nested_masks_and_tasks() {
    fn nest(depth: usize, interrupters: &mut Vec<Interrupter>) {
        if depth == 0 {
            for interrupter in interrupters.iter() {
                interrupter.interrupt();
            }
            return assert!(!is_interrupted(), "the innermost mask is in force");
        }
        with_task(|interrupter| {
            interrupters.push(interrupter.clone());
            mask(|| nest(depth - 1, interrupters));
            assert!(checkpoint().is_err());
            assert!(take().is_some() && take().is_none());
        });
    }
    // On the way out each task has its own request only: those outside are under the masks around
    // it.
    thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(|| {
            let mut interrupters = Vec::new();
            nest(1000, &mut interrupters);
            assert_eq!(interrupters.len(), 1000);
            assert!(interrupters.iter().all(Interrupter::is_finished));
            assert!(!is_interrupted());
        })
        .unwrap()
        .join()
        .unwrap();
}

// Nesting by creation.

#[test]
fn made_and_run_inside_a_task_it_nests() {
    with_task(|outer| {
        let (inner, _) = task();
        outer.interrupt_with("outer");
        assert_eq!(inner.run(raised), "interrupted: outer");
    });
}

#[test]
fn made_outside_and_run_inside_it_stands_for_itself() {
    let (stranger, its) = task();
    with_task(|outer| {
        outer.interrupt_with("outer");
        stranger.run(|| {
            assert_eq!(raised(), "");
            its.interrupt_with("its own");
            assert_eq!(raised(), "interrupted: its own");
            // What it makes nests in it.
            assert_eq!(task().0.run(raised), "interrupted: its own");
        });
        assert_eq!(raised(), "interrupted: outer");
    });
}

#[test]
fn made_inside_and_run_deeper_it_stands_for_itself() {
    with_task(|outer| {
        let (made, _) = task();
        outer.interrupt();
        with_task(|_| {
            assert!(is_interrupted());
            assert!(!made.run(is_interrupted), "its parent is not innermost");
            assert!(is_interrupted());
        });
    });
}

#[test]
fn made_inside_and_run_after_its_end_it_stands_for_itself() {
    let (made, its) = with_task(|_| task());
    made.run(|| {
        its.interrupt();
        assert!(checkpoint().is_err());
    });
}

#[test]
fn made_inside_and_run_on_another_thread_it_stands_for_itself() {
    with_task(|outer| {
        outer.interrupt();
        let (made, its) = task();
        thread::spawn(move || {
            made.run(|| {
                assert!(checkpoint().is_ok());
                its.interrupt();
                assert!(checkpoint().is_err());
            });
        })
        .join()
        .unwrap();
    });
}

#[test]
fn made_on_another_thread_and_run_inside_it_stands_for_itself() {
    let (made, _) = thread::spawn(task).join().unwrap();
    with_task(|outer| {
        outer.interrupt();
        assert!(!made.run(is_interrupted));
        assert!(is_interrupted());
    });
}

#[test]
fn a_root_stands_for_itself_even_inside() {
    with_task(|outer| {
        outer.interrupt();
        let root = Task::root();
        let its = root.interrupter();
        root.run(|| {
            assert!(checkpoint().is_ok());
            its.interrupt();
            assert!(checkpoint().is_err() && take().is_some());
        });
        assert!(checkpoint().is_err());
    });
}

#[test]
fn a_spawned_thread_inherits_nothing() {
    with_task(|outer| {
        outer.interrupt();
        assert!(!eintr::spawn(is_interrupted).join().unwrap());
    });
}

#[test]
fn the_current_task_is_the_innermost() {
    assert!(Interrupter::current().is_none());
    with_task(|outer| {
        with_task(|inner| {
            let current = Interrupter::current().unwrap();
            current.interrupt_with("the inner one");
            assert_eq!(inner.report().task, current.report().task);
            assert_ne!(outer.report().task, current.report().task);
            assert_eq!(taken(), "interrupted: the inner one");
        });
        assert_eq!(Interrupter::current().unwrap().report().task, outer.report().task);
    });
    assert!(Interrupter::current().is_none());
}

// Answers.

#[test]
fn requests_by_many_are_each_answered() {
    watched("requests_by_many_are_each_answered", || {
        let (ready, is_ready) = mpsc::channel();
        let worker = eintr::spawn(move || {
            ready.send(()).unwrap();
            let mut count = 0;
            while count < 400 {
                if take().is_some() {
                    count += 1;
                }
            }
            count
        });
        is_ready.recv().unwrap();
        let requesters: Vec<_> = (0..4)
            .map(|requester| {
                let interrupter = worker.interrupter();
                thread::spawn(move || {
                    let ask = |n| interrupter.interrupt_with(format!("{requester}: {n}"));
                    let requests: Vec<_> = (0..100).map(ask).collect();
                    requests.iter().all(|request| matches!(request.wait(LIMIT), Outcome::Raised))
                })
            })
            .collect();
        assert!(requesters.into_iter().all(|requester| requester.join().unwrap()));
        assert_eq!(worker.join().unwrap(), 400);
    });
}

#[test]
fn raised_is_kept_after_the_end() {
    watched("raised_is_kept_after_the_end", || {
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader));
        let interrupter = stuck.thread.interrupter();
        assert!(interrupter.raised().is_none());
        wait_until_blocked(stuck.tid, libc::SYS_read);
        interrupter.interrupt_with("why");
        assert!(is_interrupt(&stuck.result()));
        wait_until("the task has ended", || interrupter.is_finished());
        assert_eq!(interrupter.raised().unwrap().to_string(), "interrupted: why");
        interrupter.interrupt_with("too late");
        assert_eq!(interrupter.raised().unwrap().to_string(), "interrupted: why");
    });
}
