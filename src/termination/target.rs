//! What is done when a signal comes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use libc::c_int;

use crate::kernel::signals::{self, Set};
use crate::thread::{fork_gate, helper_thread, hook_queue};
use crate::{Interrupter, Reason, observed};

pub(super) struct Target {
    what: What,
    waiting: Mutex<Waiting>,
    /// Of the process that it belongs to.
    generation: u32,
}

enum What {
    Interrupt(Interrupter),
    Run(Mutex<Box<dyn FnMut(c_int) + Send>>),
}

#[derive(Default)]
struct Waiting {
    /// Those that have come and for which it was not run yet.
    signals: Set,
    /// Some thread runs it.
    runs: bool,
    /// It is not run any more.
    is_over: bool,
}

impl Target {
    pub(super) fn interrupt(interrupter: Interrupter) -> Self {
        Self::new(What::Interrupt(interrupter))
    }

    pub(super) fn run(run: impl FnMut(c_int) + Send + 'static) -> Self {
        Self::new(What::Run(Mutex::new(Box::new(run))))
    }

    fn new(what: What) -> Self {
        Self { what, waiting: Mutex::default(), generation: fork_gate::generation() }
    }

    /// Whether it is this process's, and not that of the parent of a fork.
    pub(super) fn is_here(&self) -> bool {
        self.generation == fork_gate::generation()
    }

    pub(super) fn interrupts(&self) -> Option<&Interrupter> {
        match &self.what {
            What::Interrupt(interrupter) => Some(interrupter),
            What::Run(_) => None,
        }
    }

    /// The signal has come. The caller does not wait for what the program does about it, unless no thread is to be had.
    pub(super) fn bring(self: &Arc<Self>, signal: c_int) {
        let begins = self.locked(|waiting| {
            waiting.signals |= signals::bit(signal);
            !std::mem::replace(&mut waiting.runs, true)
        });
        if !begins {
            return;
        }
        let is_slow = self.interrupts().is_none() || hook_queue::in_use() || observed::is_on();
        let this = self.clone();
        if !is_slow || helper_thread::start("eintr-signal", move || this.run_all()).is_err() {
            self.run_all();
        }
    }

    /// It is not run any more, but to the end where it runs.
    pub(super) fn give_up(&self) {
        self.locked(|waiting| waiting.is_over = true);
    }

    fn run_all(&self) {
        while let Some(signal) = self.locked(Waiting::next) {
            // What it leaves half done is its own.
            let _ = catch_unwind(AssertUnwindSafe(|| match &self.what {
                What::Interrupt(interrupter) => drop(interrupter.ask(Reason::Signal(signal))),
                What::Run(run) => run.lock().unwrap_or_else(PoisonError::into_inner)(signal),
            }));
        }
    }

    fn locked<T>(&self, f: impl FnOnce(&mut Waiting) -> T) -> T {
        let _gate = fork_gate::gate();
        f(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Waiting {
    fn next(&mut self) -> Option<c_int> {
        if self.is_over || self.signals == 0 {
            self.runs = false;
            return None;
        }
        let signal = self.signals.trailing_zeros() as c_int + 1;
        self.signals &= !signals::bit(signal);
        Some(signal)
    }
}
