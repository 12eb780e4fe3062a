//! Contexts: what is in force where one is taken is in force where it is run, and nothing else is.
//!
//! The tests here work like this: jobs sleep in calls that nothing ends but an interrupt, on plain
//! threads, so that a job that is missed does not come back, and the watchdog says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eintr::{
    Context, Error, Interrupter, Outcome, Reason, Report, TimedOut, checkpoint, context,
    is_interrupted, mask, remaining, scope, take, task, timeout, within, without_reach,
};
use test_support::target::{is_interrupt, own_read, pipe, plain_read, raised, sleep};
use test_support::{
    LIMIT, gettid, skipped_under_emulation, wait_until, wait_until_blocked, watched,
};

const SHORT: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

/// Runs `f` on a thread that knows nothing of us.
fn elsewhere<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    thread::scope(|s| s.spawn(f).join().unwrap())
}

/// A context of a task that is interrupted from elsewhere, and its interrupter.
fn in_a_task(body: impl FnOnce(Context, Interrupter)) {
    let (task, interrupter) = task();
    task.run(|| body(context(), interrupter));
}

#[test]
fn a_request_reaches_every_job_and_the_giver() {
    watched("a_request_reaches_every_job_and_the_giver", || {
        in_a_task(|context, interrupter| {
            let (reader, _writer) = pipe();
            thread::scope(|s| {
                let (tell, told) = mpsc::channel();
                let jobs: Vec<_> = (0..4)
                    .map(|_| {
                        let (tell, context, reader) = (tell.clone(), &context, &reader);
                        s.spawn(move || {
                            context.run(|| {
                                tell.send(gettid()).unwrap();
                                (own_read(reader).is_err(), raised())
                            })
                        })
                    })
                    .collect();
                told.iter().take(4).for_each(|tid| wait_until_blocked(tid, libc::SYS_read));
                let request = interrupter.interrupt_with("enough");
                for job in jobs {
                    assert_eq!(job.join().unwrap(), (true, "interrupted: enough".to_owned()));
                }
                assert!(matches!(request.wait(LIMIT), Outcome::Raised));
                assert_eq!(raised(), "interrupted: enough");
            });
        });
    });
}

#[test]
fn a_plain_call_is_reached_unless_reach_is_off() {
    if skipped_under_emulation("a_plain_call_is_reached_unless_reach_is_off", "it has no dispatch")
    {
        return;
    }
    watched("a_plain_call_is_reached_unless_reach_is_off", || {
        let is_reached = |context: &Context| {
            elsewhere(|| {
                context.run(|| {
                    let (reader, _writer) = pipe();
                    plain_read(&reader).unwrap_err().raw_os_error() == Some(libc::ECANCELED)
                })
            })
        };
        in_a_task(|with, interrupter| {
            let without = without_reach(context);
            interrupter.interrupt();
            assert!(is_reached(&with));
            assert!(!is_reached(&without));
        });
    });
}

#[test]
fn a_deadline_holds_there_and_its_timeout_knows() {
    watched("a_deadline_holds_there_and_its_timeout_knows", || {
        let job = || {
            let context = context();
            elsewhere(move || {
                context.run(|| {
                    assert!(remaining().is_some());
                    let slept = sleep().unwrap_err();
                    let Error::Interrupted(interrupted) = slept else { panic!("{slept}") };
                    matches!(interrupted.reason(), Reason::Deadline)
                })
            })
        };
        assert_eq!(timeout(SHORT, || if job() { Err(TimedOut) } else { Ok(()) }), Err(TimedOut));
        let within = within(SHORT, job);
        assert!(within.value && within.expired && within.cut_short);
        // An error of the body's own stays its own.
        let own = timeout(HOUR, || {
            elsewhere(|| context().run(|| ()));
            let context = context();
            elsewhere(move || {
                context.run(|| Err::<(), _>(Error::Io(std::io::ErrorKind::NotFound.into())))
            })
        });
        assert!(
            matches!(own, Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound)
        );
    });
}

#[test]
fn who_raised_which_of_two_deadlines_is_told() {
    watched("who_raised_which_of_two_deadlines_is_told", || {
        let outer = within(HOUR, || {
            let inner = within(SHORT, || {
                let context = context();
                elsewhere(move || context.run(sleep)).is_err()
            });
            assert!(inner.value && inner.cut_short);
        });
        assert!(!outer.cut_short);
    });
}

#[test]
fn what_was_masked_there_stays_hidden() {
    in_a_task(|_, interrupter| {
        let masked = mask(context);
        interrupter.interrupt();
        assert!(elsewhere(|| masked.run(checkpoint)).is_ok());
        assert!(elsewhere(|| masked.run(remaining)).is_none());
        // And a mask that begins later hides nothing of what was taken before it.
        let shown = context();
        assert!(mask(|| elsewhere(|| shown.run(checkpoint))).is_err());
    });
}

#[test]
fn what_the_worker_is_doing_is_masked() {
    in_a_task(|context, _| {
        elsewhere(|| {
            let (own, its) = task();
            own.run(|| {
                within(Duration::ZERO, || {
                    its.interrupt();
                    context.run(|| assert!(checkpoint().is_ok() && remaining().is_none()));
                    assert!(is_interrupted());
                });
                assert!(is_interrupted());
            });
        });
    });
}

#[test]
fn jobs_run_inside_of_each_other_feel_their_own_alone() {
    let [(one, ask_one), (other, ask_other)] = [task(), task()];
    one.run(|| {
        let ours = context();
        let theirs = thread::scope(|s| {
            s.spawn(|| {
                other.run(|| {
                    let theirs = context();
                    ours.run(|| {
                        theirs.run(|| {
                            ours.run(|| {
                                ask_one.interrupt_with("one");
                                assert_eq!(raised(), "interrupted: one");
                                theirs.run(|| assert_eq!(raised(), ""));
                            })
                        })
                    });
                    assert_eq!(raised(), "");
                    // Taken off with the job that ended last, and not before.
                    ours.run(|| assert_eq!(raised(), "interrupted: one"));
                    theirs
                })
            })
            .join()
            .unwrap()
        });
        ask_other.interrupt();
        assert!(theirs.is_finished() && theirs.run(checkpoint).is_ok());
        // At home again, inside of itself, it was asked as well.
        ours.run(|| ours.run(|| assert_eq!(raised(), "interrupted: one")));
        assert_eq!(raised(), "interrupted: one");
        assert_eq!(take().unwrap().to_string(), "interrupted: one");
        assert_eq!(ours.run(raised), "");
        ours.run(|| {
            ask_one.interrupt();
        });
        assert!(is_interrupted());
    });
}

#[test]
fn a_job_is_asked_also_when_one_of_the_same_task_has_ended_inside_it() {
    in_a_task(|context, interrupter| {
        elsewhere(|| {
            context.run(|| {
                context.run(|| ());
                interrupter.interrupt();
                assert!(is_interrupted());
            });
        });
    });
}

#[test]
fn a_taken_request_stands_nowhere() {
    in_a_task(|context, interrupter| {
        thread::scope(|s| {
            let (go_on, may_go_on) = mpsc::channel::<()>();
            let (tell, told) = mpsc::channel();
            let context = &context;
            let job = s.spawn(move || {
                context.run(|| {
                    may_go_on.recv().unwrap();
                    tell.send(is_interrupted()).unwrap();
                    may_go_on.recv().unwrap();
                    is_interrupted()
                })
            });
            interrupter.interrupt();
            go_on.send(()).unwrap();
            assert!(told.recv().unwrap());
            assert!(take().is_some());
            go_on.send(()).unwrap();
            assert!(!job.join().unwrap());
        });
    });
}

#[test]
fn after_the_tasks_end_nothing_stands() {
    watched("after_the_tasks_end_nothing_stands", || {
        let (tell, told) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (task, interrupter) = task();
        let (context, job) = task.run(|| {
            let context = context();
            let carried = context.clone();
            let job = thread::spawn(move || {
                carried.run(|| {
                    wait_until("the job is told", is_interrupted);
                    tell.send(()).unwrap();
                    may_go_on.recv().unwrap();
                    (carried.is_finished(), is_interrupted())
                })
            });
            interrupter.interrupt();
            told.recv().unwrap();
            (context, job)
        });
        go_on.send(()).unwrap();
        assert_eq!(job.join().unwrap(), (true, false));
        assert!(context.is_finished());
        assert!(context.run(checkpoint).is_ok());
    });
}

#[test]
fn where_nothing_is_in_force_nothing_is_carried() {
    let nothing = context();
    assert!(!nothing.is_finished());
    in_a_task(|_, interrupter| {
        interrupter.interrupt();
        assert!(nothing.run(checkpoint).is_ok());
        assert!(is_interrupted());
    });
}

#[test]
fn a_deadline_holds_also_around_a_job_that_is_a_task() {
    watched("a_deadline_holds_also_around_a_job_that_is_a_task", || {
        let cut = within(SHORT, || {
            let (context, (job, its)) = (context(), task());
            elsewhere(move || {
                context.run_task(job, || {
                    let slept = is_interrupt(&sleep());
                    its.interrupt_with("itself");
                    (slept, raised())
                })
            })
        });
        // Who asks the job asks what is outside of the deadline.
        assert_eq!(cut.value, (true, "interrupted: itself".to_owned()));
        assert!(cut.cut_short);
    });
}

#[test]
fn a_panic_ends_what_was_in_force() {
    in_a_task(|context, interrupter| {
        elsewhere(|| {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                context.run(|| std::panic::resume_unwind(Box::new("ours")))
            }));
            assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"ours"));
            interrupter.interrupt();
            assert!(checkpoint().is_ok() && Interrupter::current().is_none());
        });
    });
}

#[test]
fn scopes_and_contexts_carry_on_from_each_other() {
    watched("scopes_and_contexts_carry_on_from_each_other", || {
        in_a_task(|context, interrupter| {
            thread::scope(|s| {
                let (tell, told) = mpsc::channel();
                let context = &context;
                let job = s.spawn(move || {
                    context.run(|| {
                        scope(|s| {
                            s.spawn(|| {
                                let inner = eintr::context();
                                tell.send(()).unwrap();
                                elsewhere(|| is_interrupt(&inner.run(sleep)))
                            })
                            .join()
                            .unwrap()
                        })
                    })
                });
                told.recv().unwrap();
                interrupter.interrupt();
                assert!(job.join().unwrap());
            });
        });
    });
}

#[test]
fn a_report_shows_where_a_job_is() {
    watched("a_report_shows_where_a_job_is", || {
        in_a_task(|context, interrupter| {
            thread::scope(|s| {
                let (tell, told) = mpsc::channel();
                let context = &context;
                let job = s.spawn(move || {
                    context.run(|| {
                        tell.send(gettid()).unwrap();
                        sleep()
                    })
                });
                let tid = told.recv().unwrap();
                wait_until_blocked(tid, libc::SYS_clock_nanosleep);
                let reports = eintr::report();
                let is_there =
                    |report: &Report| report.thread.as_ref().is_some_and(|it| it.tid == tid);
                assert!(reports.iter().any(is_there), "{reports:?}");
                interrupter.interrupt();
                assert!(is_interrupt(&job.join().unwrap()));
            });
        });
    });
}
