//! The two ways in which a waiter is told: by futex where it sleeps, and by signal elsewhere.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use eintr::sync::{Event, Mutex};
use eintr::{Interrupted, Outcome, Task};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use test_support::child::alone;
use test_support::signals::handle;
use test_support::{LIMIT, gettid, has_dispatch, skipped_under_emulation, watched};

use super::{Order, wait_until_asleep};

const WHY: &str = "it has no futex_waitv";

/// Runs `wait` in a task on a thread of its own, and interrupts it once it sleeps.
fn interrupted_in<T: Send>(
    task: Task,
    wait: impl FnOnce() -> T + Send,
    then: impl FnOnce(i32) + Send,
) -> T {
    let interrupter = task.interrupter();
    thread::scope(|scope| {
        let (tell, told) = channel();
        let thread = scope.spawn(move || {
            tell.send(gettid()).unwrap();
            task.run(wait)
        });
        let tid = told.recv().unwrap();
        wait_until_asleep(tid);
        let outcome = interrupter.interrupt().wait(LIMIT);
        assert!(matches!(outcome, Outcome::Raised), "{outcome:?}");
        then(tid);
        thread.join().unwrap()
    })
}

/// Nothing but the futex can wake it.
#[test]
fn a_waiter_that_blocks_every_signal_is_woken() {
    if skipped_under_emulation("by futex", WHY) {
        return;
    }
    watched("blocked signals", || {
        for reach in [true, false] {
            let event = Event::new();
            let wait = || {
                let mut before = SigSet::empty();
                let all = SigSet::all();
                pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&all), Some(&mut before)).unwrap();
                let waited = event.wait_interruptible();
                pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None).unwrap();
                waited
            };
            interrupted_in(Task::new().reach(reach), wait, |_| ()).unwrap_err();
        }
    });
}

/// Whoever was told by futex makes a plain call next: no signal has been there to see to it.
#[test]
fn a_plain_call_after_the_wait_is_reached() {
    watched("reached", || {
        for reach in [true, false] {
            if reach && !has_dispatch("reached") {
                continue;
            }
            let (mut reader, _writer) = std::io::pipe().unwrap();
            let event = Event::new();
            let wait = || {
                event.wait_interruptible().unwrap_err();
                reader.read(&mut [0]).unwrap_err().raw_os_error()
            };
            let errno = interrupted_in(Task::new().reach(reach), wait, |_| ());
            assert_eq!(errno, Some(if reach { libc::ECANCELED } else { libc::EINTR }));
        }
    });
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

/// A handler of the application's that makes a plain call.
extern "C" fn asks_for_its_parent(_signal: i32) {
    HANDLED.fetch_add(1, SeqCst);
    // SAFETY: no arguments.
    assert!(unsafe { libc::syscall(libc::SYS_getppid) } >= 0);
}

/// Whoever was told by futex begins dispatch with the signals open: they may come at any point of
/// it.
#[test]
fn it_is_reached_whatever_handlers_come_between() {
    alone(|| {
        if !has_dispatch("handlers between") {
            return;
        }
        handle(libc::SIGUSR2, asks_for_its_parent, libc::SA_RESTART, &[]);
        let (mut reader, _writer) = std::io::pipe().unwrap();
        let event = Event::new();
        let (mut rounds, mut between) = (0, 0);
        while rounds < 1_000 || between < 100 {
            rounds += 1;
            let before = HANDLED.load(SeqCst);
            let (task, interrupter) = eintr::task();
            let (tell, told) = channel();
            let (errno, by_then) = thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    task.run(|| {
                        tell.send(gettid()).unwrap();
                        event.wait_interruptible().unwrap_err();
                        let by_then = HANDLED.load(SeqCst);
                        let errno = reader.read(&mut [0]).unwrap_err().raw_os_error();
                        (errno, by_then)
                    })
                });
                let tid = told.recv().unwrap();
                wait_until_asleep(tid);
                interrupter.interrupt();
                // Not for ever: they would keep it from anything else.
                (0..20).for_each(|_| tgkill(tid, libc::SIGUSR2));
                thread.join().unwrap()
            });
            assert_eq!(errno, Some(libc::ECANCELED));
            between += by_then - before;
        }
    });
}

fn tgkill(tid: i32, signal: i32) {
    // SAFETY: no pointers. It may have ended by then.
    unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, signal) };
}

/// Told by futex, then by signal, then by futex: nothing is left over from the one for the other.
#[test]
fn the_ways_take_turns() {
    watched("turns", || {
        for reach in [true, false] {
            let task = Task::new().reach(reach);
            let interrupter = task.interrupter();
            let (tell, told) = channel();
            let (reader, _writer) = std::io::pipe().unwrap();
            let event = Event::new();
            thread::scope(|scope| {
                let thread = scope.spawn(move || {
                    task.run(|| {
                        for _ in 0..50 {
                            tell.send(gettid()).unwrap();
                            event.wait_interruptible().unwrap_err();
                            eintr::take().unwrap();
                            tell.send(gettid()).unwrap();
                            eintr::io::read(&reader, &mut [0]).unwrap_err();
                            eintr::take().unwrap();
                        }
                    })
                });
                for tid in told {
                    // Wherever it is by then: asleep, or not there yet.
                    assert_ne!(tid, gettid());
                    let outcome = interrupter.interrupt().wait(LIMIT);
                    assert!(matches!(outcome, Outcome::Raised), "{outcome:?}");
                }
                thread.join().unwrap();
            });
        }
    });
}

/// The next task on the thread, at once: no signal may be left for it.
#[test]
fn the_next_task_is_left_alone() {
    watched("next task", || {
        let (give, given) = channel();
        let thread = thread::spawn(move || {
            let event = Event::new();
            let mut hits = 0;
            let mut rounds = 0;
            while rounds < 500 || hits == 0 {
                rounds += 1;
                let (task, interrupter) = eintr::task();
                give.send(interrupter).unwrap();
                let waited = task.run(|| {
                    eintr::timeout(Duration::from_millis(1), || -> Result<(), eintr::Error> {
                        Ok(event.wait_interruptible()?)
                    })
                });
                hits += usize::from(waited.unwrap_err().interrupted().is_some());
                eintr::Task::root().run(|| assert!(!eintr::is_interrupted()));
            }
        });
        given.into_iter().for_each(|interrupter| drop(interrupter.interrupt()));
        thread.join().unwrap();
    });
}

/// The wake-up and the request at once: the result is returned, and the cause stays.
#[test]
fn a_result_and_a_request_at_once_are_both_there() {
    watched("at once", || {
        let mutex = Mutex::new(());
        let (mut results, mut interrupts) = (0, 0);
        for order in Order::ALL.into_iter().cycle() {
            if results >= 20 && interrupts >= 20 {
                break;
            }
            let held = mutex.lock().unwrap();
            let (task, interrupter) = eintr::task();
            thread::scope(|scope| {
                let (tell, told) = channel();
                let mutex = &mutex;
                let thread = scope.spawn(move || {
                    task.run(|| -> Result<(), Interrupted> {
                        tell.send(gettid()).unwrap();
                        drop(mutex.lock_interruptible()?.unwrap());
                        // Whoever asked has asked by then, or will.
                        while eintr::checkpoint().is_ok() {
                            thread::yield_now();
                        }
                        Ok(())
                    })
                });
                wait_until_asleep(told.recv().unwrap());
                order.bring(move || drop(interrupter.interrupt()), move || drop(held));
                match thread.join().unwrap() {
                    Ok(()) => results += 1,
                    Err(_) => interrupts += 1,
                }
            });
        }
    });
}
