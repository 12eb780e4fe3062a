//! What must not kill a reached thread (S2): the kernel stops it at its syscalls by a SIGSYS, and
//! one that is blocked is death.
//!
//! Each test runs in a process of its own: the test binary starts itself again, for that one test.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{ptr, thread};

use eintr::Signal;
use test_support::child::alone_with_dispatch as alone;
use test_support::signals::{change_mask, full, handle_alone, send, set_of};
use test_support::{child, gettid, wait_until};

use crate::reached;

static HANDLED: AtomicI32 = AtomicI32::new(0);

/// A handler that makes a syscall.
extern "C" fn handler(_signal: i32) {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_getuid) };
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn an_outside_signal_of_our_number_with_a_full_mask() {
    alone(|| {
        handle_alone(libc::SIGUSR1, handler, libc::SA_RESTART);
        eintr::install(Signal::USR1).unwrap();
        reached(|| send(gettid(), libc::SIGUSR1));
        assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_handler_that_the_reached_thread_installs() {
    alone(|| {
        reached(|| {
            handle_alone(libc::SIGUSR2, handler, libc::SA_RESTART);
            send(gettid(), libc::SIGUSR2);
        });
        assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_handler_that_is_installed_between_two_arms() {
    alone(|| {
        reached(|| {});
        handle_alone(libc::SIGUSR2, handler, libc::SA_RESTART);
        // Handlers are looked at once in a millisecond.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2) {}
        reached(|| send(gettid(), libc::SIGUSR2));
        assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
    });
}

/// In less time than a look at all masks is good for.
#[test]
fn handlers_that_are_installed_between_many_arms() {
    alone(|| {
        let (task, interrupter) = eintr::task();
        task.run(|| {
            for handled in 1..=1000 {
                handle_alone(libc::SIGUSR2, handler, libc::SA_RESTART);
                interrupter.interrupt();
                send(gettid(), libc::SIGUSR2);
                assert_eq!(HANDLED.load(Ordering::SeqCst), handled);
                assert!(eintr::take().is_some());
            }
        });
    });
}

#[test]
fn a_handler_that_another_thread_installs() {
    alone(|| {
        reached(|| {
            thread::spawn(|| handle_alone(libc::SIGUSR2, handler, libc::SA_RESTART))
                .join()
                .unwrap();
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(2) {}
            send(gettid(), libc::SIGUSR2);
        });
        assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
    });
}

/// The requester looks at the handlers once it has told the thread, which makes no syscall meanwhile: what the
/// storm sends waits until then, and no longer.
#[test]
fn a_storm_on_a_handler_that_nobody_has_looked_at() {
    alone(|| {
        handle_alone(libc::SIGUSR2, handler, libc::SA_RESTART);
        let (tell, told) = mpsc::channel();
        let worker = thread::spawn(move || {
            let (reader, _writer) = UnixStream::pair().unwrap();
            for _ in 0..20 {
                let (task, interrupter) = eintr::task();
                tell.send((gettid(), interrupter)).unwrap();
                task.run(|| {
                    assert!(eintr::io::read(&reader, &mut [0]).is_err());
                    let handled = HANDLED.load(Ordering::SeqCst);
                    while HANDLED.load(Ordering::SeqCst) < handled + 3 {
                        std::hint::spin_loop();
                    }
                    eintr::take().unwrap();
                });
            }
        });
        let is_over = &AtomicBool::new(false);
        let storm_on = &AtomicI32::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    match storm_on.load(Ordering::SeqCst) {
                        0 => thread::yield_now(),
                        tid => {
                            let arguments = [std::process::id() as i32, tid, libc::SIGUSR2];
                            let [process, thread, signal] = arguments;
                            // It may have ended.
                            // SAFETY: no pointers.
                            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
                        }
                    }
                }
            });
            for (tid, interrupter) in told {
                // The last look is good for a millisecond, and knows nothing of this one.
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(2) {}
                handle_alone(libc::SIGUSR2, handler, libc::SA_RESTART);
                storm_on.store(tid, Ordering::SeqCst);
                interrupter.interrupt();
                wait_until("it has ended", || interrupter.is_finished());
                storm_on.store(0, Ordering::SeqCst);
            }
            is_over.store(true, Ordering::SeqCst);
        });
        worker.join().unwrap();
    });
}

#[test]
fn a_pending_signal_is_let_in_while_sigsys_stays_blocked() {
    alone(|| {
        handle_alone(libc::SIGUSR2, handler, libc::SA_RESTART);
        reached(|| {
            let before = change_mask(libc::SIG_BLOCK, &full());
            send(gettid(), libc::SIGUSR2);
            assert_eq!(HANDLED.load(Ordering::SeqCst), 0);
            let blocked = change_mask(libc::SIG_UNBLOCK, &set_of(&[libc::SIGUSR2]));
            assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
            // SAFETY: sets are read.
            let has = |signal| unsafe { libc::sigismember(&blocked, signal) } == 1;
            assert!(has(libc::SIGSYS) && has(libc::SIGUSR2) && has(libc::SIGTERM));
            change_mask(libc::SIG_SETMASK, &before);
            let mut now = change_mask(libc::SIG_BLOCK, &before);
            // SAFETY: as above.
            assert_eq!(unsafe { libc::sigismember(&raw mut now, libc::SIGSYS) }, 0);
        });
    });
}

static ENTERED: AtomicBool = AtomicBool::new(false);

/// A handler that stays until the thread has been reached.
extern "C" fn stays(_signal: i32) {
    ENTERED.store(true, Ordering::SeqCst);
    while !eintr::is_interrupted() {}
    // Refused, or it would stay for ever: dispatch is on.
    // SAFETY: no pointers.
    while unsafe { libc::poll(ptr::null_mut(), 0, 1) } != -1 {}
}

#[test]
fn a_handler_inside_ppoll_returns_to_a_mask_with_sigsys() {
    alone(|| {
        // SAFETY: an action of our own.
        unsafe { libc::signal(libc::SIGUSR2, stays as *const () as usize) };
        // Here, since a thread that blocks a signal does not choose it.
        assert_eq!(eintr::support().signal, Some(libc::SIGUSR1));
        let (tell, told) = mpsc::channel();
        let (task, interrupter) = eintr::task();
        let worker = thread::spawn(move || {
            change_mask(libc::SIG_BLOCK, &full());
            task.run(|| {
                let mut all_but_ours = full();
                // SAFETY: sets and no descriptors.
                unsafe {
                    libc::sigdelset(&mut all_but_ours, libc::SIGUSR1);
                    change_mask(libc::SIG_SETMASK, &all_but_ours);
                    tell.send(gettid()).unwrap();
                    let mut none = std::mem::zeroed();
                    libc::sigemptyset(&mut none);
                    libc::ppoll(ptr::null_mut(), 0, ptr::null(), &none);
                    libc::syscall(libc::SYS_getuid);
                }
            });
        });
        let tid = told.recv().unwrap();
        test_support::wait_until_blocked(tid, libc::SYS_ppoll);
        send(tid, libc::SIGUSR2);
        wait_until("the handler runs", || ENTERED.load(Ordering::SeqCst));
        interrupter.interrupt();
        worker.join().unwrap();
    });
}

#[test]
fn a_thread_that_blocks_all_signals_is_reached() {
    alone(|| {
        assert_eq!(eintr::support().signal, Some(libc::SIGUSR1));
        let (tell, told) = mpsc::channel();
        let (task, interrupter) = eintr::task();
        let worker = thread::spawn(move || {
            change_mask(libc::SIG_BLOCK, &full());
            task.run(|| {
                tell.send(gettid()).unwrap();
                thread::sleep(Duration::MAX);
            });
            change_mask(libc::SIG_BLOCK, &set_of(&[libc::SIGUSR2]))
        });
        test_support::wait_until_blocked(told.recv().unwrap(), libc::SYS_clock_nanosleep);
        interrupter.interrupt();
        let after = worker.join().unwrap();
        // SAFETY: a set is read.
        let has = |signal| unsafe { libc::sigismember(&after, signal) } == 1;
        assert!(has(libc::SIGSYS) && has(libc::SIGUSR1), "as before");
    });
}

#[test]
fn a_sigsys_of_somebody_elses_has_its_default_action() {
    if child::has_dispatch() {
        child::dies_by(libc::SIGSYS, || reached(|| send(gettid(), libc::SIGSYS)));
    }
}

#[test]
fn a_wait_that_is_refused_lets_its_signals_in() {
    alone(|| {
        handle_alone(libc::SIGUSR2, handler, libc::SA_RESTART);
        reached(|| {
            change_mask(libc::SIG_BLOCK, &set_of(&[libc::SIGUSR2]));
            // SAFETY: sets, and no descriptors.
            unsafe {
                let mut none = std::mem::zeroed();
                libc::sigemptyset(&mut none);
                send(gettid(), libc::SIGUSR2);
                assert_eq!(libc::sigsuspend(&none), -1);
                assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
                send(gettid(), libc::SIGUSR2);
                assert_eq!(libc::ppoll(ptr::null_mut(), 0, ptr::null(), &none), -1);
                assert_eq!(HANDLED.load(Ordering::SeqCst), 2);
                send(gettid(), libc::SIGUSR2);
                let no_set = ptr::null_mut();
                assert_eq!(libc::pselect(0, no_set, no_set, no_set, ptr::null(), &none), -1);
                assert_eq!(HANDLED.load(Ordering::SeqCst), 3);
            }
        });
    });
}

extern "C" fn child(argument: *mut libc::c_void) -> i32 {
    argument as usize as i32
}

#[test]
fn a_child_on_a_stack_of_its_own() {
    alone(|| {
        let status = reached(|| {
            let mut stack = vec![0_u128; 1 << 14];
            let top = stack.as_mut_ptr_range().end.cast();
            // SAFETY: the child has a copy of the stack, and returns from its function at once.
            unsafe {
                let pid = libc::clone(child, top, libc::SIGCHLD, 42 as *mut _);
                assert!(pid > 0);
                let mut status = 0;
                while libc::waitpid(pid, &mut status, libc::WNOHANG) == 0 {}
                status
            }
        });
        assert!(libc::WIFEXITED(status), "{status:#x}");
        assert_eq!(libc::WEXITSTATUS(status), 42);
    });
}
