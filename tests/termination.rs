//! SIGTERM becomes an interrupt; a second one ends the process.
//!
//! The tests here work like this: each runs in a process of its own, sends itself the signals, and
//! its end is checked from outside.

#[path = "common/child.rs"]
mod child;
mod common;

use std::io::ErrorKind;
use std::time::Duration;

use child::{alone, dies_by};
use eintr::{Outcome, Reason, termination};
use signal_hook::consts::{SIGINT, SIGKILL, SIGSEGV, SIGTERM};
use signal_hook::low_level::raise;

#[test]
fn the_first_signal_interrupts() {
    alone("the_first_signal_interrupts", || {
        let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
        let registration = termination::interrupt_on(&[SIGINT, SIGTERM], &worker).unwrap();
        raise(SIGTERM).unwrap();
        let interrupter = worker.interrupter();
        let error = worker.join().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "interrupted by SIGTERM");
        let raised = interrupter.raised().unwrap();
        assert!(matches!(raised.reason(), Reason::Signal(SIGTERM)));
        drop(registration);
    });
}

#[test]
fn plain_code_is_interrupted_too() {
    alone("plain_code_is_interrupted_too", || {
        let worker = eintr::spawn(|| std::thread::sleep(Duration::MAX));
        let _registration = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        raise(SIGTERM).unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn the_second_signal_ends_the_process() {
    dies_by(SIGINT, "the_second_signal_ends_the_process", || {
        let (task, interrupter) = eintr::task();
        let _registration =
            termination::interrupt_on(&[SIGINT, SIGTERM], interrupter.clone()).unwrap();
        task.run(|| {
            raise(SIGTERM).unwrap();
            while !eintr::is_interrupted() {
                std::thread::yield_now();
            }
            raise(SIGINT).unwrap();
            unreachable!("the default action");
        });
    });
}

#[test]
fn dropped_it_gives_the_default_back() {
    dies_by(SIGTERM, "dropped_it_gives_the_default_back", || {
        let (_task, interrupter) = eintr::task();
        drop(termination::interrupt_on(&[SIGTERM], interrupter).unwrap());
        raise(SIGTERM).unwrap();
    });
}

#[test]
fn registered_anew_it_interrupts_again() {
    alone("registered_anew_it_interrupts_again", || {
        let (_task, interrupter) = eintr::task();
        drop(termination::interrupt_on(&[SIGTERM], &interrupter).unwrap());
        let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
        let _registration = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        raise(SIGTERM).unwrap();
        assert!(worker.join().unwrap().is_err());
    });
}

#[test]
fn bad_input_is_said() {
    alone("bad_input_is_said", || {
        let (_task, target) = eintr::task();
        let kind =
            |signals: &[i32]| termination::interrupt_on(signals, &target).unwrap_err().kind();
        let _installed = eintr::support();
        for signals in [&[][..], &[SIGKILL], &[SIGSEGV], &[0], &[-1], &[1000], &[libc::SIGUSR1]] {
            assert_eq!(kind(signals), ErrorKind::InvalidInput, "{signals:?}");
        }
        let _registration = termination::interrupt_on(&[SIGTERM], &target).unwrap();
        assert_eq!(kind(&[SIGINT, SIGTERM]), ErrorKind::AlreadyExists);
        assert_eq!(kind(&[SIGINT, SIGINT]), ErrorKind::AlreadyExists);
        let _other = termination::interrupt_on(&[SIGINT], &target).unwrap();
        assert!(matches!(target.interrupt().wait(Duration::ZERO), Outcome::NotStarted));
    });
}
