//! Hooks: run once per arming, by whom and when the rules say, and never after.
//!
//! The tests here work like this: a body waits for a channel, which nothing ends but its hook, so
//! that a hook that is not run leaves the body waiting, and the watchdog says so. Where it matters
//! that a hook is *not* run, a later event is waited for that would have come after it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use eintr::{
    Group, Interrupted, Task, checkpoint, cleanup, is_interrupted, mask, take, task, timeout,
    with_hook, within,
};
use test_support::seccomp::forbid;
use test_support::target::{own_read, pipe};
use test_support::{
    LIMIT, child, emulated, skipped_under_emulation, wait_until, wait_until_blocked, watched,
};

const SHORT: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

/// What hooks were run with, and on which threads.
#[derive(Default)]
struct Runs(Mutex<Vec<(String, ThreadId)>>);

impl Runs {
    fn note(&self, cause: &Interrupted) {
        self.0.lock().unwrap().push((cause.to_string(), thread::current().id()));
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The causes since the last look.
    fn causes(&self) -> Vec<String> {
        self.0.lock().unwrap().drain(..).map(|(cause, _)| cause).collect()
    }
}

/// Waits for a word on a channel, which only its hook says; what was raised then.
fn wait_for_hook() -> Option<Interrupted> {
    let (say, said) = mpsc::channel();
    with_hook(
        move |_| say.send(()).unwrap(),
        || {
            said.recv().unwrap();
            checkpoint().err()
        },
    )
}

// Requests.

#[test]
fn the_requester_runs_the_hook_before_it_returns() {
    watched("the_requester_runs_the_hook_before_it_returns", || {
        let runs = Arc::new(Runs::default());
        let noted = runs.clone();
        let (say, said) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let thread = eintr::spawn(move || {
            with_hook(
                |cause| {
                    noted.note(cause);
                    say.send(()).unwrap();
                },
                || {
                    begin.send(()).unwrap();
                    said.recv().unwrap();
                    checkpoint().unwrap_err().to_string()
                },
            )
        });
        begun.recv().unwrap();
        thread.interrupter().interrupt_with("now");
        assert_eq!(*runs.0.lock().unwrap(), [("interrupted: now".into(), thread::current().id())]);
        thread.interrupt();
        assert_eq!(thread.join().unwrap(), "interrupted: now");
        assert_eq!(runs.count(), 1, "armed is armed");
    });
}

#[test]
fn an_armed_thread_runs_its_hook_at_once() {
    watched("an_armed_thread_runs_its_hook_at_once", || {
        let (task, interrupter) = task();
        interrupter.interrupt();
        let raised = task.run(|| {
            let runs = Cell::new(0);
            let runs = AssertSend(&runs);
            with_hook(move |_| runs.add(), || assert_eq!(runs.0.get(), 1));
            wait_for_hook()
        });
        assert!(raised.is_some());
    });
}

/// A counter that the test's own thread alone touches.
#[derive(Clone, Copy)]
struct AssertSend<'a>(&'a Cell<u32>);

// SAFETY: these hooks are run by the thread that has them.
unsafe impl Send for AssertSend<'_> {}

impl AssertSend<'_> {
    fn add(&self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_hook_is_run_again_when_the_thread_is_armed_again() {
    watched("a_hook_is_run_again_when_the_thread_is_armed_again", || {
        let runs = Runs::default();
        let (task, interrupter) = task();
        task.run(|| {
            with_hook(
                |cause| runs.note(cause),
                || {
                    assert_eq!(runs.count(), 0);
                    for round in 1..=3 {
                        interrupter.interrupt_with(format!("round {round}"));
                        interrupter.interrupt_with("another");
                        assert_eq!(runs.causes(), [format!("interrupted: round {round}")]);
                        assert!(take().is_some() && is_interrupted(), "the other one stands");
                        assert!(take().is_some() && !is_interrupted());
                    }
                    // A task inside, with a request of its own.
                    let (inner, interrupter) = eintr::task();
                    interrupter.interrupt_with("inner");
                    inner.run(|| assert_eq!(runs.causes(), ["interrupted: inner"]));
                    assert_eq!(runs.count(), 0);
                },
            );
            interrupter.interrupt();
            assert_eq!(runs.count(), 0, "it has ended");
        });
    });
}

#[test]
fn hooks_nest() {
    watched("hooks_nest", || {
        let order = Mutex::new(Vec::new());
        let note = |name| order.lock().unwrap().push(name);
        let noted = || std::mem::take(&mut *order.lock().unwrap());
        let (task, interrupter) = task();
        task.run(|| {
            with_hook(
                |_| note("outer"),
                || {
                    with_hook(
                        |_| note("inner"),
                        || {
                            interrupter.interrupt();
                            assert_eq!(noted(), ["inner", "outer"]);
                            with_hook(|_| note("late"), || assert_eq!(noted(), ["late"]));
                            take();
                        },
                    );
                    interrupter.interrupt();
                    assert_eq!(noted(), ["outer"]);
                },
            );
        });
    });
}

#[test]
fn a_hook_of_a_thread_without_a_task_waits_for_one() {
    watched("a_hook_of_a_thread_without_a_task_waits_for_one", || {
        let runs = Runs::default();
        with_hook(
            |cause| runs.note(cause),
            || {
                assert_eq!(runs.count(), 0);
                let (task, interrupter) = task();
                task.run(|| {
                    interrupter.interrupt();
                    assert_eq!(runs.causes().len(), 1);
                });
                let (task, interrupter) = eintr::task();
                interrupter.interrupt();
                task.run(|| assert_eq!(runs.causes().len(), 1));
            },
        );
        assert_eq!(with_hook(|_| unreachable!(), || 7), 7);
    });
}

#[test]
fn a_hook_may_use_the_library() {
    watched("a_hook_may_use_the_library", || {
        let (task, interrupter) = task();
        let other = eintr::task();
        let others = Runs::default();
        task.run(|| {
            let runs = AtomicUsize::new(0);
            let hook = |cause: &Interrupted| {
                runs.fetch_add(1, Ordering::Relaxed);
                assert!(
                    checkpoint().is_ok()
                        && take().is_none()
                        && cause.downcast_ref::<std::fmt::Error>().is_none()
                );
                interrupter.interrupt();
                other.1.interrupt();
                with_hook(|_| unreachable!("what is interrupted is outside"), || ());
                let (inner, asked) = eintr::task();
                inner.run(|| {
                    with_hook(
                        |cause| others.note(cause),
                        || {
                            asked.interrupt();
                            assert!(checkpoint().is_err());
                        },
                    );
                });
            };
            with_hook(hook, || {
                interrupter.interrupt();
                assert_eq!(runs.load(Ordering::Relaxed), 1);
            });
        });
        assert_eq!(others.count(), 1);
        assert!(other.0.run(checkpoint).is_err());
    });
}

#[test]
fn the_hook_of_another_is_run_though_the_requester_is_interrupted() {
    watched("the_hook_of_another_is_run_though_the_requester_is_interrupted", || {
        let (reader, writer) = pipe();
        let (begin, begun) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let sleeper = eintr::spawn(move || {
            with_hook(
                // A plain write: a reached thread's would be refused.
                move |_| {
                    checkpoint().unwrap();
                    thread::sleep(Duration::from_millis(1));
                    assert_eq!(nix::unistd::write(&writer, b"x"), Ok(1));
                    say.send(()).unwrap();
                },
                || {
                    begin.send(()).unwrap();
                    said.recv().unwrap();
                    mask(|| own_read(&reader)).unwrap()
                },
            )
        });
        begun.recv().unwrap();
        let interrupter = sleeper.interrupter();
        let (task, own) = task();
        own.interrupt();
        let runs = Runs::default();
        task.run(|| {
            with_hook(
                |cause| runs.note(cause),
                || {
                    assert_eq!(runs.count(), 1);
                    interrupter.interrupt();
                    assert!(
                        is_interrupted() && runs.count() == 1,
                        "its own hook has been run before"
                    );
                },
            );
        });
        assert_eq!(sleeper.join().unwrap(), b'x');
    });
}

// Masks.

#[test]
fn a_masked_hook_is_run_at_the_masks_end() {
    watched("a_masked_hook_is_run_at_the_masks_end", || {
        let runs = Runs::default();
        let (task, interrupter) = task();
        task.run(|| {
            with_hook(
                |cause| runs.note(cause),
                || {
                    mask(|| {
                        interrupter.interrupt();
                        assert_eq!(runs.count(), 0);
                        // What is interrupted in there is not what the hook is for.
                        let (inner, asked) = eintr::task();
                        inner.run(|| {
                            let inner_runs = Runs::default();
                            with_hook(
                                |cause| inner_runs.note(cause),
                                || drop(asked.interrupt_with("inner")),
                            );
                            assert_eq!(inner_runs.causes(), ["interrupted: inner"]);
                        });
                        assert_eq!(runs.count(), 0);
                    });
                    assert_eq!(runs.causes(), ["interrupted"]);
                },
            );
        });
    });
}

#[test]
fn a_mask_does_not_have_it_run_again() {
    watched("a_mask_does_not_have_it_run_again", || {
        let runs = Runs::default();
        let (task, interrupter) = task();
        task.run(|| {
            with_hook(
                |cause| runs.note(cause),
                || {
                    interrupter.interrupt();
                    assert_eq!(runs.causes().len(), 1);
                    mask(|| ());
                    cleanup(HOUR, || mask(|| ()));
                    Task::root().run(|| ());
                    mask(|| drop(interrupter.interrupt_with("more")));
                    assert_eq!(runs.count(), 0);
                    while take().is_some() {}
                    mask(|| drop(interrupter.interrupt_with("anew")));
                    assert_eq!(runs.causes(), ["interrupted: anew"]);
                },
            );
        });
    });
}

#[test]
fn a_root_task_is_none_of_the_hooks_business() {
    watched("a_root_task_is_none_of_the_hooks_business", || {
        let runs = Runs::default();
        let (task, interrupter) = task();
        task.run(|| {
            with_hook(
                |cause| runs.note(cause),
                || {
                    let stranger = Task::root();
                    let asked = stranger.interrupter();
                    stranger.run(|| {
                        asked.interrupt();
                        interrupter.interrupt_with("outside");
                        within(Duration::ZERO, || ());
                        assert!(checkpoint().is_err() && runs.count() == 0);
                    });
                    assert_eq!(runs.causes(), ["interrupted: outside"]);
                },
            );
        });
    });
}

// Deadlines.

#[test]
fn the_hook_thread_runs_hooks_at_deadlines() {
    watched("the_hook_thread_runs_hooks_at_deadlines", || {
        let name = Mutex::new(String::new());
        let wait = || {
            let (say, said) = mpsc::channel();
            with_hook(
                |cause| {
                    let here = thread::current().name().unwrap_or_default().to_owned();
                    *name.lock().unwrap() = format!("{here}: {cause}");
                    say.send(()).unwrap();
                },
                || said.recv().unwrap(),
            );
            checkpoint().is_err()
        };
        // The deadline is there before the hook. (The machine may be so slow that it has passed by
        // then, and the thread runs it by itself.)
        let mut by_hook_thread = false;
        while !by_hook_thread {
            assert!(within(SHORT, wait).value);
            let told = std::mem::take(&mut *name.lock().unwrap());
            by_hook_thread = told == "eintr-hooks: deadline passed";
            assert!(told.ends_with("deadline passed"), "{told}");
        }
        // The hook is there before the deadline.
        let (say, said) = mpsc::channel();
        with_hook(
            move |_| say.send(()).unwrap(),
            || {
                for _ in 0..5 {
                    let result: Result<(), eintr::Error> = timeout(SHORT, || {
                        said.recv().unwrap();
                        Ok(checkpoint()?)
                    });
                    assert_eq!(
                        std::io::Error::from(result.unwrap_err()).kind(),
                        std::io::ErrorKind::TimedOut
                    );
                    assert!(said.try_recv().is_err(), "once");
                }
            },
        );
    });
}

#[test]
fn a_deadline_that_has_passed_before() {
    watched("a_deadline_that_has_passed_before", || {
        let runs = Runs::default();
        let here = thread::current().id();
        within(Duration::ZERO, || {
            with_hook(
                |cause| runs.note(cause),
                || {
                    assert_eq!(runs.count(), 1);
                    // Another one inside is no other arming, nor is its end.
                    within(Duration::ZERO, || assert!(is_interrupted()));
                    assert!(is_interrupted() && runs.count() == 1);
                },
            );
        });
        with_hook(
            |cause| runs.note(cause),
            || {
                within(Duration::ZERO, || assert_eq!(runs.count(), 2));
                within(Duration::ZERO, || assert_eq!(runs.count(), 3));
                within(HOUR, || assert_eq!(runs.count(), 3));
            },
        );
        assert!(
            runs.0
                .lock()
                .unwrap()
                .iter()
                .all(|(cause, id)| cause == "deadline passed" && *id == here)
        );
    });
}

#[test]
fn a_deadline_under_a_mask() {
    watched("a_deadline_under_a_mask", || {
        let runs = Runs::default();
        within(Duration::from_millis(1), || {
            mask(|| {
                thread::sleep(Duration::from_millis(2));
                with_hook(
                    |cause| runs.note(cause),
                    || {
                        // A deadline of its own is in force there.
                        within(Duration::ZERO, || assert_eq!(runs.causes().len(), 1));
                    },
                );
            });
            with_hook(|cause| runs.note(cause), || assert_eq!(runs.causes().len(), 1));
        });
        let outside = Runs::default();
        within(Duration::from_millis(1), || {
            with_hook(
                |cause| outside.note(cause),
                || {
                    mask(|| thread::sleep(Duration::from_millis(2)));
                    // It may have passed before the mask began; by now it has been run, and once.
                    assert_eq!(outside.count(), 1);
                },
            );
        });
    });
}

#[test]
fn no_thread_without_a_deadline() {
    child::alone(|| {
        let hook_threads = || test_support::threads_named("eintr-hooks");
        let (task, interrupter) = task();
        task.run(|| with_hook(|_| (), || drop(interrupter.interrupt())));
        within(HOUR, || ());
        within(Duration::from_millis(1), || eintr::time::sleep(Duration::MAX).unwrap_err());
        assert_eq!(hook_threads(), 0);
        within(HOUR, || with_hook(|_| (), || ()));
        within(HOUR, || with_hook(|_| (), || within(SHORT, || ())));
        wait_until("there is one", || hook_threads() == 1);
    });
}

#[test]
fn no_thread_to_be_had() {
    if skipped_under_emulation("no thread to be had", "the emulator needs the calls itself") {
        return;
    }
    child::alone(|| {
        within(HOUR, || ());
        forbid(libc::SYS_clone3);
        forbid(libc::SYS_clone);
        let refused = |begin: &dyn Fn()| {
            let payload = catch_unwind(AssertUnwindSafe(begin)).expect_err("it begins");
            let message = payload.downcast_ref::<String>().expect("a message");
            assert!(message.contains("cannot be started"), "{message}");
            assert_eq!(eintr::remaining(), None);
        };
        let not_run = || unreachable!("the body is run");
        refused(&|| within(HOUR, || with_hook(|_| (), not_run)).value);
        refused(&|| with_hook(|_| (), || within(HOUR, not_run)).value);
        // Nothing is left of them, and either alone needs no thread.
        with_hook(|_| (), || ());
        assert!(within(SHORT, || eintr::time::sleep(Duration::MAX).unwrap_err()).expired);
    });
}

// The end.

#[test]
fn with_hook_returns_when_its_hook_is_not_running() {
    watched("with_hook_returns_when_its_hook_is_not_running", || {
        for nested in [false, true] {
            let (task, interrupter) = task();
            let [begun, runs, has_run, went_on] = [const { AtomicBool::new(false) }; 4];
            let (release, released) = mpsc::channel::<()>();
            let released = Mutex::new(released);
            let hook = |_: &Interrupted| {
                runs.store(true, Ordering::Relaxed);
                released.lock().unwrap().recv().unwrap();
                assert!(!went_on.load(Ordering::Relaxed));
                has_run.store(true, Ordering::Relaxed);
            };
            let go_on = || {
                assert!(has_run.load(Ordering::Relaxed));
                went_on.store(true, Ordering::Relaxed);
            };
            let body = || {
                begun.store(true, Ordering::Relaxed);
                wait_until("it runs", || runs.load(Ordering::Relaxed));
                if nested {
                    // A mask is not to be disturbed by what was meant for outside of it.
                    mask(go_on);
                }
            };
            thread::scope(|s| {
                let target = s.spawn(|| {
                    task.run(|| {
                        with_hook(hook, body);
                        go_on();
                    });
                });
                wait_until("the body has begun", || begun.load(Ordering::Relaxed));
                let requester = s.spawn(|| drop(interrupter.interrupt()));
                wait_until("it runs", || runs.load(Ordering::Relaxed));
                // Time to go on, for one that would.
                (0..1000).for_each(|_| thread::yield_now());
                release.send(()).unwrap();
                requester.join().unwrap();
                target.join().unwrap();
            });
        }
    });
}

#[test]
fn a_panic_of_the_hook_goes_on_where_it_was_given() {
    watched("a_panic_of_the_hook_goes_on_where_it_was_given", || {
        let quietly = |_: &Interrupted| std::panic::resume_unwind(Box::new("hook"));
        let (begin, begun) = mpsc::channel();
        let sleeper = eintr::spawn(move || {
            let runs = AtomicUsize::new(0);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                with_hook(
                    |cause| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        quietly(cause)
                    },
                    || {
                        begin.send(()).unwrap();
                        wait_until("it is armed", is_interrupted);
                        // Whatever comes, it is not run again.
                        take();
                        eintr::Interrupter::current().unwrap().interrupt();
                        take();
                    },
                )
            }));
            (*caught.unwrap_err().downcast::<&str>().unwrap(), runs.into_inner())
        });
        begun.recv().unwrap();
        sleeper.interrupt();
        assert_eq!(sleeper.join().unwrap(), ("hook", 1));
        // A body that panics has the word.
        let caught = catch_unwind(|| {
            within(Duration::ZERO, || {
                with_hook(quietly, || std::panic::resume_unwind(Box::new("body")))
            })
        });
        assert_eq!(
            caught.map(|_: eintr::Within<()>| ()).unwrap_err().downcast_ref(),
            Some(&"body")
        );
        // And neither leaves anything behind.
        assert!(within(Duration::ZERO, wait_for_hook).value.is_some());
    });
}

#[test]
fn two_that_interrupt_each_other() {
    watched("two_that_interrupt_each_other", || {
        for _ in 0..if emulated() { 50 } else { 500 } {
            let [(one, ask_one), (two, ask_two)] = [task(), task()];
            let barrier = std::sync::Barrier::new(2);
            let contest = |task: Task, other: &eintr::Interrupter| {
                task.run(|| {
                    let (say, said) = mpsc::channel();
                    with_hook(
                        move |_| say.send(()).unwrap(),
                        || {
                            barrier.wait();
                            other.interrupt();
                            said.recv().unwrap();
                            checkpoint().unwrap_err()
                        },
                    )
                })
            };
            thread::scope(|s| {
                s.spawn(|| contest(one, &ask_two));
                s.spawn(|| contest(two, &ask_one));
            });
        }
    });
}

#[test]
fn a_group_is_asked_before_any_hook_is_run() {
    watched("a_group_is_asked_before_any_hook_is_run", || {
        let group = Group::new();
        let (begin, begun) = mpsc::channel();
        let slow_begin = begin.clone();
        let quick_has_ended = Arc::new(AtomicBool::new(false));
        let ended = quick_has_ended.clone();
        group.spawn(move || {
            let (say, said) = mpsc::channel();
            let hook = move |_: &Interrupted| {
                wait_until("the quick one has ended", || ended.load(Ordering::Relaxed));
                say.send(()).unwrap();
            };
            with_hook(hook, || {
                slow_begin.send(0).unwrap();
                said.recv().unwrap();
            });
        });
        begun.recv().unwrap();
        let ended = quick_has_ended.clone();
        group.spawn(move || {
            begin.send(test_support::gettid()).unwrap();
            eintr::time::sleep(Duration::MAX).unwrap_err();
            ended.store(true, Ordering::Relaxed);
        });
        wait_until_blocked(begun.recv().unwrap(), libc::SYS_clock_nanosleep);
        group.stop(LIMIT).unwrap();
    });
}

#[test]
fn hooks_of_a_scopes_threads() {
    watched("hooks_of_a_scopes_threads", || {
        let (outer, interrupter) = task();
        outer.run(|| {
            let raised = eintr::scope(|s| {
                let (begin, begun) = mpsc::channel();
                let threads: Vec<_> = (0..3)
                    .map(|_| {
                        let begin = begin.clone();
                        s.spawn(move || {
                            let (say, said) = mpsc::channel();
                            with_hook(
                                move |_| say.send(()).unwrap(),
                                || {
                                    begin.send(()).unwrap();
                                    said.recv().unwrap();
                                    checkpoint().unwrap_err().to_string()
                                },
                            )
                        })
                    })
                    .collect();
                (0..3).for_each(|_| begun.recv().unwrap());
                interrupter.interrupt_with("outer");
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(raised, ["interrupted: outer"; 3]);
        });
        let late = within(SHORT, || eintr::scope(|s| s.spawn(wait_for_hook).join().unwrap()));
        assert!(late.value.is_some());
        // What the body takes, and is asked again, wakes a thread again.
        eintr::scope(|s| {
            let (tell, told) = mpsc::channel();
            let (say, said) = mpsc::channel();
            s.spawn(move || {
                with_hook(
                    move |_| say.send(()).unwrap(),
                    || {
                        tell.send(()).unwrap();
                        for _ in 0..3 {
                            said.recv().unwrap();
                            wait_until("it was taken", || !is_interrupted());
                            tell.send(()).unwrap();
                        }
                    },
                );
            });
            told.recv().unwrap();
            for _ in 0..3 {
                s.interrupt();
                assert!(take().is_some());
                told.recv().unwrap();
            }
        });
    });
}

#[test]
fn no_wake_up_is_lost() {
    watched("no_wake_up_is_lost", || {
        let (hand_out, handed) = mpsc::channel::<eintr::Interrupter>();
        let requester = thread::spawn(move || {
            for (number, interrupter) in handed.into_iter().enumerate() {
                (0..number % 7).for_each(|_| thread::yield_now());
                interrupter.interrupt();
            }
        });
        for round in 0..if emulated() { 200 } else { 5_000 } {
            let (task, interrupter) = task();
            hand_out.send(interrupter).unwrap();
            task.run(|| match round % 4 {
                0 => drop(wait_for_hook().unwrap()),
                1 => mask(|| Task::new().run(|| ())),
                2 => with_hook(|_| (), || mask(|| ())),
                _ => {
                    let inner = within(Duration::from_micros(round % 97), wait_for_hook);
                    assert!(inner.value.is_some());
                }
            });
        }
        drop(hand_out);
        requester.join().unwrap();
    });
}

#[test]
fn a_hook_across_a_fork() {
    child::alone(|| {
        let (task, interrupter) = task();
        let runs = Runs::default();
        let (say, said) = mpsc::channel();
        task.run(|| {
            with_hook(
                |cause| {
                    runs.note(cause);
                    say.send(()).unwrap();
                },
                || {
                    within(SHORT, || said.recv().unwrap());
                    // SAFETY: the child runs code of ours, whose locks are not copied while held.
                    match unsafe { nix::unistd::fork() }.unwrap() {
                        nix::unistd::ForkResult::Child => {
                            // By this thread, and by a hook thread of this process's.
                            interrupter.interrupt();
                            let mut well = said.recv().is_ok() && take().is_some();
                            within(SHORT, || well &= said.recv().is_ok());
                            well &= runs.count() == 3;
                            // SAFETY: ends the process without the test harness's leave.
                            unsafe { libc::_exit(i32::from(!well)) }
                        }
                        nix::unistd::ForkResult::Parent { child } => {
                            let status = nix::sys::wait::waitpid(child, None).unwrap();
                            assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 0));
                        }
                    }
                    assert_eq!(runs.count(), 1);
                },
            );
        });
    });
}
