//! Choosing our signal and installing its handler, once per process (S1).
//!
//! # Safety
//!
//! The handler is [`signal::on_signal`], which is made to run at any instruction.

#![allow(unsafe_code)]

use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::c_int;

use super::{fork, moving, signal, sigsys, thread_end};
use crate::arch;
use crate::kernel::{Action, clock, pid, raw, signals};
use crate::reach::dispatch;
use crate::signal::{ours, siginfo};
use crate::thread::{fork_gate, registry, repeat_timer};

/// What was installed, or why nothing was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Installed {
    /// The signal, or the kernel's error number; 0 if no signal is free.
    pub(crate) signal: Result<c_int, i32>,
    /// Who was first: a call of `install`, or of what used it.
    pub(crate) by: &'static Location<'static>,
}

arch::door!(signal_door, "eintr_on_signal", signal::on_signal);
arch::door!(sigsys_door, "eintr_on_sigsys", sigsys::on_sigsys);

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Installs by first use: the first signal that nobody uses.
#[track_caller]
#[inline]
pub(crate) fn ensure() {
    // Not by the signal's number, which stands before the rest does.
    if INSTALLED.get().is_none() {
        install_first_free(Location::caller());
    }
}

#[cold]
fn install_first_free(by: &'static Location<'static>) {
    first_use(by, || {
        ours::move_by(moving::move_away);
        free_signals(signals::mask()).next().or_else(last_resort).ok_or(0)
    });
}

/// Installs that signal, unless something was installed before. What is in force, and whether it is
/// this.
pub(crate) fn choose(signal: c_int, by: &'static Location<'static>) -> (Installed, bool) {
    let mut first = false;
    let installed = first_use(by, || {
        first = true;
        Ok(signal)
    });
    (installed, first)
}

/// Installs a signal once, and makes what else is made once. With forks kept away: the child of one
/// that came between would wait for a thread that it does not have.
fn first_use(
    by: &'static Location<'static>,
    choose: impl FnOnce() -> Result<c_int, i32>,
) -> Installed {
    fork::watch();
    let gate = fork_gate::gate();
    let installed = *INSTALLED.get_or_init(|| {
        registry::at_thread_end(thread_end::end);
        clock::prepare();
        Installed { signal: choose().and_then(set), by }
    });
    drop(gate);
    installed
}

/// SIGUSR1, SIGUSR2, then real-time signals from the highest down: those whose disposition is the
/// default and which the calling thread does not block. (A blocked one is somebody's sigwait or
/// signalfd; unblocking it has killed such a daemon.)
pub(super) fn free_signals(blocked: signals::Set) -> impl Iterator<Item = c_int> {
    [libc::SIGUSR1, libc::SIGUSR2]
        .into_iter()
        .chain((libc::SIGRTMIN()..=libc::SIGRTMAX()).rev())
        .filter(move |&number| blocked & signals::bit(number) == 0)
        .filter(|&number| signals::action(number).is_ok_and(|old| old.handler == libc::SIG_DFL))
}

/// For a thread that blocks everything, and so says nothing about any one signal: the highest free
/// real-time signal, which is the least likely to be waited for.
fn last_resort() -> Option<c_int> {
    free_signals(0).find(|number| signals::is_real_time(*number))
}

/// A sandbox had a handler of SIGSYS before us, or this is valgrind.
static NO_ALTERNATE_STACK: AtomicBool = AtomicBool::new(false);

/// Our handler, where that was there before.
fn action_after(before: &Action) -> Action {
    // SA_SIGINFO: the handler needs the context, and the siginfo to tell whom to pass the signal on
    // to. SA_RESTART: threads that nobody asked see no EINTR (P5). SA_ONSTACK: a thread with a
    // small stack that has an alternate one (Go's, a guard against overflow) runs us there. Unless
    // we pass signals on to a handler that does not ask for it, or a sandbox has a handler of
    // SIGSYS: std's alternate stack is 8 KB, too small for a frame of ours, a handler that was made
    // for the thread's stack, and the frame of a SIGSYS at its or our first syscall. And valgrind
    // grows no stack for a handler that asks for another, even if there is none. The mask is
    // full: no handler of the application's runs between our look at the word and our return. But
    // for SIGSYS: a sandbox may trap what we ask the kernel for, and that must not be blocked (S2).
    let is_on_stack = !before.is_caught() || before.has(libc::SA_ONSTACK);
    let is_on_stack = is_on_stack && !NO_ALTERNATE_STACK.load(Ordering::Relaxed);
    let on_stack = if is_on_stack { libc::SA_ONSTACK } else { 0 };
    let flags = libc::SA_SIGINFO | libc::SA_RESTART | on_stack;
    let mask = signals::ALL_BUT_SIGSYS;
    Action::new(signal_door(), flags, mask)
}

/// Installs the handler.
fn set(number: c_int) -> Result<c_int, i32> {
    let before = signals::action(number)?;
    let has_sandbox = signals::action(libc::SIGSYS)?.is_caught();
    NO_ALTERNATE_STACK.store(has_sandbox || arch::on_valgrind(), Ordering::Relaxed);
    let action = action_after(&before);
    let previous = ours::previous(number);
    // Remembered before the handler can run, then once more as what was really replaced.
    previous.remember(&before);
    previous.stands_before(action.handler);
    ours::choose(Some(number));
    // SAFETY: `on_signal` is made to run at any instruction of any thread.
    let set = unsafe { signals::set_action(number, &action) };
    let before = set.inspect_err(|_| ours::choose(None))?;
    previous.remember(&before);
    pid::prepare();
    repeat_timer::learn_tick();
    dispatch::prepare(sigsys_door());
    Ok(number)
}

/// Installs the handler for a signal that nobody uses, and chooses it; false if somebody uses it by now.
pub(super) fn set_instead(number: c_int) -> bool {
    let unused = Action::default();
    let action = action_after(&unused);
    let previous = ours::previous(number);
    previous.remember(&unused);
    previous.stands_before(action.handler);
    // SAFETY: as in `set`.
    let Ok(before) = (unsafe { signals::set_action(number, &action) }) else {
        previous.stands_before(0);
        return false;
    };
    if before.is_caught() || before.handler == libc::SIG_IGN {
        // SAFETY: a disposition that was there.
        let _ = unsafe { signals::set_action(number, &before) };
        previous.stands_before(0);
        return false;
    }
    // Requesters use it from here on.
    ours::choose(Some(number));
    true
}

/// Whether a signal can be sent to a thread, as things are: a sandbox may have come since (S27).
pub(crate) fn can_send() -> bool {
    siginfo::send(raw::gettid(), 0).is_ok()
}
