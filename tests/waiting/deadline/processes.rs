//! Deadlines across `fork`, and where the kernel gives no timer.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use eintr::{CleanupOnDrop, mask, timeout, timeout_at, within};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use test_support::child::alone;
use test_support::seccomp::forbid;
use test_support::{skipped_under_emulation, threads};

use super::{HOUR, SHORT, Told, assert_told_before, raise_when_armed, raised, read_in_vain};

/// Runs `f` in a child and here. Where it fails in the child, the child's exit status is not zero.
fn in_both(f: impl Fn()) {
    // SAFETY: the child allocates and takes locks, which glibc's and the library's handlers allow;
    // it ends by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let sound = catch_unwind(std::panic::AssertUnwindSafe(f)).is_ok();
            // SAFETY: no arguments that matter.
            unsafe { libc::_exit(i32::from(!sound)) }
        }
        ForkResult::Parent { child } => {
            f();
            // The deadline stands: without a mask this plain call returns EINTR (P11).
            let waited = mask(|| waitpid(child, None));
            assert_eq!(waited, Ok(WaitStatus::Exited(child, 0)));
        }
    }
}

/// Reads until it is interrupted, and tells why.
fn why() -> Option<Told> {
    read_in_vain().err().map(Told::from)
}

fn deadlines_go_on_in_a_child() {
    let told = timeout(5 * SHORT, || {
        timeout(HOUR, || {
            in_both(|| assert_eq!(why(), Some(Told::Deadline)));
            Err::<(), _>(Told::Own)
        })
    });
    assert_eq!(told, Err(Told::TimedOut));
    in_both(|| {
        assert_eq!(raised(), None);
        assert_eq!(timeout(SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
    });
}

#[test]
fn across_fork() {
    alone(deadlines_go_on_in_a_child);
}

/// What is hidden is set anew where it comes to light.
#[test]
fn across_fork_in_a_mask() {
    alone(|| {
        within(5 * SHORT, || {
            // The timer stands at the outer one, in the parent alone.
            let forked = mask(|| {
                // SAFETY: as above.
                unsafe { fork() }.unwrap()
            });
            assert_eq!(why(), Some(Told::Deadline));
            match forked {
                // SAFETY: no arguments that matter.
                ForkResult::Child => unsafe { libc::_exit(0) },
                ForkResult::Parent { child } => {
                    let ended = mask(|| waitpid(child, None));
                    assert_eq!(ended, Ok(WaitStatus::Exited(child, 0)));
                }
            }
        });
    });
}

/// From here on the kernel queues nothing for us and makes no timer.
fn exhaust_the_queue() {
    // SAFETY: the kernel reads a limit.
    unsafe {
        let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_SIGPENDING, &limit), 0);
    }
}

fn has_helper_thread() -> bool {
    let names = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut names = names.map(|task| std::fs::read_to_string(task.path().join("comm")));
    names.any(|name| name.is_ok_and(|name| name.trim() == "eintr-deadlines"))
}

#[test]
fn no_helper_thread_while_there_are_timers() {
    alone(|| {
        assert_eq!(timeout(SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
        assert!(!has_helper_thread(), "{}", threads());
    });
}

#[test]
fn without_a_timer() {
    alone(|| {
        exhaust_the_queue();
        let start = Instant::now();
        assert_eq!(timeout(2 * SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
        assert!(start.elapsed() >= 2 * SHORT);
        assert!(has_helper_thread(), "{}", threads());
        // One after the other, the second in the time that the first had asked for.
        within(SHORT, || ());
        assert_eq!(timeout(2 * SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
        // A shorter one in a longer one, then the rest of that; masks; and no time at all.
        let outer = Instant::now() + 5 * SHORT;
        let told = timeout_at(outer, || {
            assert_told_before(outer, timeout(SHORT, raise_when_armed));
            within(2 * SHORT, || ());
            mask(|| {
                assert_eq!(timeout(SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
                assert_eq!(raised(), None);
            });
            within(Duration::ZERO, || assert_eq!(why(), Some(Told::Deadline)));
            Ok(read_in_vain()?)
        });
        assert_eq!(told, Err(Told::TimedOut));
        assert_eq!(raised(), None);
    });
}

#[test]
fn without_a_timer_or_a_thread() {
    if skipped_under_emulation("no thread to be had", "the emulator needs the calls itself") {
        return;
    }
    alone(|| {
        exhaust_the_queue();
        forbid(libc::SYS_clone3);
        forbid(libc::SYS_clone);
        for _ in 0..2 {
            let begun = catch_unwind(|| within(SHORT, || unreachable!("the body is run")));
            let payload = begun.map(|_: eintr::Within<()>| ()).expect_err("it begins");
            let message = payload.downcast_ref::<String>().expect("a message");
            assert!(message.contains("cannot be started"), "{message}");
            assert_eq!(eintr::remaining(), None);
        }
    });
}

/// A destructor that is to have a limit runs without one, and does not panic: its thread may unwind, and a second
/// panic is the end of the program.
#[test]
fn a_destructor_without_a_timer_or_a_thread() {
    struct Told<'a>(&'a Cell<bool>);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            assert_eq!(eintr::remaining(), None);
            self.0.set(true);
        }
    }
    if skipped_under_emulation("no thread to be had", "the emulator needs the calls itself") {
        return;
    }
    alone(|| {
        exhaust_the_queue();
        forbid(libc::SYS_clone3);
        forbid(libc::SYS_clone);
        let has_run = Cell::new(false);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _value = CleanupOnDrop::new(SHORT, Told(&has_run));
            resume_unwind(Box::new("in the body"));
        }));
        assert!(unwound.unwrap_err().is::<&str>() && has_run.get());
    });
}

/// The helper thread sleeps for an hour when the short one comes, and vice versa.
#[test]
fn without_timers_in_many_threads() {
    alone(|| {
        exhaust_the_queue();
        within(HOUR, || {
            std::thread::scope(|scope| {
                for i in 0..32 {
                    scope.spawn(move || {
                        for _ in 0..10 {
                            let told = timeout(SHORT * (i % 4), || Ok(read_in_vain()?));
                            assert_eq!(told, Err(Told::TimedOut));
                            within(HOUR, || ());
                        }
                    });
                }
            });
        });
    });
}

#[test]
fn across_fork_without_a_timer() {
    alone(|| {
        exhaust_the_queue();
        deadlines_go_on_in_a_child();
    });
}

/// The timer was made before the limit was reached; the child needs one of its own and gets none.
#[test]
fn across_fork_into_a_process_without_timers() {
    alone(|| {
        within(SHORT, || ());
        exhaust_the_queue();
        deadlines_go_on_in_a_child();
    });
}
