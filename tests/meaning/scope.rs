//! Scopes: the body and its threads are one, nothing escapes, all end, and what is in force around
//! a scope is in force in all of it.
//!
//! The tests here work like this: threads sleep in calls that nothing ends but an interrupt, so
//! that a scope that misses one does not end, and the watchdog says so. (What must not compile is
//! in the documentation of `scope` and `try_scope`.)

use std::io::{self, Read};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use eintr::{
    Builder, Error, Interrupted, Interrupter, Outcome, Reason, TimedOut, checkpoint,
    is_interrupted, mask, scope, take, task, timeout, try_scope, try_scope_all, within,
};
use test_support::target::{is_interrupt, own_read, pipe, raised, sleep, wait_until_armed};
use test_support::{
    LIMIT, child, emulated, gettid, skipped_under_emulation, target, wait_until,
    wait_until_blocked, watched,
};

const SHORT: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

// One.

#[test]
fn a_scope_borrows_and_joins() {
    let numbers = [1, 2, 3, 4];
    let mut doubled = [0; 4];
    let sum: i32 = scope(|s| {
        for (number, double) in numbers.iter().zip(&mut doubled) {
            s.spawn(move || *double = number * 2);
        }
        let sum = s.spawn(|| numbers.iter().sum::<i32>());
        let thread = s.spawn(|| thread::current().id());
        assert_eq!(thread.thread().id(), thread.join().unwrap());
        sum.join().unwrap()
    });
    assert_eq!((sum, doubled), (10, [2, 4, 6, 8]));
}

#[test]
fn the_interrupter_reaches_the_body_and_all_threads() {
    watched("the_interrupter_reaches_the_body_and_all_threads", || {
        let (silent, _peer) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (reader, _writer) = pipe();
        let (hand_out, interrupter) = mpsc::channel::<Interrupter>();
        let requester = thread::spawn(move || {
            let interrupter = interrupter.recv().unwrap();
            wait_until("all are there", || interrupter.report().started);
            interrupter.interrupt_with("enough").wait(LIMIT);
            interrupter.wait_finished(LIMIT).unwrap();
        });
        scope(|s| {
            let plain = s.spawn(|| (&silent).read(&mut [0; 8]));
            let accepts = s.spawn(|| listener.accept().map(drop));
            let ours = s.spawn(|| own_read(&reader));
            let nested = s.spawn(|| s.spawn(sleep).join().unwrap());
            let computes = s.spawn(|| {
                wait_until_armed();
                raised()
            });
            hand_out.send(s.interrupter()).unwrap();
            assert!(is_interrupt(&sleep()));
            assert!(plain.join().unwrap().is_err() && accepts.join().unwrap().is_err());
            assert!(is_interrupt(&ours.join().unwrap()) && is_interrupt(&nested.join().unwrap()));
            assert_eq!(computes.join().unwrap(), "interrupted: enough");
            // And those that are yet to come.
            assert!(s.spawn(checkpoint).join().unwrap().is_err());
        });
        requester.join().unwrap();
    });
}

#[test]
fn one_thread_is_interrupted_by_itself() {
    watched("one_thread_is_interrupted_by_itself", || {
        scope(|s| {
            let (release, released) = mpsc::channel::<()>();
            let other = s.spawn(move || {
                released.recv().unwrap();
                checkpoint()
            });
            let one = s.spawn(sleep);
            let outcome = one.interrupt().wait(LIMIT);
            assert!(matches!(outcome, Outcome::Raised | Outcome::Finished), "{outcome:?}");
            one.wait().unwrap();
            assert!(one.interrupter().raised().is_some());
            assert!(one.join().unwrap().is_err());
            release.send(()).unwrap();
            assert!(other.join().unwrap().is_ok() && checkpoint().is_ok());
        });
    });
}

#[test]
fn a_scope_is_finished_when_all_of_it_is() {
    watched("a_scope_is_finished_when_all_of_it_is", || {
        let (release, released) = mpsc::channel::<()>();
        let (hand_out, handed) = mpsc::channel();
        let scoped = thread::spawn(move || {
            scope(|s| {
                s.spawn(move || released.recv().unwrap());
                hand_out.send(s.interrupter()).unwrap();
            });
        });
        let interrupter = handed.recv().unwrap();
        // The body is over, or about to be; the thread is not, and a request does not end it.
        interrupter.interrupt();
        let report = interrupter.wait_finished(Duration::from_millis(5)).unwrap_err();
        assert!(!interrupter.is_finished() && report.pending_for.is_some());
        release.send(()).unwrap();
        scoped.join().unwrap();
        assert!(interrupter.is_finished());
    });
}

#[test]
fn a_thread_that_cannot_be_made_is_an_error() {
    scope(|s| {
        let huge = Builder::new().stack_size(usize::MAX / 4);
        assert!(s.spawn_with(huge, || ()).is_err());
        let named = Builder::new().name("named".into());
        let name = s.spawn_with(named, || thread::current().name().map(str::to_owned)).unwrap();
        assert_eq!(name.join().unwrap().as_deref(), Some("named"));
    });
}

#[test]
fn a_thread_that_asks_its_own_scope_is_answered_at_once() {
    watched("a_thread_that_asks_its_own_scope_is_answered_at_once", || {
        scope(|s| {
            let asks = s.spawn(|| {
                // It would have to raise by itself, and the body waits for it.
                let outcome = s.interrupt().wait(Duration::MAX);
                let ended = s.interrupter().wait_finished(Duration::MAX);
                matches!(outcome, Outcome::Stuck(_)) && ended.is_err()
            });
            assert!(asks.join().unwrap());
            assert!(take().is_some());
        });
    });
}

// try_scope.

#[test]
fn the_first_error_interrupts_the_rest_and_is_returned() {
    watched("the_first_error_interrupts_the_rest_and_is_returned", || {
        let ended = AtomicUsize::new(0);
        let result: Result<(), io::Error> = try_scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    let slept = sleep();
                    ended.fetch_add(1, Ordering::Relaxed);
                    Ok(slept?)
                });
            }
            s.spawn(|| Err::<(), _>(io::Error::other("first")));
            sleep()?;
            Ok(())
        });
        assert_eq!(result.unwrap_err().to_string(), "first");
        assert_eq!(ended.into_inner(), 4);
    });
}

#[test]
fn the_bodys_error_interrupts_the_threads() {
    watched("the_bodys_error_interrupts_the_threads", || {
        let (silent, _peer) = UnixStream::pair().unwrap();
        let result: Result<(), &str> = try_scope(|s| {
            s.spawn(|| (&silent).read(&mut [0; 8]).map(drop).map_err(|_| "later"));
            Err("body")
        });
        assert_eq!(result, Err("body"));
    });
}

#[test]
fn an_error_is_returned_though_the_body_is_content() {
    watched("an_error_is_returned_though_the_body_is_content", || {
        let result: Result<u8, &str> = try_scope(|s| {
            let failed = s.spawn(|| Err::<(), _>("failed"));
            let told = failed.join().unwrap().unwrap_err();
            assert_eq!(told.to_string(), "interrupted: another part of the scope failed");
            assert!(is_interrupted());
            // The body goes on as if nothing had been; but the scope has failed.
            assert!(take().is_some());
            s.spawn(|| Err::<(), _>("second"));
            Ok(7)
        });
        assert_eq!(result, Err("failed"));
    });
}

#[test]
fn a_scope_without_errors_returns_the_bodys_value() {
    let numbers = [1, 2, 3];
    let result = try_scope(|s| {
        let threads: Vec<_> = numbers.iter().map(|n| s.spawn(move || Ok(n * 2))).collect();
        let doubled = threads.into_iter().map(|thread| thread.join().unwrap());
        Ok::<_, Error>(doubled.sum::<Result<i32, Interrupted>>()?)
    });
    assert_eq!(result.unwrap(), 12);
}

#[test]
fn errors_may_borrow() {
    let texts = [String::from("one"), String::from("two")];
    let result: Result<(), &String> = try_scope(|s| {
        s.spawn(|| Err::<(), _>(&texts[1]));
        Ok(())
    });
    assert_eq!(result, Err(&texts[1]));
}

#[test]
fn errors_that_are_not_returned_are_dropped_once() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = AtomicUsize::new(0);
    let result: Result<(), Counted> = try_scope(|s| {
        for _ in 0..5 {
            s.spawn(|| Err::<(), _>(Counted(&dropped)));
        }
        Err(Counted(&dropped))
    });
    assert_eq!(dropped.load(Ordering::Relaxed), 5);
    drop(result);
    assert_eq!(dropped.load(Ordering::Relaxed), 6);
}

// Panics.

#[test]
fn a_body_that_panics_interrupts_its_threads() {
    watched("a_body_that_panics_interrupts_its_threads", || {
        let (silent, _peer) = UnixStream::pair().unwrap();
        let payload = catch_unwind(AssertUnwindSafe(|| {
            scope(|s| {
                s.spawn(sleep);
                s.spawn(|| (&silent).read(&mut [0; 8]));
                let (reader, _writer) = pipe();
                s.spawn(move || own_read(&reader));
                std::panic::resume_unwind(Box::new("the body's"))
            })
        }))
        .unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"the body's"));
        assert!(checkpoint().is_ok());
    });
}

#[test]
fn a_thread_that_panics_has_the_scope_panic_and_not_the_others_interrupted() {
    watched("a_thread_that_panics", || {
        let (release, released) = mpsc::channel::<()>();
        let unharmed = AtomicBool::new(false);
        let unharmed = &unharmed;
        let payload = catch_unwind(AssertUnwindSafe(|| {
            scope(|s| {
                let other = s.spawn(move || {
                    released.recv().unwrap();
                    unharmed.store(checkpoint().is_ok(), Ordering::Relaxed);
                });
                let joined = s.spawn(|| std::panic::resume_unwind(Box::new("joined")));
                let payload = joined.join().unwrap_err();
                assert_eq!(payload.downcast_ref(), Some(&"joined"));
                let left = s.spawn(|| std::panic::resume_unwind(Box::new("left")));
                wait_until("it has panicked", || left.is_finished());
                release.send(()).unwrap();
                other.join().unwrap();
            })
        }))
        .unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"a scoped thread panicked"));
        assert!(unharmed.load(Ordering::Relaxed));
    });
}

#[test]
fn a_scopes_panic_names_the_line_of_its_call() {
    child::alone(|| {
        let (tell, told) = mpsc::channel();
        std::panic::set_hook(Box::new(move |panic| {
            tell.send(panic.location().unwrap().file().to_owned()).unwrap();
        }));
        let panics = || scope(|s| drop(s.spawn(|| std::panic::resume_unwind(Box::new("ours")))));
        catch_unwind(panics).unwrap_err();
        assert_eq!(told.recv().unwrap(), file!());
    });
}

/// The first has interrupted the others, and is told first.
#[test]
fn all_errors_can_be_kept() {
    watched("all_errors_can_be_kept", || {
        let result: Result<(), Vec<String>> = try_scope_all(|s| {
            for number in 0..3 {
                s.spawn(move || {
                    let slept =
                        eintr::time::sleep(Duration::MAX).map_err(|error| error.to_string());
                    slept.map_err(|error| format!("{number}: {error}"))
                });
            }
            Err("the body".to_owned())
        });
        let mut errors = result.unwrap_err();
        assert_eq!(errors.remove(0), "the body");
        errors.sort_unstable();
        let told = "interrupted: another part of the scope failed";
        assert_eq!(errors, [0, 1, 2].map(|number| format!("{number}: {told}")));
        let result = try_scope_all(|s| Ok::<u8, &str>(s.spawn(|| Ok(7)).join().unwrap().unwrap()));
        assert_eq!(result, Ok(7));
        let result =
            try_scope_all(|s| s.spawn(|| Err::<(), _>("thread")).join().unwrap().or(Ok(())));
        assert_eq!(result, Err(vec!["thread"]), "though the body has swallowed it");
    });
}

#[test]
fn a_thread_that_panics_in_a_try_scope_interrupts_the_others() {
    watched("a_thread_that_panics_in_a_try_scope", || {
        let result: Result<(), Error> = try_scope(|s| {
            let sleeps = s.spawn(sleep);
            let panics = s.spawn(|| -> Result<(), _> { std::panic::resume_unwind(Box::new(1)) });
            assert!(sleeps.join().unwrap().is_err());
            panics.join().unwrap_err();
            Ok(())
        });
        assert!(result.unwrap_err().interrupted().is_some());
        let panicked = catch_unwind(|| {
            try_scope(|s| {
                s.spawn(sleep);
                if s.interrupter().is_finished() {
                    Ok(())
                } else {
                    std::panic::resume_unwind(Box::new(2))
                }
            })
        });
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&2));
    });
}

#[test]
fn the_join_at_the_end_is_not_interrupted() {
    watched("the_join_at_the_end_is_not_interrupted", || {
        let (task, interrupter) = task();
        let ended = AtomicBool::new(false);
        let ended = &ended;
        task.run(|| {
            interrupter.interrupt();
            scope(|s| {
                s.interrupt();
                s.spawn(move || {
                    mask(|| thread::sleep(SHORT));
                    ended.store(true, Ordering::Relaxed);
                });
            });
            assert!(ended.load(Ordering::Relaxed) && checkpoint().is_err());
        });
    });
}

// Tasks around it.

#[test]
fn who_interrupts_a_task_interrupts_the_scopes_in_it() {
    watched("who_interrupts_a_task_interrupts_the_scopes_in_it", || {
        for nested in [false, true] {
            let (outer, interrupter) = task();
            let (tell, told) = mpsc::channel();
            let thread = thread::spawn(move || {
                outer.run(|| {
                    let inner = |tell: mpsc::Sender<i32>| {
                        scope(|s| {
                            for _ in 0..3 {
                                let tell = tell.clone();
                                s.spawn(move || {
                                    tell.send(gettid()).unwrap();
                                    assert!(is_interrupt(&sleep()));
                                    raised()
                                });
                            }
                        })
                    };
                    if nested {
                        scope(|s| drop(s.spawn(|| inner(tell))))
                    } else {
                        inner(tell)
                    }
                    raised()
                })
            });
            for tid in told.iter().take(3) {
                wait_until_blocked(tid, libc::SYS_clock_nanosleep);
            }
            // All of them sleep, and the caller itself is in a join that is not interrupted: so it
            // is one of them that raises.
            let request = interrupter.interrupt_with("from outside");
            assert!(matches!(request.wait(LIMIT), Outcome::Raised));
            assert_eq!(thread.join().unwrap(), "interrupted: from outside");
        }
    });
}

#[test]
fn the_outermost_cause_is_raised_first_in_threads_too() {
    watched("the_outermost_cause_is_raised_first_in_threads_too", || {
        let (outer, interrupter) = task();
        outer.run(|| {
            scope(|s| {
                let (go, gone) = mpsc::channel::<()>();
                let (show, shown) = mpsc::channel();
                let thread = s.spawn(move || {
                    for () in gone {
                        show.send((raised(), take().map(|i| i.to_string()))).unwrap();
                    }
                });
                let ask = |what: &dyn Fn()| {
                    what();
                    go.send(()).unwrap();
                    shown.recv().unwrap()
                };
                let text = |text: &str| format!("interrupted: {text}");
                let own = thread.interrupter();
                // Its own it takes.
                let own_only = ask(&|| drop(own.interrupt_with("own")));
                assert_eq!(own_only, (text("own"), Some(text("own"))));
                assert_eq!(ask(&|| ()), (String::new(), None));
                drop(own.interrupt_with("own"));
                // What was meant for more than itself it does not take, nor what is inside of that.
                assert_eq!(
                    ask(&|| drop(s.interrupter().interrupt_with("scope"))),
                    (text("scope"), None)
                );
                assert_eq!(
                    ask(&|| drop(interrupter.interrupt_with("outer"))),
                    (text("outer"), None)
                );
                assert!(take().is_none(), "nor does the body, for the outer one stands");
                drop(go);
                thread.join().unwrap();
            });
            assert_eq!(raised(), "interrupted: outer");
            assert!(take().is_some() && checkpoint().is_ok());
        });
    });
}

#[test]
fn what_the_body_takes_is_taken_from_all() {
    watched("what_the_body_takes_is_taken_from_all", || {
        scope(|s| {
            let (tell, told) = mpsc::channel();
            let (again, told_again) = mpsc::channel();
            let thread = s.spawn(move || {
                let first = is_interrupt(&sleep());
                tell.send(()).unwrap();
                wait_until("it is not armed any more", || !is_interrupted());
                let (reader, writer) = pipe();
                // What it does now is done as if nothing had been, by plain calls too.
                nix::unistd::write(&writer, b"x").unwrap();
                let plain = target::plain_read(&reader).unwrap();
                again.send(()).unwrap();
                first && plain == b'x' && is_interrupt(&sleep())
            });
            s.interrupt();
            told.recv().unwrap();
            assert!(take().is_some() && take().is_none());
            told_again.recv().unwrap();
            assert!(checkpoint().is_ok());
            s.interrupt();
            assert!(thread.join().unwrap());
        });
    });
}

#[test]
fn tasks_of_the_body_are_strangers_to_its_threads() {
    watched("tasks_of_the_body_are_strangers_to_its_threads", || {
        scope(|s| {
            let (stranger, asked) = task();
            let thread = s.spawn(move || {
                wait_until_armed();
                // It stands for itself: what the thread is otherwise doing is masked.
                let before = stranger.run(|| {
                    let unarmed = !is_interrupted();
                    asked.interrupt();
                    unarmed && checkpoint().is_err()
                });
                let (own, _) = task();
                before && own.run(is_interrupted) && is_interrupted()
            });
            s.interrupt();
            assert!(thread.join().unwrap());
            let current = s.spawn(|| Interrupter::current().unwrap());
            let own = current.interrupter();
            current.join().unwrap().interrupt();
            assert!(own.is_finished() && take().is_some() && checkpoint().is_ok());
        });
    });
}

#[test]
fn managed_threads_of_a_scope_inherit_nothing() {
    watched("managed_threads_of_a_scope_inherit_nothing", || {
        scope(|s| {
            s.interrupt();
            assert!(s.spawn(|| eintr::spawn(checkpoint).join().unwrap()).join().unwrap().is_ok());
            assert!(eintr::Group::new().spawn(checkpoint).join().unwrap().is_ok());
        });
    });
}

// Deadlines around it.

#[test]
fn threads_have_the_deadlines_of_the_caller() {
    watched("threads_have_the_deadlines_of_the_caller", || {
        let (silent, _peer) = UnixStream::pair().unwrap();
        let result: Result<(), io::Error> = timeout(SHORT, || {
            scope(|s| {
                let ours = s.spawn(sleep);
                let plain = s.spawn(|| (&silent).read(&mut [0; 8]));
                assert!(plain.join().unwrap().is_err());
                ours.join().unwrap()?;
                Ok(())
            })
        });
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let remaining = within(HOUR, || scope(|s| s.spawn(eintr::remaining).join().unwrap())).value;
        assert!(remaining.unwrap() <= HOUR && remaining.unwrap() > HOUR / 2);
        assert_eq!(scope(|s| s.spawn(eintr::remaining).join().unwrap()), None);
    });
}

#[derive(Debug, PartialEq)]
enum Told {
    TimedOut,
    Interrupted(String),
}

impl From<TimedOut> for Told {
    fn from(_: TimedOut) -> Self {
        Told::TimedOut
    }
}

impl From<Error> for Told {
    fn from(error: Error) -> Self {
        Told::Interrupted(error.to_string())
    }
}

#[test]
fn a_deadline_that_only_a_thread_has_raised_is_told() {
    watched("a_deadline_that_only_a_thread_has_raised_is_told", || {
        // The body does nothing that would raise.
        let told: Result<(), Told> = timeout(SHORT, || {
            try_scope(|s| {
                s.spawn(|| Ok(sleep()?));
                Ok(())
            })
        });
        assert_eq!(told, Err(Told::TimedOut));
        // It is the one that was raised which tells.
        let told: Result<(), Told> = timeout(HOUR, || {
            let inner: Result<(), Told> = timeout(SHORT, || {
                timeout(HOUR, || {
                    try_scope(|s| {
                        s.spawn(|| Ok(sleep()?));
                        Ok(())
                    })
                })
            });
            assert_eq!(inner, Err(Told::TimedOut));
            Err(Told::Interrupted("mine".into()))
        });
        assert_eq!(told, Err(Told::Interrupted("mine".into())));
        // A scope in a scope.
        let told: Result<(), Told> = timeout(SHORT, || {
            scope(|s| {
                let inner = || {
                    try_scope(|s| {
                        s.spawn(|| Ok(sleep()?));
                        Ok(())
                    })
                };
                s.spawn(inner).join().unwrap()
            })
        });
        assert_eq!(told, Err(Told::TimedOut));
    });
}

#[test]
fn deadlines_and_tasks_keep_their_order_in_threads() {
    watched("deadlines_and_tasks_keep_their_order_in_threads", || {
        let see = || scope(|s| s.spawn(raised).join().unwrap());
        let (outer, interrupter) = task();
        outer.run(|| {
            within(Duration::ZERO, || {
                let (inner, inner_interrupter) = task();
                inner.run(|| {
                    inner_interrupter.interrupt_with("inner");
                    assert_eq!(see(), "deadline passed");
                    interrupter.interrupt_with("outer");
                    assert_eq!(see(), "interrupted: outer");
                    // A mask hides them, and what is in it counts from there.
                    mask(|| {
                        assert_eq!(see(), "");
                        within(Duration::ZERO, || assert_eq!(see(), "deadline passed"));
                        let (innermost, interrupter) = task();
                        innermost.run(|| {
                            interrupter.interrupt_with("innermost");
                            within(Duration::ZERO, || assert_eq!(see(), "interrupted: innermost"));
                        });
                    });
                });
            });
        });
    });
}

// Masks around it.

#[test]
fn threads_are_masked_where_the_caller_is() {
    watched("threads_are_masked_where_the_caller_is", || {
        let (outer, interrupter) = task();
        outer.run(|| {
            interrupter.interrupt();
            mask(|| {
                scope(|s| {
                    let unarmed = s.spawn(|| checkpoint().is_ok() && !is_interrupted());
                    assert!(unarmed.join().unwrap());
                    let sleeps = s.spawn(sleep);
                    s.interrupt();
                    assert!(is_interrupt(&sleeps.join().unwrap()), "the scope is inside the mask");
                });
                // A mask in the body is the body's alone, for its threads inherit what is around
                // the scope.
                scope(|s| {
                    s.interrupt();
                    mask(|| assert!(s.spawn(checkpoint).join().unwrap().is_err()));
                });
            });
            assert!(checkpoint().is_err());
        });
    });
}

#[test]
fn threads_are_not_reached_where_the_caller_is_not() {
    watched("threads_are_not_reached_where_the_caller_is_not", || {
        let plain = |inner: bool| {
            scope(|s| {
                let (reader, _writer) = pipe();
                let (tell, told) = mpsc::channel();
                let builder = Builder::new().reach(inner);
                let thread = s.spawn_with(builder, move || {
                    tell.send(gettid()).unwrap();
                    target::plain_read(&reader)
                });
                wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
                s.interrupt();
                thread.unwrap().join().unwrap().unwrap_err().raw_os_error().unwrap()
            })
        };
        // The second-best way may find the call not begun yet, or begun.
        let reached = plain(true);
        assert!([libc::ECANCELED, libc::EINTR].contains(&reached), "{reached}");
        assert_eq!(plain(false), libc::EINTR);
        assert_eq!(target::unreached_task().0.run(|| plain(true)), libc::EINTR);
    });
}

// Processes.

/// Whether a child is neither running nor a zombie. (Not by waiting for any: those of the tests
/// beside this one are none of its business.)
fn is_reaped(child: u32) -> bool {
    let pid = nix::unistd::Pid::from_raw(child as i32);
    nix::sys::wait::waitpid(pid, None) == Err(nix::errno::Errno::ECHILD)
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command
}

#[test]
fn a_child_ends_with_the_scope() {
    watched("a_child_ends_with_the_scope", || {
        let (id, status) = scope(|s| {
            let mut child = s.command(Command::new("sleep").arg("1000")).unwrap();
            s.interrupt();
            assert!(is_interrupt(&child.wait()), "it is the body that is interrupted first");
            (child.id(), mask(|| child.wait()).unwrap())
        });
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        assert!(is_reaped(id));
    });
}

#[test]
fn a_child_that_ignores_the_request_is_killed() {
    watched("a_child_that_ignores_the_request_is_killed", || {
        scope(|s| {
            let mut command = sh("trap '' TERM; echo ready; exec sleep 1000");
            let mut child = s.command(command.stdout(Stdio::piped())).unwrap();
            child.set_grace(SHORT);
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
            child.interrupt();
            assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
            assert!(checkpoint().is_ok(), "the scope goes on");
            assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL), "asked again");
        });
    });
}

#[test]
fn a_child_that_is_given_no_time_is_killed() {
    watched("a_child_that_is_given_no_time_is_killed", || {
        let status = scope(|s| {
            let mut command = sh("trap '' TERM; echo ready; exec sleep 1000");
            let mut child = s.command(command.stdout(Stdio::piped())).unwrap();
            child.set_grace(Duration::ZERO);
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
            s.interrupt();
            mask(|| child.wait()).unwrap()
        });
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn a_child_that_is_given_time_ends_in_its_own_way() {
    watched("a_child_that_is_given_time_ends_in_its_own_way", || {
        scope(|s| {
            let mut command = sh("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
            let mut child = s.command(command.stdout(Stdio::piped())).unwrap();
            child.set_grace(Duration::MAX);
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
            child.interrupt();
            assert_eq!(child.wait().unwrap().code(), Some(7));
        });
    });
}

#[test]
fn a_scope_ends_after_its_child() {
    watched("a_scope_ends_after_its_child", || {
        let (reader, writer) = pipe();
        let cat = scope(|s| {
            let mut cat = Command::new("cat");
            let mut child = s.command(cat.stdin(Stdio::piped()).stdout(writer)).unwrap();
            let input = child.stdin.take().unwrap();
            nix::unistd::write(&input, b"x").unwrap();
            // `cat` ends with its input, which ends with the body.
            child.id()
        });
        assert_eq!(own_read(&reader).unwrap(), b'x');
        assert!(is_reaped(cat));
        let code = scope(|s| s.command(&mut sh("exit 3")).unwrap().wait().unwrap().code());
        assert_eq!(code, Some(3));
        // Waiting closes its input, as std's does.
        let cat = scope(|s| s.command(Command::new("cat").stdin(Stdio::piped())).unwrap().wait());
        assert!(cat.unwrap().success());
    });
}

#[test]
fn a_child_is_not_started_by_who_is_interrupted() {
    watched("a_child_is_not_started_by_who_is_interrupted", || {
        scope(|s| {
            s.interrupt();
            assert!(is_interrupt(&s.command(&mut sh("exit 0"))));
            take();
            let why = "it is not told that a program cannot be started";
            if skipped_under_emulation("a child that cannot be started", why) {
                return;
            }
            let nowhere = s.command(&mut Command::new("/nonexistent/program")).unwrap_err();
            assert!(matches!(nowhere, Error::Io(error) if error.kind() == io::ErrorKind::NotFound));
        });
    });
}

#[test]
fn a_child_ends_when_the_body_panics_or_a_thread_fails() {
    watched("a_child_ends_when_the_body_panics_or_a_thread_fails", || {
        let started = Mutex::new(Vec::new());
        let note = |child: eintr::ScopedChild<'_>| started.lock().unwrap().push(child.id());
        let panicked = catch_unwind(|| {
            scope(|s| {
                note(s.command(Command::new("sleep").arg("1000")).unwrap());
                std::panic::resume_unwind(Box::new("body"));
            })
        });
        assert!(panicked.is_err());
        let failed: Result<(), &str> = try_scope(|s| {
            note(s.command(Command::new("sleep").arg("1000")).unwrap());
            s.spawn(|| Err::<(), _>("thread"));
            Ok(())
        });
        assert_eq!(failed, Err("thread"));
        let late =
            within(SHORT, || scope(|s| s.command(Command::new("sleep").arg("1000"))?.wait()));
        // Its end may come before the body has looked.
        let asked = |status: &std::process::ExitStatus| status.signal() == Some(libc::SIGTERM);
        assert!(late.expired && (is_interrupt(&late.value) || late.value.is_ok_and(|s| asked(&s))));
        let started = started.lock().unwrap();
        assert!(started.len() == 2 && started.iter().all(|child| is_reaped(*child)));
    });
}

// What goes wrong only now and then.

#[test]
fn requests_at_any_moment() {
    watched("requests_at_any_moment", || {
        let (hand_out, handed) = mpsc::channel::<Vec<Interrupter>>();
        let requester = thread::spawn(move || {
            let mut asked = 0;
            for interrupters in handed {
                for (number, interrupter) in interrupters.iter().enumerate() {
                    if (asked + number) % 3 != 0 {
                        interrupter.interrupt();
                    }
                    asked += 1;
                }
            }
        });
        let rounds = if emulated() { 50 } else { 300 };
        for _ in 0..rounds {
            let (outer, interrupter) = task();
            let interrupters = Mutex::new(vec![interrupter]);
            outer.run(|| {
                let _: Result<(), Interrupted> = try_scope(|s| {
                    interrupters.lock().unwrap().push(s.interrupter());
                    let threads: Vec<_> = (0..3).map(|_| s.spawn(checkpoint)).collect();
                    interrupters.lock().unwrap().extend(threads.iter().map(Interrupter::from));
                    hand_out.send(interrupters.lock().unwrap().clone()).unwrap();
                    s.spawn(|| {
                        scope(|s| {
                            hand_out.send(vec![s.interrupter()]).unwrap();
                            s.spawn(|| (0..100).try_for_each(|_| checkpoint())).join().unwrap()
                        })
                    });
                    for thread in threads {
                        thread.join().unwrap()?;
                    }
                    take();
                    checkpoint()
                });
            });
        }
        drop(hand_out);
        requester.join().unwrap();
        assert!(checkpoint().is_ok() && !is_interrupted());
    });
}

#[test]
fn many_threads_are_reached_by_one_request() {
    watched("many_threads_are_reached_by_one_request", || {
        let threads = if emulated() { 20 } else { 200 };
        let (outer, interrupter) = task();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            outer.run(|| {
                scope(|s| {
                    let sleepers = (0..threads).map(|_| {
                        let tell = tell.clone();
                        s.spawn(move || {
                            tell.send(gettid()).unwrap();
                            sleep()
                        })
                    });
                    let sleepers: Vec<_> = sleepers.collect();
                    drop(tell);
                    sleepers.into_iter().all(|s| is_interrupt(&s.join().unwrap()))
                })
            })
        });
        let sleepers = told.iter().take(threads);
        sleepers.for_each(|tid| wait_until_blocked(tid, libc::SYS_clock_nanosleep));
        assert!(matches!(interrupter.interrupt().wait(LIMIT), Outcome::Raised | Outcome::Finished));
        assert!(thread.join().unwrap());
    });
}

#[test]
fn a_thread_of_a_scope_forks() {
    child::alone(|| {
        scope(|s| {
            let sleeps = s.spawn(sleep);
            let forks = s.spawn(|| {
                // SAFETY: the child runs code of ours, whose locks are not copied while held.
                match unsafe { nix::unistd::fork() }.unwrap() {
                    nix::unistd::ForkResult::Child => {
                        // The scope's task goes on here, on this thread alone.
                        let alone = checkpoint().is_ok();
                        s.interrupt();
                        let armed = checkpoint().is_err() && is_interrupt(&sleep());
                        // SAFETY: ends the process without the test harness's leave.
                        unsafe { libc::_exit(i32::from(!(alone && armed))) }
                    }
                    nix::unistd::ForkResult::Parent { child } => child,
                }
            });
            let child = forks.join().unwrap();
            let status = nix::sys::wait::waitpid(child, None).unwrap();
            assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 0));
            assert!(checkpoint().is_ok() && !sleeps.is_finished());
            s.interrupt();
            assert!(is_interrupt(&sleeps.join().unwrap()));
        });
    });
}

#[test]
fn a_signal_that_the_caller_blocks_is_open_in_threads() {
    watched("a_signal_that_the_caller_blocks_is_open_in_threads", || {
        let mut all = nix::sys::signal::SigSet::all();
        all.remove(nix::sys::signal::Signal::SIGABRT);
        let before = all.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).unwrap();
        scope(|s| {
            let (tell, told) = mpsc::channel();
            let sleeps = s.spawn(move || {
                tell.send(gettid()).unwrap();
                sleep()
            });
            wait_until_blocked(told.recv().unwrap(), libc::SYS_clock_nanosleep);
            s.interrupt();
            assert!(is_interrupt(&sleeps.join().unwrap()));
        });
        before.thread_set_mask().unwrap();
    });
}

#[test]
fn types_are_what_they_promise() {
    fn shared<T: Send + Sync>() {}
    shared::<eintr::Scope<'_, '_>>();
    shared::<eintr::TryScope<'_, '_, Error>>();
    shared::<eintr::ScopedJoinHandle<'_, u8>>();
    shared::<eintr::ScopedChild<'_>>();
    scope(|s| {
        assert!(format!("{s:?}").starts_with("Scope"));
        assert!(format!("{:?}", s.spawn(|| ())).starts_with("ScopedJoinHandle"));
    });
    let mut reasons = Vec::new();
    scope(|s| {
        s.interrupt();
        reasons.push(checkpoint().unwrap_err());
    });
    assert!(matches!(reasons[0].reason(), Reason::Requested));
}
