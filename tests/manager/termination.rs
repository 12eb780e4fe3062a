//! SIGTERM becomes an interrupt; a second one ends the process. Other signals run a closure. The
//! service manager is told.
//!
//! The tests here work like this: each runs in a process of its own, sends itself the signals, and
//! its end is checked from outside.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc;
use std::time::Duration;

use eintr::{Outcome, Reason, termination};
use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGSEGV, SIGTERM};
use signal_hook::low_level::raise;
use test_support::child::{alone, dies_by, limit_life};
use test_support::target::target;
use test_support::{LIMIT, threads_named, wait_until};

#[test]
fn the_first_signal_interrupts() {
    alone(|| {
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
    alone(|| {
        let worker = eintr::spawn(|| std::thread::sleep(Duration::MAX));
        let _registration = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        raise(SIGTERM).unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn the_second_signal_ends_the_process() {
    dies_by(SIGINT, || {
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
    dies_by(SIGTERM, || {
        let (_task, interrupter) = eintr::task();
        drop(termination::interrupt_on(&[SIGTERM], interrupter).unwrap());
        raise(SIGTERM).unwrap();
    });
}

#[test]
fn registered_anew_it_interrupts_again() {
    alone(|| {
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
    alone(|| {
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

#[test]
fn a_closure_runs_each_time() {
    alone(|| {
        let (tell, told) = mpsc::channel();
        let registration = termination::on(&[SIGHUP, SIGQUIT], move |signal| {
            tell.send(signal).unwrap();
            assert_ne!(signal, SIGQUIT, "on purpose");
        });
        for signal in [SIGHUP, SIGHUP, SIGQUIT, SIGHUP] {
            raise(signal).unwrap();
            assert_eq!(told.recv().unwrap(), signal);
        }
        // Both kinds side by side, each with its own signals.
        let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
        let twice = termination::interrupt_on(&[SIGHUP], &worker).unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
        let _other = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        raise(SIGHUP).unwrap();
        assert_eq!(told.recv().unwrap(), SIGHUP);
        raise(SIGTERM).unwrap();
        assert!(worker.join().unwrap().is_err());
        drop(registration);
        assert!(told.recv().is_err(), "the closure has gone");
    });
}

#[test]
fn without_its_closure_a_signal_has_its_default() {
    dies_by(SIGQUIT, || {
        drop(termination::on(&[SIGQUIT], |_| unreachable!()).unwrap());
        raise(SIGQUIT).unwrap();
    });
}

#[test]
fn a_closure_takes_the_place_of_an_interrupt() {
    alone(|| {
        let (_task, target) = eintr::task();
        drop(termination::interrupt_on(&[SIGTERM], &target).unwrap());
        let (tell, told) = mpsc::channel();
        let _closure = termination::on(&[SIGTERM], move |signal| tell.send(signal).unwrap());
        for _ in 0..3 {
            raise(SIGTERM).unwrap();
            assert_eq!(told.recv().unwrap(), SIGTERM);
        }
        assert!(matches!(target.interrupt().wait(Duration::ZERO), Outcome::NotStarted));
    });
}

#[test]
fn an_interrupt_waits_for_no_closure() {
    alone(|| {
        let (begins, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let _slow = termination::on(&[SIGHUP], move |_| {
            begins.send(()).unwrap();
            released.recv().unwrap();
        });
        let (tell, told) = mpsc::channel();
        let _quick = termination::on(&[SIGQUIT], move |signal| tell.send(signal).unwrap());
        let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
        let _end = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        raise(SIGHUP).unwrap();
        begun.recv().unwrap();
        // While it runs: two of its own, which are one once both have come; another's closure, by whose call they have; an interrupt.
        raise(SIGHUP).unwrap();
        raise(SIGHUP).unwrap();
        raise(SIGQUIT).unwrap();
        assert_eq!(told.recv().unwrap(), SIGQUIT);
        raise(SIGTERM).unwrap();
        assert!(worker.join().unwrap().is_err());
        assert!(begun.try_recv().is_err(), "one at a time");
        release.send(()).unwrap();
        begun.recv().unwrap();
        release.send(()).unwrap();
        wait_until("no closure runs", || threads_named("eintr-signal") == 0);
        assert!(begun.try_recv().is_err());
        // And then one thread is left.
        assert_eq!(threads_named("eintr-signals"), 1);
    });
}

#[test]
fn a_signal_waits_for_no_hook() {
    alone(|| {
        let (begins, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let worker = target(move || {
            let hook = move |_: &eintr::Interrupted| {
                begins.send(()).unwrap();
                released.recv().unwrap();
            };
            eintr::with_hook(hook, || eintr::time::sleep(Duration::MAX))
        });
        let worker = worker.blocked_in(libc::SYS_clock_nanosleep).thread;
        let _end = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        let (tell, told) = mpsc::channel();
        let _dump = termination::on(&[SIGQUIT], move |signal| tell.send(signal).unwrap());
        raise(SIGTERM).unwrap();
        begun.recv().unwrap();
        raise(SIGQUIT).unwrap();
        assert_eq!(told.recv_timeout(LIMIT), Ok(SIGQUIT));
        release.send(()).unwrap();
        assert!(worker.join().unwrap().is_err());
    });
}

#[test]
fn a_registration_that_its_own_closure_drops_is_over() {
    dies_by(SIGHUP, || {
        let (give, given) = mpsc::channel::<termination::Registration>();
        let (tell, told) = mpsc::channel();
        let registration = termination::on(&[SIGHUP], move |signal| {
            tell.send(signal).unwrap();
            drop(given.recv().unwrap());
            tell.send(signal).unwrap();
        });
        let (pass, passed) = mpsc::channel();
        let _other = termination::on(&[SIGQUIT], move |signal| pass.send(signal).unwrap());
        raise(SIGHUP).unwrap();
        assert_eq!(told.recv(), Ok(SIGHUP));
        raise(SIGHUP).unwrap();
        raise(SIGQUIT).unwrap();
        assert_eq!(passed.recv(), Ok(SIGQUIT));
        give.send(registration.unwrap()).unwrap();
        assert_eq!(told.recv(), Ok(SIGHUP));
        assert!(told.recv().is_err(), "nor for the one that came meanwhile");
        raise(SIGHUP).unwrap();
    });
}

/// Runs a case in the child of a fork.
fn in_child(case: impl FnOnce()) {
    // SAFETY: the child ends by `_exit`.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Parent { child } => {
            let status = nix::sys::wait::waitpid(child, None).unwrap();
            assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 7));
        }
        nix::unistd::ForkResult::Child => {
            limit_life();
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(case));
            // SAFETY: nothing runs after it.
            unsafe { libc::_exit(if ended.is_ok() { 7 } else { 1 }) };
        }
    }
}

/// A child has signals of its own, by a thread of its own.
#[test]
fn a_child_begins_anew() {
    alone(|| {
        let (tell, told) = mpsc::channel();
        // SAFETY: nothing runs after it.
        let parents = |_| unsafe { libc::_exit(3) };
        let registrations =
            [SIGHUP, SIGQUIT].map(|signal| termination::on(&[signal], parents).unwrap());
        in_child(|| {
            let tell_quit = tell.clone();
            raise(SIGHUP).unwrap();
            let quit = termination::on(&[SIGQUIT], move |signal| tell_quit.send(signal).unwrap());
            raise(SIGHUP).unwrap();
            drop(registrations);
            raise(SIGQUIT).unwrap();
            assert_eq!(told.recv(), Ok(SIGQUIT));
            let hup = termination::on(&[SIGHUP], move |signal| tell.send(signal).unwrap());
            raise(SIGHUP).unwrap();
            assert_eq!(told.recv(), Ok(SIGHUP));
            drop((quit, hup));
        });
    });
}

fn set_socket(name: &str) {
    // SAFETY: in a process of its own, whose other thread looks at no environment.
    unsafe { std::env::set_var("NOTIFY_SOCKET", name) };
}

fn received(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 64];
    let length = manager.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn the_service_manager_is_told() {
    alone(|| {
        set_socket("");
        assert!(!termination::ready().unwrap() && !termination::stopping().unwrap());

        let path = std::env::temp_dir().join(format!("eintr-notify-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        set_socket(path.to_str().unwrap());
        assert!(termination::ready().unwrap());
        assert_eq!(received(&manager), "READY=1");
        std::fs::remove_file(&path).unwrap();
        assert!(termination::ready().is_err(), "nobody listens");

        let name = format!("eintr-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        set_socket(&format!("@{name}"));
        let worker = eintr::spawn(|| {
            std::thread::sleep(Duration::MAX);
            // Interrupted as it is.
            termination::ready()
        });
        let _registration = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        raise(SIGTERM).unwrap();
        assert!(worker.join().unwrap().unwrap());
        let mut both = [received(&manager), received(&manager)];
        both.sort();
        assert_eq!(both, ["READY=1", "STOPPING=1"]);
    });
}
