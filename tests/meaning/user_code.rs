//! What is the user's runs where no lock of ours is held: destructors of reasons may ask, look, run
//! tasks, and fork.
//!
//! The tests here work like this: a reason's destructor does all of that. It runs in a process of
//! its own, for it forks.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex};

use eintr::{Interrupter, checkpoint, mask, take, task};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use test_support::child::alone;
use test_support::has_dispatch;

/// A reason whose destructor asks everything that it could.
#[derive(Debug)]
struct Busy {
    interrupter: Interrupter,
    dropped: Arc<Mutex<Vec<&'static str>>>,
    name: &'static str,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl StdError for Busy {}

impl Drop for Busy {
    fn drop(&mut self) {
        self.interrupter.report();
        self.interrupter.is_finished();
        self.interrupter.interrupt();
        let _ = checkpoint();
        let (task, _) = task();
        task.run(|| mask(|| ()));
        fork_once();
        self.dropped.lock().unwrap().push(self.name);
    }
}

/// A fork waits until nothing of ours is locked.
fn fork_once() {
    // SAFETY: the child does nothing but end.
    match unsafe { fork() }.unwrap() {
        // The thread may be armed.
        ForkResult::Parent { child } => drop(mask(|| waitpid(child, None)).unwrap()),
        // SAFETY: no destructor or buffer of the parent's is to be run here.
        ForkResult::Child => unsafe { libc::_exit(0) },
    }
}

#[test]
fn reasons_are_dropped_where_no_lock_is_held() {
    alone(|| {
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let (task, interrupter) = task();
        let ask = |name| {
            let reason = Busy { interrupter: interrupter.clone(), dropped: dropped.clone(), name };
            interrupter.interrupt_with(reason)
        };
        ask("before the start");
        task.run(|| {
            ask("second");
            drop(take());
            // That was the last to be raised: another takes its place now.
            assert!(checkpoint().is_err());
            drop(take());
            while take().is_some() {}
            ask("at the end");
            assert!(checkpoint().is_err());
            ask("never raised");
        });
        ask("too late");
        let (unrun, its) = eintr::task();
        its.interrupt_with(Busy {
            interrupter: its.clone(),
            dropped: dropped.clone(),
            name: "unrun",
        });
        drop(unrun);
        assert_eq!(its.raised().map(drop), None);
        let dropped = dropped.lock().unwrap().clone();
        assert_eq!(dropped, ["before the start", "second", "never raised", "too late", "unrun"]);
        assert_eq!(interrupter.raised().unwrap().to_string(), "interrupted: at the end");
    });
}

#[test]
fn a_reason_is_dropped_after_a_refusal_was_noticed() {
    if !has_dispatch("a refusal") {
        return;
    }
    alone(|| {
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let (task, interrupter) = task();
        task.run(|| {
            let reason =
                Busy { interrupter: interrupter.clone(), dropped: dropped.clone(), name: "first" };
            interrupter.interrupt_with(reason);
            drop(take());
            interrupter.interrupt_with("second");
            // Refused on account of the second; once that is taken as well, the first is nobody's.
            let refused = nix::poll::poll(&mut [], 1000u16).is_err();
            assert!(refused && interrupter.report().refused > 0);
            assert_eq!(interrupter.raised().unwrap().to_string(), "interrupted: second");
            drop(take());
            assert_eq!(*dropped.lock().unwrap(), ["first"]);
        });
    });
}
