//! What becomes of a deadline whose signal is lost, and that nobody else sees its signal.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use eintr::{Signal, mask, timeout, within};
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, SigmaskHow};
use nix::sys::time::TimeSpec;
use test_support::child::alone;
use test_support::skipped_under_emulation;

use super::threads::signal_set;
use super::{HOUR, SHORT, Told, read_in_vain, wait_until_armed};

fn usr1(how: SigmaskHow) {
    let set = SigSet::from(signal::Signal::SIGUSR1);
    signal::pthread_sigmask(how, Some(&set), None).unwrap();
}

/// Whether this thread, which blocks the signal, takes one in that time.
fn takes_usr1_within(time: Duration) -> bool {
    let set = SigSet::from(signal::Signal::SIGUSR1);
    let time = TimeSpec::from(time);
    // SAFETY: a set and a time are borrowed, and nothing is told of the signal.
    let signal = unsafe { libc::sigtimedwait(set.as_ref(), ptr::null_mut(), time.as_ref()) };
    signal == libc::SIGUSR1
}

/// The application blocks the signal and takes the shot for its own. Later deadlines are not held
/// up by the one that never arrived.
#[test]
fn a_shot_that_was_lost_is_made_up_for() {
    alone(|| {
        eintr::install(Signal::USR1).unwrap();
        // On a busy machine it may land before it is blocked: then there is another, later.
        let mut time = SHORT;
        loop {
            within(time, || ());
            usr1(SigmaskHow::SIG_BLOCK);
            if takes_usr1_within(time * 2) {
                break;
            }
            usr1(SigmaskHow::SIG_UNBLOCK);
            time *= 2;
        }
        assert_eq!(timeout(SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
        usr1(SigmaskHow::SIG_UNBLOCK);
        assert_eq!(timeout(SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
    });
}

/// A signal that is blocked in the middle of a deadline comes when it is unblocked.
#[test]
fn a_shot_that_was_held_up_arrives() {
    if skipped_under_emulation("a shot held up", "it has a queue of its own before the kernel's") {
        return;
    }
    alone(|| {
        eintr::install(Signal::USR1).unwrap();
        let (mut time, mut was_held_up) = (SHORT, false);
        while !was_held_up {
            within(time, || {
                usr1(SigmaskHow::SIG_BLOCK);
                // On a slow machine it has come before.
                test_support::wait_until("the shot is pending, or has come", || {
                    was_held_up = signal_set("SigPnd:") != 0;
                    was_held_up || eintr::is_interrupted()
                });
                assert_ne!(eintr::is_interrupted(), was_held_up);
                usr1(SigmaskHow::SIG_UNBLOCK);
                assert!(eintr::is_interrupted());
            });
            time *= 2;
        }
    });
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_number: libc::c_int) {
    RUNS.fetch_add(1, SeqCst);
}

/// Shots in time, too early, too late and in a mask: none of them is the application's.
#[test]
fn the_applications_handler_sees_no_shot() {
    alone(|| {
        let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler touches an atomic.
        unsafe { signal::sigaction(signal::Signal::SIGUSR1, &action) }.unwrap();
        eintr::install(Signal::USR1).unwrap();
        within(SHORT, wait_until_armed);
        within(SHORT, || ());
        within(4 * SHORT, || {
            mask(|| within(SHORT, || ()));
            wait_until_armed();
        });
        within(SHORT, || ());
        mask(|| within(2 * SHORT, wait_until_armed));
        within(HOUR, || within(SHORT, wait_until_armed));
        assert_eq!(RUNS.load(SeqCst), 0);
        signal::raise(signal::Signal::SIGUSR1).unwrap();
        assert_eq!(RUNS.load(SeqCst), 1, "its own goes on to it");
    });
}
