//! What happens to our signal on its way (S4, S5): it merges with others, finds no room in the
//! kernel's queue, is sent by others than us, is waited for by others than us. The thread that was
//! asked is interrupted all the same, and the process lives.
//!
//! The tests here work like this: limits and dispositions are the process's, so each case runs in a
//! process of its own. Where a case needs a signal to wait, the target thread blocks it, and
//! `/proc` is asked whether it is pending.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use std::{io, mem, ptr};

use eintr::{Outcome, Signal};
use libc::{SIGRTMIN, SIGUSR1, c_int};
use test_support::child::alone;
use test_support::signals::{RUNS, count};
use test_support::target::{
    is_eintr, is_interrupt, own_read, pipe, plain_read, target, unreached, wait_until_armed,
};
use test_support::{
    LIMIT, gettid, signals, skipped_under_emulation, wait_until, wait_until_blocked,
};

/// An outside signal waits in front of ours: the kernel merges ours into it, and what arrives names
/// another sender. The thread's plain read must end, which takes the handler: nothing else would
/// look.
fn merged_with_an_outside_signal() {
    let (reader, _writer) = pipe();
    let (tell, told) = std::sync::mpsc::channel();
    let stuck = unreached(move || {
        signals::block(&[SIGUSR1]);
        tell.send(()).unwrap();
        wait_until_armed();
        signals::unblock(&[SIGUSR1]);
        let plain = plain_read(&reader).unwrap_err();
        (is_eintr(&plain), is_interrupt(&own_read(&reader)))
    });
    told.recv().unwrap();
    signals::send(stuck.tid, SIGUSR1);
    assert!(signals::is_pending(stuck.tid, SIGUSR1));
    let stuck = stuck.interrupted();
    assert_eq!(stuck.result(), (true, true));
}

#[test]
fn an_outside_signal_came_first_with_the_default_action() {
    alone(|| {
        eintr::install(Signal::USR1).unwrap();
        merged_with_an_outside_signal();
    });
}

#[test]
fn an_outside_signal_came_first_with_a_handler() {
    alone(|| {
        signals::handle(SIGUSR1, count, libc::SA_RESTART, &[]);
        eintr::install(Signal::USR1).unwrap();
        merged_with_an_outside_signal();
        assert_eq!(RUNS.load(SeqCst), 1, "it was the application's as well");
    });
}

/// Limits how many signals and timers the kernel keeps for us.
fn limit_queue(most: libc::rlim_t) {
    // SAFETY: all bytes zero are a valid limit; both are borrowed.
    unsafe {
        let mut limit: libc::rlimit = mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_SIGPENDING, &mut limit), 0);
        limit.rlim_cur = most.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_SIGPENDING, &limit), 0);
    }
}

/// From here on the kernel has no room to queue a signal, nor to make a timer.
fn exhaust_queue() {
    limit_queue(0);
    // SAFETY: no pointer is followed.
    let queued = unsafe {
        let value = libc::sigval { sival_ptr: ptr::null_mut() };
        libc::sigqueue(libc::getpid(), SIGRTMIN() + 9, value)
    };
    let error = io::Error::last_os_error().raw_os_error();
    assert_eq!((queued, error), (-1, Some(libc::EAGAIN)), "the limit is in force");
}

fn is_queue_emulated() -> bool {
    skipped_under_emulation("RLIMIT_SIGPENDING", "the emulator has a queue of its own")
}

#[test]
fn no_room_in_the_queue_for_a_standard_signal() {
    if is_queue_emulated() {
        return;
    }
    alone(|| {
        eintr::install(Signal::USR1).unwrap();
        exhaust_queue();
        for _ in 0..100 {
            let (reader, _writer) = pipe();
            let own = reader.try_clone().unwrap();
            let stuck = target(move || own_read(own)).blocked_in(libc::SYS_read).interrupted();
            assert!(is_interrupt(&stuck.result()));
            let stuck = unreached(move || plain_read(reader)).blocked_in(libc::SYS_read);
            stuck.thread.interrupt();
            assert!(is_eintr(&stuck.result().unwrap_err()));
        }
    });
}

#[test]
fn no_room_in_the_queue_for_a_real_time_signal() {
    if is_queue_emulated() {
        return;
    }
    alone(|| {
        eintr::install(Signal::real_time(3)).unwrap();
        let (reader, _writer) = pipe();
        let stuck = unreached(move || {
            let own = is_interrupt(&own_read(&reader));
            (own, is_eintr(&plain_read(&reader).unwrap_err()))
        })
        .blocked_in(libc::SYS_read);
        exhaust_queue();
        assert_eq!(stuck.interrupted().result(), (true, true));
    });
}

#[test]
fn no_room_in_the_queue_for_a_real_time_signal_nor_a_timer() {
    if is_queue_emulated() {
        return;
    }
    alone(|| {
        eintr::install(Signal::real_time(3)).unwrap();
        exhaust_queue();
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        let request = stuck.thread.interrupt();
        let outcome = request.wait(Duration::from_millis(30));
        let Outcome::Undeliverable(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
        // Whoever waits tries again.
        let requester = std::thread::spawn(move || request.wait(LIMIT));
        limit_queue(libc::RLIM_INFINITY);
        let outcome = requester.join().unwrap();
        assert!(matches!(outcome, Outcome::Raised), "{outcome:?}");
        assert!(is_interrupt(&stuck.result()));
    });
}

#[test]
fn room_in_the_queue_again_for_the_next_request() {
    if is_queue_emulated() {
        return;
    }
    alone(|| {
        eintr::install(Signal::real_time(3)).unwrap();
        exhaust_queue();
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        stuck.thread.interrupt();
        limit_queue(libc::RLIM_INFINITY);
        stuck.thread.interrupt();
        assert!(is_interrupt(&stuck.result()));
    });
}

#[test]
fn the_applications_own_signals_to_an_armed_thread() {
    alone(|| {
        signals::handle(SIGUSR1, count, libc::SA_RESTART, &[]);
        eintr::install(Signal::USR1).unwrap();
        let (reader, writer) = pipe();
        let (tell, told) = std::sync::mpsc::channel();
        let stuck = unreached(move || {
            while !eintr::is_interrupted() {
                let _ = plain_read(&reader);
            }
            // Armed: whoever sent it, a signal of ours ends a plain call, and is the application's
            // as well.
            while RUNS.load(SeqCst) < 100 {
                assert!(is_eintr(&plain_read(&reader).unwrap_err()));
            }
            assert!(eintr::take().is_some());
            tell.send(()).unwrap();
            // Not any more: it is the application's alone.
            plain_read(&reader)
        })
        .blocked_in(libc::SYS_read);
        stuck.thread.interrupt();
        let tid = stuck.tid;
        let send = |times: usize| {
            for _ in 0..times {
                let runs = RUNS.load(SeqCst);
                // One that merges with ours is lost, as standard signals are.
                wait_until("the application's handler has run", || {
                    signals::send(tid, SIGUSR1);
                    RUNS.load(SeqCst) > runs
                });
            }
        };
        send(100);
        told.recv().unwrap();
        let stuck = stuck.blocked_in(libc::SYS_read);
        send(100);
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(stuck.result().unwrap(), b'x');
    });
}

#[test]
fn at_most_one_signal_is_on_its_way() {
    alone(|| {
        // Real-time signals do not merge: each that was sent is there.
        eintr::install(Signal::real_time(3)).unwrap();
        let ours = SIGRTMIN() + 3;
        let (task, interrupter) = eintr::task();
        let queued = task.run(|| {
            signals::block(&[ours]);
            for _ in 0..1000 {
                interrupter.interrupt();
                interrupter.interrupt_with("and once more");
                assert!(eintr::take().is_some() && eintr::take().is_some());
                assert!(eintr::take().is_none());
            }
            drain(ours)
        });
        assert_eq!(queued, 1);
    });
}

/// Takes what is pending on the calling thread, as an application's own sigwait does.
fn drain(signal: c_int) -> usize {
    let set = signals::set_of(&[signal]);
    // SAFETY: all bytes zero are a valid time; both are borrowed.
    let take = || unsafe {
        let at_once: libc::timespec = mem::zeroed();
        libc::sigtimedwait(&set, ptr::null_mut(), &at_once)
    };
    std::iter::from_fn(|| (take() == signal).then_some(())).count()
}

#[test]
fn a_signal_that_the_application_took_is_missed_no_longer_than_its_task() {
    alone(|| {
        eintr::install(Signal::USR1).unwrap();
        let (reader, _writer) = pipe();
        let (task, first) = eintr::task();
        let (next, second) = eintr::task();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            task.run(|| {
                signals::block(&[SIGUSR1]);
                first.interrupt();
                assert_eq!(drain(SIGUSR1), 1);
                signals::unblock(&[SIGUSR1]);
                assert!(is_interrupt(&own_read(&reader)));
            });
            tell.send(gettid()).unwrap();
            next.run(|| own_read(&reader))
        });
        wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
        assert!(matches!(second.interrupt().wait(LIMIT), Outcome::Raised));
        assert!(is_interrupt(&thread.join().unwrap()));
    });
}
