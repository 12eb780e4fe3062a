//! Which signal is ours (S1), and what `install` answers to bad input.
//!
//! The tests here work like this: a process chooses its signal once, so each case runs in a process
//! of its own. It prepares dispositions or masks, uses eintr for the first time, and asks it which
//! signal is in use.

use std::error::Error;
use std::thread;

use eintr::{InstallError, Outcome, Signal, install};
use libc::{SIGRTMAX, SIGRTMIN, SIGUSR1, SIGUSR2};
use test_support::child::alone;
use test_support::target::{is_interrupt, own_read, pipe, target};
use test_support::{
    LIMIT, gettid, signals, skipped_under_emulation, wait_until, wait_until_blocked,
};

extern "C" fn nothing(_signal: i32) {}

/// The signal of first use, which must interrupt.
fn first_use() -> i32 {
    let (reader, _writer) = pipe();
    let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read).interrupted();
    assert!(is_interrupt(&stuck.result()));
    signals::ours()
}

#[test]
fn sigusr1_comes_first() {
    alone(|| assert_eq!(first_use(), SIGUSR1));
}

#[test]
fn one_with_a_handler_is_passed_over() {
    alone(|| {
        signals::handle(SIGUSR1, nothing, 0, &[]);
        assert_eq!(first_use(), SIGUSR2);
    });
}

#[test]
fn one_that_is_ignored_is_passed_over() {
    alone(|| {
        signals::ignore(SIGUSR1);
        assert_eq!(first_use(), SIGUSR2);
    });
}

#[test]
fn one_that_the_thread_blocks_is_passed_over() {
    alone(|| {
        signals::block(&[SIGUSR1]);
        assert_eq!(first_use(), SIGUSR2);
    });
}

/// It says nothing about any one signal: the one that is least likely to be waited for.
#[test]
fn a_thread_that_blocks_everything_gets_the_highest() {
    if skipped_under_emulation("the highest signals", "the emulator keeps them") {
        return;
    }
    alone(|| {
        signals::change_mask(libc::SIG_SETMASK, &signals::full());
        assert_eq!(first_use(), SIGRTMAX());
    });
}

#[test]
fn real_time_signals_come_last_from_the_highest_down() {
    if skipped_under_emulation("real-time signals", "the emulator lacks the highest") {
        return;
    }
    alone(|| {
        signals::handle(SIGUSR1, nothing, 0, &[]);
        signals::block(&[SIGUSR2]);
        signals::ignore(SIGRTMAX());
        assert_eq!(first_use(), SIGRTMAX() - 1);
    });
}

#[test]
fn a_daemon_that_waits_for_the_signal_keeps_it() {
    alone(|| {
        // As daemons do: blocked before the threads are made, taken by one of them. (Sent to that
        // one, for the test harness has a thread that does not block it.)
        signals::block(&[SIGUSR1]);
        let (tell, told) = std::sync::mpsc::channel();
        let daemon = thread::spawn(move || {
            tell.send(gettid()).unwrap();
            let mut signal = 0;
            // SAFETY: both are borrowed.
            let result = unsafe { libc::sigwait(&signals::set_of(&[SIGUSR1]), &mut signal) };
            (result, signal)
        });
        let waiting = told.recv().unwrap();
        wait_until_blocked(waiting, libc::SYS_rt_sigtimedwait);
        assert_eq!(first_use(), SIGUSR2);
        signals::send(waiting, SIGUSR1);
        assert_eq!(daemon.join().unwrap(), (0, SIGUSR1));
    });
}

#[test]
fn with_no_signal_free_checkpoints_are_left() {
    alone(|| {
        for signal in [SIGUSR1, SIGUSR2].into_iter().chain(SIGRTMIN()..=SIGRTMAX()) {
            signals::ignore(signal);
        }
        let (reader, writer) = pipe();
        let stuck = target(move || (own_read(reader).is_ok(), eintr::checkpoint().is_err()))
            .blocked_in(libc::SYS_read);
        let request = stuck.thread.interrupt();
        let outcome = request.wait(std::time::Duration::ZERO);
        assert!(matches!(outcome, Outcome::Undeliverable(_)), "{outcome:?}");
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(stuck.result(), (true, true));
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        let too_late = install(Signal::USR1).unwrap_err();
        assert!(matches!(too_late, InstallError::TooLate { signal: 0, .. }), "{too_late:?}");
    });
}

fn installs(signal: Signal, number: i32) {
    install(signal).unwrap();
    assert_eq!(first_use(), number);
}

#[test]
fn install_sigusr1() {
    alone(|| installs(Signal::USR1, SIGUSR1));
}

#[test]
fn install_sigusr2() {
    alone(|| installs(Signal::USR2, SIGUSR2));
}

#[test]
fn install_the_lowest_real_time_signal() {
    alone(|| installs(Signal::real_time(0), SIGRTMIN()));
}

#[test]
fn install_the_highest_real_time_signal() {
    if skipped_under_emulation("the highest real-time signal", "the emulator lacks it") {
        return;
    }
    alone(|| {
        installs(Signal::real_time(SIGRTMAX() - SIGRTMIN()), SIGRTMAX());
    });
}

#[test]
fn install_one_that_is_in_use_by_the_program() {
    alone(|| {
        signals::handle(SIGUSR2, nothing, libc::SA_RESTART, &[]);
        installs(Signal::USR2, SIGUSR2);
    });
}

#[test]
fn no_such_signal() {
    alone(|| {
        let beyond = SIGRTMAX() - SIGRTMIN() + 1;
        for n in [-1, i32::MIN, beyond, 1000, i32::MAX] {
            let error = install(Signal::real_time(n)).unwrap_err();
            let InstallError::Unsupported(signal) = error else { panic!("{n}: {error:?}") };
            assert_eq!(signal, Signal::real_time(n));
            assert!(error.to_string().contains(&n.to_string()), "{error}");
        }
        // None of these was a choice.
        installs(Signal::USR2, SIGUSR2);
    });
}

#[test]
fn install_twice() {
    alone(|| {
        install(Signal::USR2).unwrap();
        let first = line!() - 1;
        for signal in [Signal::USR2, Signal::USR1] {
            is_too_late(install(signal), SIGUSR2, first);
        }
        assert_eq!(first_use(), SIGUSR2);
    });
}

#[test]
fn install_after_a_task_has_run() {
    alone(|| {
        let (task, _) = eintr::task();
        task.run(|| {});
        is_too_late(install(Signal::USR2), SIGUSR1, line!() - 1);
    });
}

#[test]
fn install_after_a_thread_was_spawned() {
    alone(|| {
        eintr::spawn(|| {}).join().unwrap();
        is_too_late(install(Signal::USR2), SIGUSR1, line!() - 1);
    });
}

#[test]
fn install_by_many_at_once() {
    alone(|| {
        let installs = || install(Signal::USR2).is_ok();
        let threads: Vec<_> = (0..16).map(|_| thread::spawn(installs)).collect();
        let first: Vec<_> =
            threads.into_iter().filter_map(|t| t.join().unwrap().then_some(())).collect();
        assert_eq!(first.len(), 1);
        assert_eq!(first_use(), SIGUSR2);
    });
}

#[track_caller]
fn is_too_late(result: Result<(), InstallError>, in_use: i32, line: u32) {
    let error = result.unwrap_err();
    let InstallError::TooLate { signal, by, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*signal, by.file(), by.line()), (in_use, file!(), line));
    assert!(error.to_string().contains(file!()), "{error}");
    assert!(error.source().is_none());
}

#[test]
fn making_a_task_uses_no_signal_yet() {
    alone(|| {
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        installs(Signal::USR2, SIGUSR2);
        assert!(task.run(eintr::checkpoint).is_err());
    });
}

#[test]
fn a_handler_of_the_program_in_place_of_ours_is_told() {
    alone(|| {
        installs(Signal::USR1, SIGUSR1);
        signals::handle(SIGUSR1, nothing, libc::SA_RESTART, &[]);
        let (reader, writer) = pipe();
        let stuck = target(move || (own_read(reader).is_ok(), eintr::checkpoint().is_err()))
            .blocked_in(libc::SYS_read);
        let request = stuck.thread.interrupt();
        wait_until("the signal was swallowed", || !signals::is_pending(stuck.tid, SIGUSR1));
        let report = stuck.thread.interrupter().report();
        assert!(report.handler_replaced, "{report}");
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(stuck.result(), (true, true));
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
    });
}
