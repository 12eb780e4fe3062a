//! Beginnings and ends: what becomes of requests that come too early, too late, or in the middle of
//! an end (P6, P7), of tasks that never run, of bodies that panic, of waits with odd limits, and
//! what the report says meanwhile (P8).
//!
//! The tests here work like this: nothing in them sleeps to let something happen; where a thread
//! must be somewhere, `/proc` is asked, or the thread says so itself. Races are run often, and each
//! request must have its answer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use eintr::{
    Builder, Interrupter, Outcome, Report, Request, Task, ThreadState, checkpoint, mask, take, task,
};
use test_support::child::alone;
use test_support::target::{
    came_back, is_interrupt, own_read, pipe, plain_read, target, unreached,
};
use test_support::{
    LIMIT, emulated, escape, gettid, signals, sleeps_in, wait_until, wait_until_blocked,
    wait_until_on_futex, watched,
};

const AT_ONCE: Duration = Duration::ZERO;

// Ends.

#[test]
fn ten_thousand_threads_are_interrupted_while_they_exit() {
    watched("ten_thousand_threads_are_interrupted_while_they_exit", || {
        let threads = if emulated() { 1_000 } else { 10_000 };
        // The threads go on to a requester, who asks each again and again until it is gone, and a few
        // times after that.
        let (go_on, going) = mpsc::sync_channel::<eintr::JoinHandle<usize>>(32);
        let requester = thread::spawn(move || {
            let mut raised = 0;
            for thread in going {
                let interrupter = thread.interrupter();
                let mut after = 0;
                while after < 3 {
                    let is_over = interrupter.is_finished();
                    after += usize::from(thread.is_finished());
                    // A signal to a thread that is gone would be an error of the kernel's, and
                    // Undeliverable.
                    match interrupter.interrupt().wait(AT_ONCE) {
                        Outcome::Raised | Outcome::Finished => {}
                        Outcome::NotStarted | Outcome::Stuck(_) if !is_over => {}
                        other => panic!("{other:?}"),
                    }
                }
                raised += usize::from(interrupter.raised().is_some());
                thread.join().unwrap();
            }
            raised
        });
        for n in 0..threads {
            // Some end at once, some run for a moment, some are in a call.
            let body = move || match n % 3 {
                0 => 0,
                1 => (0..n % 1000).filter(|_| checkpoint().is_err()).count(),
                _ => eintr::time::sleep(Duration::from_micros(n as u64 % 100)).map_or(1, |()| 0),
            };
            go_on.send(eintr::spawn(body)).unwrap();
        }
        drop(go_on);
        let raised = requester.join().unwrap();
        println!("{raised} of {threads} were raised");
        assert!(raised > 0, "none was asked in time: nothing was tested");
    });
}

fn is_raised_or_finished(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Raised | Outcome::Finished)
}

#[test]
fn a_request_never_reaches_the_next_job_on_the_same_thread() {
    watched("a_request_never_reaches_the_next_job_on_the_same_thread", || {
        // A pool of one thread, whose jobs are tasks; every other one is interrupted around its
        // end.
        let (submit, jobs) = mpsc::channel::<(usize, Task)>();
        let pool = thread::spawn(move || {
            let mut harmed = 0;
            for (n, job) in jobs {
                let armed = job.run(|| (0..50).any(|_| checkpoint().is_err()));
                // Between jobs this is nobody's task.
                assert!(checkpoint().is_ok());
                harmed += usize::from(n % 2 == 0 && armed);
            }
            harmed
        });
        for n in 0..20_000 {
            let (job, interrupter) = task();
            submit.send((n, job)).unwrap();
            if n % 2 == 1 {
                interrupter.interrupt();
            }
        }
        drop(submit);
        assert_eq!(pool.join().unwrap(), 0);
    });
}

#[test]
fn every_request_is_answered_though_the_task_ends() {
    watched("every_request_is_answered_though_the_task_ends", || {
        for _ in 0..500 {
            let together = Arc::new(Barrier::new(2));
            let ending = together.clone();
            let thread = eintr::spawn(move || {
                ending.wait();
                checkpoint().is_err()
            });
            together.wait();
            let outcome = thread.interrupt().wait(LIMIT);
            let seen = thread.join().unwrap();
            match outcome {
                Outcome::Raised => assert!(seen),
                Outcome::Finished => assert!(!seen),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn after_the_end() {
    let thread = eintr::spawn(|| 42);
    let interrupter = thread.interrupter();
    interrupter.wait_finished(LIMIT).unwrap();
    assert!(matches!(thread.interrupt().wait(Duration::MAX), Outcome::Finished));
    assert!(matches!(interrupter.interrupt_with("late").wait(AT_ONCE), Outcome::Finished));
    assert!(interrupter.raised().is_none() && interrupter.is_finished());
    assert!(interrupter.report().pending_for.is_none(), "what nobody will be told is not kept");
    interrupter.wait_finished(AT_ONCE).unwrap();
    assert_eq!(thread.join().unwrap(), 42);
}

#[test]
fn a_task_dropped_unrun_has_ended() {
    watched("a_task_dropped_unrun_has_ended", || {
        let (task, interrupter) = task();
        let request = interrupter.interrupt();
        assert!(matches!(request.wait(AT_ONCE), Outcome::NotStarted));
        assert!(!interrupter.is_finished());
        let waiter = {
            let request = request.clone();
            target(move || request.wait(Duration::MAX)).blocked_in(libc::SYS_futex)
        };
        drop(task);
        assert!(matches!(waiter.result(), Outcome::Finished));
        assert!(interrupter.is_finished() && interrupter.raised().is_none());
        assert!(interrupter.report().to_string().contains("finished"));
        interrupter.wait_finished(Duration::MAX).unwrap();
    });
}

#[test]
fn a_dropped_request_stays_asked() {
    let (task, interrupter) = task();
    drop(interrupter.interrupt());
    drop(interrupter);
    assert!(task.run(|| checkpoint().is_err()));
}

#[test]
fn a_dropped_handle_detaches() {
    watched("a_dropped_handle_detaches", || {
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        let interrupter = stuck.thread.interrupter();
        drop(stuck.thread);
        assert!(!interrupter.is_finished());
        assert!(matches!(interrupter.interrupt().wait(LIMIT), Outcome::Raised));
        interrupter.wait_finished(LIMIT).unwrap();
    });
}

#[test]
fn a_body_that_panics_has_ended() {
    watched("a_body_that_panics_has_ended", || {
        let thread = eintr::spawn(|| {
            let (inner, its) = task();
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                inner.run(|| panic!("on purpose"));
            }));
            assert!(panicked.is_err() && its.is_finished());
            assert!(matches!(its.interrupt().wait(Duration::MAX), Outcome::Finished));
            // The frame is gone: what the outer task is asked reaches the outer task.
            let outer = Interrupter::current().unwrap();
            outer.interrupt();
            assert!(take().is_some());
            panic!("on purpose, too");
        });
        let interrupter = thread.interrupter();
        assert!(thread.join().is_err());
        assert!(matches!(interrupter.interrupt().wait(Duration::MAX), Outcome::Finished));
    });
}

#[test]
fn a_thread_outlives_its_task() {
    watched("a_thread_outlives_its_task", || {
        let (reader, writer) = pipe();
        let (first, interrupter) = task();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            first.run(|| ());
            tell.send(gettid()).unwrap();
            (own_read(&reader), plain_read(&reader))
        });
        wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
        for _ in 0..100 {
            assert!(matches!(interrupter.interrupt().wait(AT_ONCE), Outcome::Finished));
        }
        nix::unistd::write(&writer, b"xy").unwrap();
        let (own, plain) = thread.join().unwrap();
        assert_eq!((own.unwrap(), plain.unwrap()), (b'x', b'y'));
    });
}

// Beginnings.

#[test]
fn a_request_before_the_start_is_raised_at_the_first_call() {
    watched("a_request_before_the_start_is_raised_at_the_first_call", || {
        let (reader, _writer) = pipe();
        for start in [0, 1, 2] {
            let (task, interrupter) = task();
            let request = interrupter.interrupt_with("early");
            assert!(matches!(request.wait(Duration::from_millis(1)), Outcome::NotStarted));
            let report = interrupter.report();
            assert!(!report.started && !report.finished && report.thread.is_none());
            assert!(report.to_string().contains("not started"), "{report}");
            let reader = &reader;
            let raised = thread::scope(|scope| {
                scope
                    .spawn(move || {
                        task.run(|| match start {
                            0 => checkpoint().is_err(),
                            1 => is_interrupt(&own_read(reader)),
                            _ => came_back(&plain_read(reader)) && take().is_some(),
                        })
                    })
                    .join()
                    .unwrap()
            });
            assert!(raised);
            assert!(matches!(request.wait(AT_ONCE), Outcome::Raised));
        }
    });
}

#[test]
fn spawned_and_interrupted_at_once() {
    watched("spawned_and_interrupted_at_once", || {
        for _ in 0..500 {
            let thread = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
            assert!(is_raised_or_finished(&thread.interrupt().wait(LIMIT)));
            assert!(is_interrupt(&thread.join().unwrap()));
        }
    });
}

#[test]
fn a_thread_that_cannot_be_made() {
    let too_much = Builder::new().name("vast".into()).stack_size(usize::MAX / 2).spawn(|| ());
    assert!(too_much.is_err());
    let panicked = std::panic::catch_unwind(|| Builder::new().name("a\0b".into()).spawn(|| ()));
    assert!(panicked.is_err(), "as std's");
}

// Who asks, from where.

/// Asks, when it is dropped.
struct AskOnDrop(Interrupter, Arc<Mutex<Vec<Outcome>>>);

impl Drop for AskOnDrop {
    fn drop(&mut self) {
        let outcome = self.0.interrupt().wait(LIMIT);
        self.1.lock().unwrap().push(outcome);
    }
}

#[test]
fn interrupting_from_a_destructor() {
    watched("interrupting_from_a_destructor", || {
        thread_local! {
            static AT_EXIT: Mutex<Option<AskOnDrop>> = const { Mutex::new(None) };
        }
        let stuck = || {
            let (reader, writer) = pipe();
            target(move || (own_read(&reader), writer).0).blocked_in(libc::SYS_read)
        };
        let [at_unwind, at_thread_end] = [stuck(), stuck()];
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let ask = |i: Interrupter| AskOnDrop(i, outcomes.clone());
        let [first, second] = [&at_unwind, &at_thread_end].map(|t| ask(t.thread.interrupter()));
        let thread = eintr::spawn(move || {
            AT_EXIT.with(|place| *place.lock().unwrap() = Some(second));
            let _first = first;
            panic!("on purpose");
        });
        // This one asks its own task, which has ended by then.
        let itself = thread.interrupter();
        assert!(thread.join().is_err());
        assert!(matches!(itself.interrupt().wait(LIMIT), Outcome::Finished));
        assert!(is_interrupt(&at_unwind.result()) && is_interrupt(&at_thread_end.result()));
        let outcomes = outcomes.lock().unwrap();
        assert!(outcomes.len() == 2 && outcomes.iter().all(|o| matches!(o, Outcome::Raised)));
    });
}

#[test]
fn running_a_task_from_a_destructor_at_the_threads_end() {
    watched("running_a_task_from_a_destructor_at_the_threads_end", || {
        struct RunOnDrop(mpsc::Sender<bool>);
        impl Drop for RunOnDrop {
            fn drop(&mut self) {
                let (task, interrupter) = task();
                let raised = task.run(|| {
                    interrupter.interrupt();
                    checkpoint().is_err()
                });
                self.0.send(raised && interrupter.is_finished()).unwrap();
            }
        }
        thread_local! {
            static AT_EXIT: Mutex<Option<RunOnDrop>> = const { Mutex::new(None) };
        }
        let (tell, told) = mpsc::channel();
        for managed in [false, true] {
            let tell = tell.clone();
            let body = move || AT_EXIT.with(|place| *place.lock().unwrap() = Some(RunOnDrop(tell)));
            match managed {
                true => eintr::spawn(body).join().unwrap(),
                false => thread::spawn(body).join().unwrap(),
            }
            assert!(told.recv().unwrap());
        }
    });
}

/// musl's `pthread_exit` runs no destructor on its way out; nor does this jump.
#[test]
fn a_thread_that_ends_without_unwinding() {
    watched("a_thread_that_ends_without_unwinding", || {
        struct CallOnDrop(mpsc::Sender<bool>);
        impl Drop for CallOnDrop {
            fn drop(&mut self) {
                // A task that is not there any more, with its deadline, raises nothing here.
                let (task, _) = task();
                self.0
                    .send(task.run(|| checkpoint().is_ok() && eintr::remaining().is_none()))
                    .unwrap();
            }
        }
        extern "C" fn call(value: *mut libc::c_void) {
            // SAFETY: the box that was given to the key, which calls once.
            drop(unsafe { Box::from_raw(value.cast::<CallOnDrop>()) });
        }
        let (tell, told) = mpsc::channel();
        let (task, interrupter) = task();
        let waiting = interrupter.clone();
        let waiter = thread::spawn(move || waiting.wait_finished(Duration::MAX).is_ok());
        let asking = interrupter.clone();
        thread::spawn(move || {
            let mut place = 0;
            let place = &raw mut place;
            let mut task = Some(task);
            let escaped = || {
                let body = || {
                    // A key that is younger than eintr's, so that its destructor runs after.
                    let mut key = 0;
                    let value = Box::into_raw(Box::new(CallOnDrop(tell.clone())));
                    // SAFETY: the key is made, then used; the value is the destructor's.
                    unsafe {
                        assert_eq!(libc::pthread_key_create(&mut key, Some(call)), 0);
                        assert_eq!(libc::pthread_setspecific(key, value.cast()), 0);
                    }
                    asking.interrupt();
                    // SAFETY: what lies between is leaked, and is not used again.
                    unsafe { escape::escape(place) }
                };
                task.take().unwrap().run(|| eintr::within(Duration::ZERO, body));
            };
            // SAFETY: as above.
            assert!(unsafe { escape::call_escapably(place, escaped) });
        })
        .join()
        .unwrap();
        assert!(waiter.join().unwrap() && interrupter.is_finished());
        assert!(told.recv().unwrap());
        assert!(matches!(interrupter.interrupt().wait(LIMIT), Outcome::Finished));
    });
}

#[test]
fn interrupting_from_a_masked_thread() {
    watched("interrupting_from_a_masked_thread", || {
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        let interrupter = stuck.thread.interrupter();
        let requester = eintr::spawn(move || {
            let own = Interrupter::current().unwrap();
            mask(|| {
                own.interrupt();
                // Its own interrupt neither keeps it from asking nor from waiting.
                interrupter.interrupt().wait(LIMIT)
            })
        });
        assert!(matches!(requester.join().unwrap(), Outcome::Raised));
        assert!(is_interrupt(&stuck.result()));
    });
}

#[test]
fn a_wait_for_an_answer_cannot_be_interrupted() {
    watched("a_wait_for_an_answer_cannot_be_interrupted", || {
        let (_unrun, its) = task();
        let limit = LIMIT / 100;
        let mut was_asleep = false;
        while !was_asleep {
            let its = its.clone();
            let waiting = target(move || {
                let start = Instant::now();
                (its.interrupt().wait(limit), start.elapsed())
            });
            // On a slow machine the wait may be over before it was seen.
            wait_until("it waits, or has", || {
                was_asleep = sleeps_in(waiting.tid, libc::SYS_futex);
                was_asleep || waiting.thread.is_finished()
            });
            waiting.thread.interrupt();
            let (outcome, took) = waiting.result();
            assert!(
                matches!(outcome, Outcome::NotStarted) && took >= limit,
                "{outcome:?} {took:?}"
            );
        }
    });
}

#[test]
fn asking_oneself_is_answered_at_once() {
    watched("asking_oneself_is_answered_at_once", || {
        let thread = eintr::spawn(|| {
            let own = Interrupter::current().unwrap();
            let request = own.interrupt();
            assert!(matches!(request.wait(Duration::MAX), Outcome::Stuck(_)));
            assert!(own.wait_finished(Duration::MAX).is_err());
            let masked = mask(|| request.wait(Duration::MAX));
            assert!(matches!(masked, Outcome::Masked(_)));
            assert!(checkpoint().is_err());
            assert!(matches!(request.wait(Duration::MAX), Outcome::Raised));
            // An outer task of the same thread is oneself, too.
            let (inner, _) = task();
            inner.run(|| {
                take();
                let request = own.interrupt_with("from inside");
                assert!(matches!(request.wait(Duration::MAX), Outcome::Stuck(_)));
            });
        });
        thread.join().unwrap();
    });
}

// Waiting.

#[test]
fn a_wait_lasts_as_long_as_its_limit() {
    watched("a_wait_lasts_as_long_as_its_limit", || {
        let (_unrun, its) = task();
        let request = its.interrupt();
        for limit in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(20)] {
            let start = Instant::now();
            assert!(matches!(request.wait(limit), Outcome::NotStarted));
            assert!(its.wait_finished(limit).is_err());
            assert!(start.elapsed() >= 2 * limit, "{limit:?}");
        }
    });
}

#[test]
fn a_wait_without_end_ends_with_the_answer() {
    watched("a_wait_without_end_ends_with_the_answer", || {
        for limit in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 62)] {
            let (go, gone) = mpsc::channel::<()>();
            let worker = eintr::spawn(move || {
                gone.recv().unwrap();
                checkpoint().is_err()
            });
            let request = worker.interrupt();
            let interrupter = worker.interrupter();
            let waiter = target(move || {
                let outcome = request.wait(limit);
                (outcome, interrupter.wait_finished(limit).is_ok())
            })
            .blocked_in(libc::SYS_futex);
            go.send(()).unwrap();
            assert!(worker.join().unwrap());
            let (outcome, finished) = waiter.result();
            assert!(matches!(outcome, Outcome::Raised) && finished);
        }
    });
}

#[test]
fn many_wait_for_one() {
    watched("many_wait_for_one", || {
        let (reader, _writer) = pipe();
        let (task, interrupter) = task();
        let request = interrupter.interrupt();
        let waiters: Vec<_> = (0..8)
            .map(|_| {
                let (request, interrupter) = (request.clone(), interrupter.clone());
                target(move || {
                    let raised = matches!(request.wait(LIMIT), Outcome::Raised);
                    raised && interrupter.wait_finished(LIMIT).is_ok()
                })
                .blocked_in(libc::SYS_futex)
            })
            .collect();
        assert!(is_interrupt(&task.run(|| own_read(&reader))));
        assert!(waiters.into_iter().all(|waiter| waiter.result()));
    });
}

#[test]
fn waiting_for_a_thread_can_be_interrupted() {
    watched("waiting_for_a_thread_can_be_interrupted", || {
        let (reader, writer) = pipe();
        let worker = target(move || own_read(reader)).blocked_in(libc::SYS_read).thread;
        let waiter = target(move || (worker.wait(), worker));
        wait_until_on_futex(waiter.tid);
        let (waited, worker) = waiter.interrupted().result();
        assert!(waited.is_err());
        // The thread that was waited for has noticed nothing.
        assert!(!worker.is_finished() && worker.interrupter().raised().is_none());
        let waiter = target(move || (worker.wait(), worker));
        wait_until_on_futex(waiter.tid);
        nix::unistd::write(&writer, b"x").unwrap();
        let (waited, worker) = waiter.result();
        assert!(waited.is_ok() && worker.wait().is_ok());
        assert_eq!(worker.join().unwrap().unwrap(), b'x');
    });
}

#[test]
fn waiting_for_an_answer_can_be_interrupted() {
    watched("waiting_for_an_answer_can_be_interrupted", || {
        let (go, gone) = mpsc::channel::<()>();
        let worker = eintr::spawn(move || {
            gone.recv().unwrap();
            checkpoint().is_err()
        });
        let (request, its) = (worker.interrupt(), worker.interrupter());
        let waits = |request: Request, its: Interrupter| {
            let waiter = target(move || {
                let outcome = request.wait_interruptible();
                outcome.and_then(|outcome| its.wait_finished_interruptible().map(|()| outcome))
            });
            wait_until_on_futex(waiter.tid);
            waiter
        };
        assert!(waits(request.clone(), its.clone()).interrupted().result().is_err());
        // The one that was waited for has noticed nothing.
        assert!(!its.is_finished() && its.raised().is_none());
        let waiter = waits(request.clone(), its.clone());
        go.send(()).unwrap();
        assert!(matches!(waiter.result().unwrap(), Outcome::Raised) && worker.join().unwrap());
        assert!(matches!(its.interrupt().wait_interruptible(), Ok(Outcome::Finished)));
        let oneself = || Interrupter::current().unwrap().interrupt().wait_interruptible();
        assert!(task().0.run(oneself).is_err());
    });
}

/// What a handler tells is told to those who can be interrupted as well: a plain call is cut short, and the thread asks
/// nothing after it.
#[test]
fn an_answer_of_a_group_is_waited_for_interruptibly() {
    watched("an_answer_of_a_group_is_waited_for_interruptibly", || {
        let group = eintr::Group::new();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let (reader, _writer) = pipe();
        let member = target(move || {
            let read = plain_read(&reader);
            let _ = released.lock().unwrap().recv();
            read
        })
        .blocked_in(libc::SYS_read);
        group.add(member.thread.interrupter());
        let outcome = group.interrupt().wait_interruptible().unwrap();
        assert!(matches!(outcome, Outcome::Raised), "{outcome:?}");
        release.send(()).unwrap();
        group.interrupter().wait_finished_interruptible().unwrap();
        assert!(member.result().is_err());
    });
}

#[test]
fn waiting_for_an_end_gives_a_report_or_comes_back() {
    watched("waiting_for_an_end_gives_a_report_or_comes_back", || {
        let (reader, writer) = pipe();
        let worker = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        let interrupter = worker.thread.interrupter();
        let report = interrupter.wait_finished(Duration::from_millis(1)).unwrap_err();
        assert!(report.started && !report.finished, "{report}");
        let waiter = target(move || interrupter.wait_finished(Duration::MAX).is_ok())
            .blocked_in(libc::SYS_futex);
        nix::unistd::write(&writer, b"x").unwrap();
        assert!(waiter.result());
        assert_eq!(worker.result().unwrap(), b'x');
    });
}

// The thread's own signal mask.

#[test]
fn a_thread_that_blocks_everything_is_unblocked_for_its_tasks_time() {
    watched("a_thread_that_blocks_everything_is_unblocked_for_its_tasks_time", || {
        // So that it is known which signal is ours.
        eintr::spawn(|| ()).join().unwrap();
        let ours = signals::ours();
        let (reader, _writer) = pipe();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            signals::change_mask(libc::SIG_SETMASK, &signals::full());
            let before = signals::blocked();
            assert!(before.contains(&ours));
            let mut results = Vec::new();
            for own in [true, false, true] {
                let (task, interrupter) = task();
                tell.send((gettid(), interrupter)).unwrap();
                task.run(|| {
                    // And SIGSYS, where the thread is reached by it.
                    let is_open = |signal: &i32| !signals::blocked().contains(signal);
                    let opened = before.iter().copied().filter(is_open);
                    let opened: Vec<_> = opened.filter(|signal| *signal != libc::SIGSYS).collect();
                    assert_eq!(opened, [ours]);
                    results.push(match own {
                        true => is_interrupt(&own_read(&reader)),
                        false => came_back(&plain_read(&reader)),
                    });
                });
                assert_eq!(signals::blocked(), before);
            }
            assert!(!signals::is_pending(gettid(), ours), "nothing of ours is left behind");
            results
        });
        for _ in 0..3 {
            let (tid, interrupter) = told.recv().unwrap();
            wait_until_blocked(tid, libc::SYS_read);
            interrupter.interrupt();
            interrupter.wait_finished(LIMIT).unwrap();
        }
        assert_eq!(thread.join().unwrap(), [true; 3]);
    });
}

#[test]
fn a_thread_that_blocks_our_signal_is_reported_and_found_at_its_next_checkpoint() {
    watched("a_thread_that_blocks_our_signal_is_reported", || {
        let (reader, writer) = pipe();
        let stuck = target(move || {
            signals::block(&[signals::ours()]);
            let first = own_read(&reader);
            let second = checkpoint();
            let third = own_read(&reader);
            signals::unblock(&[signals::ours()]);
            (first, second, third, own_read(&reader))
        });
        wait_until_blocked(stuck.tid, libc::SYS_read);
        let request = stuck.thread.interrupt();
        let outcome = request.wait(Duration::from_millis(10));
        let Outcome::Stuck(report) = outcome else { panic!("{outcome:?}") };
        let thread = report.thread.as_ref().unwrap();
        assert!(thread.blocks_signal, "{report}");
        assert!(emulated() || thread.syscall.as_deref() == Some("read"), "{report}");
        assert!(report.to_string().contains("blocks our signal"), "{report}");
        nix::unistd::write(&writer, b"x").unwrap();
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        let (first, second, third, fourth) = stuck.result();
        assert_eq!(first.unwrap(), b'x');
        assert!(second.is_err() && is_interrupt(&third) && is_interrupt(&fourth));
    });
}

// The report.

#[test]
fn a_report_says_where_the_thread_is() {
    watched("a_report_says_where_the_thread_is", || {
        let (reader, _writer) = pipe();
        let (tell, told) = mpsc::channel();
        let worker = Builder::new()
            .name("a-long-name-for-a-reader".into())
            .spawn(move || {
                tell.send(gettid()).unwrap();
                mask(|| own_read(reader).map(drop))
            })
            .unwrap();
        let tid = told.recv().unwrap();
        wait_until_blocked(tid, libc::SYS_read);
        let interrupter = worker.interrupter();

        let report = interrupter.report();
        assert_eq!(report.name.as_deref(), Some("a-long-name-for-a-reader"));
        assert!(report.started && !report.finished && !report.handler_replaced);
        assert!(report.pending_for.is_none() && report.raised == 0);
        let thread = report.thread.as_ref().unwrap();
        assert_eq!(thread.tid, tid);
        assert_eq!(thread.name.as_deref(), Some("a-long-name-for"), "the kernel keeps 15 bytes");
        assert_eq!(thread.state, Some(ThreadState::Sleeping));
        assert!(!thread.blocks_signal);
        let told = report.to_string();
        assert!(
            told.starts_with(&format!("a-long-name-for-a-reader (tid {tid}): sleeping")),
            "{told}"
        );
        assert!(told.contains(", not asked, masked"), "{told}");
        if !emulated() {
            assert_eq!(thread.syscall.as_deref(), Some("read"));
            assert!(told.contains("sleeping in read"), "{told}");
        }

        let start = Instant::now();
        interrupter.interrupt();
        wait_until("a moment has passed", || start.elapsed() > Duration::from_millis(5));
        let report = interrupter.report();
        assert!(report.masked && report.pending_for.unwrap() >= Duration::from_millis(5));
        assert!(report.to_string().contains("asked "), "{report}");
        assert!(report.to_string().contains("raised 0 times, masked"), "{report}");
        drop(_writer);
        worker.join().unwrap().unwrap();
        let report: Report = interrupter.report();
        assert!(report.finished && report.thread.is_none(), "{report}");
        assert!(report.to_string().contains(": finished, not asked"), "{report}");
    });
}

#[test]
fn a_report_on_a_thread_that_computes() {
    watched("a_report_on_a_thread_that_computes", || {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let busy = target(move || while !stopped.load(SeqCst) {});
        let outcome = busy.thread.interrupt().wait(Duration::from_millis(1));
        assert!(matches!(outcome, Outcome::Stuck(_)), "{outcome:?}");
        // At first it may still be on its way there.
        let interrupter = busy.thread.interrupter();
        let mut seen = String::new();
        wait_until("it is seen to compute", || {
            let report = interrupter.report();
            seen = report.to_string();
            report.thread.is_some_and(|thread| {
                (thread.state, thread.syscall) == (Some(ThreadState::Running), None)
            })
        });
        assert!(seen.contains("running"), "{seen}");
        stop.store(true, SeqCst);
        busy.result();
    });
}

#[test]
fn a_report_without_a_name() {
    let (unnamed, interrupter) = task();
    let report = interrupter.report();
    assert_eq!(report.to_string(), format!("task {}: not started, not asked", report.task));
    let named = unnamed.name("waiter");
    assert_eq!(interrupter.report().to_string(), "waiter: not started, not asked");
    named.run(|| {
        interrupter.interrupt();
        assert!(checkpoint().is_err() && checkpoint().is_err());
        assert_eq!(interrupter.report().raised, 2);
        assert!(interrupter.report().to_string().contains("raised 2 times"));
        take();
        assert!(interrupter.report().pending_for.is_none());
    });
    assert!(interrupter.report().to_string().starts_with("waiter: finished"));
}

#[test]
fn everything_can_be_shown() {
    let (task, interrupter) = task();
    let request: Request = interrupter.interrupt();
    for shown in [format!("{task:?}"), format!("{interrupter:?}"), format!("{request:?}")] {
        assert!(!shown.is_empty());
    }
    let thread = eintr::spawn(|| ());
    assert!(format!("{thread:?}").contains("JoinHandle"));
    assert!(format!("{:?}", Task::default()).contains("Task"));
}

#[test]
fn many_threads_come_and_go_without_a_trace() {
    alone(|| {
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let timers =
            || std::fs::read_to_string("/proc/self/timers").unwrap_or_default().lines().count();
        let before = timers();
        let count = AtomicUsize::new(0);
        for _ in 0..200 {
            let (reader, writer) = pipe();
            let stuck = unreached(move || plain_read(reader).is_err() && checkpoint().is_err());
            stuck.thread.interrupt();
            count.fetch_add(usize::from(stuck.result()), SeqCst);
            drop(writer);
        }
        assert_eq!(count.load(SeqCst), 200);
        // Other tests run beside this one, a few threads each; two hundred would be a leak.
        assert!(timers() < before + 200, "{before} timers before, {} after", timers());
        assert!(descriptors() < 200);
    });
}
