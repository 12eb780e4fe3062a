//! Children that are made with all signals blocked, as libuv and others make them (S23): in them
//! nothing of ours is pending, and no timer of ours runs, until they are asked or use us again.
//!
//! The tests here work like this: each case runs in a process of its own, and forks on a thread that
//! has been asked, or has a deadline. A child that becomes another program first gives all signals
//! their default actions and opens them: whatever is pending then is its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use eintr::{Interrupter, Signal, Task, checkpoint, is_interrupted, mask, take, within};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use test_support::child::{alone, limit_life};
use test_support::signals;
use test_support::target::{came_back, is_interrupt, own_read, pipe, plain_read};
use test_support::{gettid, threads_named, wait_until, wait_until_blocked};

/// Long enough for a child to be made in it.
const SOON: Duration = Duration::from_millis(20);

/// Makes a child with all signals blocked but its alarm; how it ended. What comes back from `body` is
/// its failure.
fn blocked_fork(body: impl FnOnce()) -> WaitStatus {
    let before = signals::change_mask(libc::SIG_BLOCK, &signals::full());
    signals::unblock(&[libc::SIGALRM]);
    // SAFETY: the child runs what these cases do: eintr, threads, pipes, and memory, which glibc
    // keeps in order; and ends by `_exit` or becomes another program.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            limit_life();
            let _ = catch_unwind(AssertUnwindSafe(body));
            // SAFETY: no destructor or buffer of the parent's is to be run here.
            unsafe { libc::_exit(1) }
        }
    };
    signals::change_mask(libc::SIG_SETMASK, &before);
    let status = mask(|| waitpid(child, None)).unwrap();
    assert_eq!(status.pid(), Some(child));
    status
}

/// The child becomes another program, after `before`.
#[track_caller]
fn becomes_another(before: impl FnOnce()) {
    let status = blocked_fork(|| {
        before();
        // SAFETY: dispositions that are no handlers, and strings that end with null bytes. What
        // cannot be set (SIGKILL's) is not.
        unsafe {
            (1..=libc::SIGRTMAX()).for_each(|signal| _ = libc::signal(signal, libc::SIG_DFL));
            signals::change_mask(libc::SIG_SETMASK, &signals::set_of(&[]));
            let arguments = [c"true".as_ptr(), std::ptr::null()];
            libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr());
        }
    });
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
}

/// The child comes to the end of `checks`.
#[track_caller]
fn holds(checks: impl FnOnce()) {
    let status = blocked_fork(|| {
        checks();
        // SAFETY: as above.
        unsafe { libc::_exit(0) }
    });
    assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
}

fn open_all() {
    signals::change_mask(libc::SIG_SETMASK, &signals::set_of(&[]));
}

/// Runs `f` on this thread, which has been asked and has found out, with reach and without.
fn interrupted(f: impl Fn()) {
    for reach in [true, false] {
        Task::new().reach(reach).run(|| {
            let (reader, _writer) = pipe();
            Interrupter::current().unwrap().interrupt();
            assert!(came_back(&plain_read(&reader)));
            f();
        });
    }
}

/// Runs `f` inside of a deadline, with reach and without.
fn limited(limit: Duration, f: impl Fn()) {
    for reach in [true, false] {
        Task::new().reach(reach).run(|| within(limit, &f));
    }
}

fn until(moment: Instant) {
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

#[test]
fn of_an_interrupted_thread() {
    alone(|| interrupted(|| becomes_another(|| ())));
}

#[test]
fn of_an_interrupted_thread_by_a_real_time_signal() {
    alone(|| {
        eintr::install(Signal::real_time(3)).unwrap();
        interrupted(|| becomes_another(|| ()));
    });
}

#[test]
fn whose_deadline_has_passed() {
    alone(|| {
        limited(Duration::from_millis(1), || {
            wait_until("the deadline passes", is_interrupted);
            becomes_another(|| ());
        });
    });
}

#[test]
fn whose_deadline_passes_in_between() {
    alone(|| {
        limited(SOON, || {
            let moment = Instant::now() + SOON;
            becomes_another(|| until(moment + SOON));
        });
    });
}

/// Nor does another thread send anything at a deadline, where the kernel has no timer to give, or
/// there is a hook.
#[test]
fn that_have_no_helpers() {
    alone(|| {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let in_between = || {
            let moment = Instant::now() + SOON;
            becomes_another(|| {
                until(moment + SOON);
                assert_eq!(threads_named("eintr-deadlines") + threads_named("eintr-hooks"), 0);
            });
        };
        limited(SOON, || eintr::with_hook(|_| (), in_between));
        // SAFETY: a limit is read.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &none) }, 0);
        limited(SOON, in_between);
    });
}

/// What the child does is told by checkpoints and calls of our own, though all is blocked; and by
/// plain calls from where it uses us again.
#[test]
fn that_go_on_interrupted() {
    alone(|| {
        interrupted(|| {
            holds(|| {
                let (reader, _writer) = pipe();
                assert!(checkpoint().is_err() && is_interrupt(&own_read(&reader)));
                // For the task's time the signal is open.
                Task::new().run(|| assert!(came_back(&plain_read(&reader))));
                assert!(take().is_some() && checkpoint().is_ok());
            });
            holds(|| {
                let (reader, _writer) = pipe();
                open_all();
                mask(|| ());
                assert!(came_back(&plain_read(&reader)));
                assert!(take().is_some() && checkpoint().is_ok());
            });
        });
    });
}

#[test]
fn that_go_on_with_a_deadline() {
    alone(|| {
        limited(SOON, || {
            holds(|| {
                let (reader, _writer) = pipe();
                within(Duration::from_secs(3600), || ());
                Task::new().run(|| assert!(is_interrupt(&own_read(&reader))));
            });
            holds(|| {
                let (reader, _writer) = pipe();
                open_all();
                mask(|| ());
                assert!(came_back(&plain_read(&reader)));
            });
        });
        // It passes while nothing tells of it, and is found where something begins or ends.
        limited(SOON, || {
            let moment = Instant::now() + SOON;
            holds(|| {
                until(moment + SOON);
                mask(|| ());
                assert!(checkpoint().is_err());
            });
        });
    });
}

/// What another thread of the child's asks is told as ever, be all blocked or open.
#[test]
fn that_are_asked() {
    alone(|| {
        for reach in [true, false] {
            Task::new().reach(reach).run(|| {
                let (reader, _writer) = pipe();
                let own = Interrupter::current().unwrap();
                holds(|| {
                    let own = own.clone();
                    thread::spawn(move || own.interrupt()).join().unwrap();
                    open_all();
                    assert!(came_back(&plain_read(&reader)));
                });
                holds(|| {
                    open_all();
                    let (own, tid) = (own.clone(), gettid());
                    thread::spawn(move || {
                        wait_until_blocked(tid, libc::SYS_read);
                        own.interrupt()
                    });
                    assert!(came_back(&plain_read(&reader)));
                    // libc blocks all signals to make a thread.
                    thread::spawn(|| ()).join().unwrap();
                    assert!(came_back(&plain_read(&reader)));
                });
            });
        }
    });
}
