//! Ending a program by a signal, as shells and service managers expect it: [`interrupt_on`] turns
//! the first SIGTERM into an interrupt, and the second ends the process. [`on`] runs a closure at
//! others: SIGHUP, SIGQUIT. [`ready`] and [`stopping`] tell systemd.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io, thread};

use libc::c_int;
use signal_hook::iterator::{Handle, Signals};
use signal_hook::{SigId, flag, low_level};

use crate::kernel::{signal_name, signals};
use crate::signal::ours;
use crate::thread::block;
use crate::{Interrupter, Reason};

mod notify;

pub use notify::{ready, stopping};
#[doc(no_inline)]
pub use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// Turns the first of these signals that comes into an interrupt of the target, with
/// [`Reason::Signal`].
///
/// A second one, of any of them, ends the process at once by its default action, as a shell expects
/// it (status 128 + n): whoever sends it again has lost patience. So does the first one after the
/// [`Registration`] was dropped.
///
/// The signals are kept by signal-hook; a thread of its own waits for them. A signal that comes
/// while this is at work waits, if no other thread is there to take it: it is best called first,
/// before there are threads. If a service manager started the process, it is told that it is
/// [stopping].
///
/// # Examples
///
/// ```
/// use eintr::termination::{self, SIGINT, SIGTERM};
///
/// let worker = eintr::spawn(|| eintr::time::sleep(std::time::Duration::MAX));
/// let _registration = termination::interrupt_on(&[SIGINT, SIGTERM], worker.interrupter())?;
/// signal_hook::low_level::raise(SIGTERM)?; // as `kill` would
/// let error = worker.join().unwrap().unwrap_err();
/// assert_eq!(error.to_string(), "interrupted by SIGTERM");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// `InvalidInput` for no signals at all, for one that cannot be caught, that is not known by name,
/// or that is the one by which threads are interrupted; `AlreadyExists` for one that is registered
/// already; and what the system says if there are no resources.
pub fn interrupt_on(signals: &[c_int], target: impl Into<Interrupter>) -> io::Result<Registration> {
    let target = target.into();
    register(signals, true, move |signal| {
        target.ask(Reason::Signal(signal));
        // Nothing that could be done about an error is worth doing now.
        let _ = stopping();
    })
}

/// Runs a closure each time one of these signals comes: at SIGHUP, to read the configuration anew;
/// at SIGQUIT, to print a [`report()`](crate::report()).
///
/// It runs on a thread of its own, one at a time, and is given the signal's number; so it may do
/// what a signal handler may not. (Signals are blocked in that thread, and in those that it
/// spawns.) Signals of one number that come while it runs are one. A panic in it is told by the
/// panic hook, and ends nothing. After the [`Registration`] was dropped, the signals have their
/// default action.
///
/// # Examples
///
/// ```
/// use eintr::termination::{self, SIGHUP};
/// use std::sync::mpsc;
///
/// let (tell, told) = mpsc::channel();
/// let _registration = termination::on(&[SIGHUP], move |signal| tell.send(signal).unwrap())?;
/// signal_hook::low_level::raise(SIGHUP)?;
/// assert_eq!(told.recv().unwrap(), SIGHUP);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// As [`interrupt_on`].
pub fn on(
    signals: &[c_int],
    mut run: impl FnMut(c_int) + Send + 'static,
) -> io::Result<Registration> {
    register(signals, false, move |signal| {
        // What it leaves half done is its own.
        let _ = catch_unwind(AssertUnwindSafe(|| run(signal)));
    })
}

/// A thread waits for the signals. Whether the second of them ends the process.
fn register(
    signals: &[c_int],
    second_ends: bool,
    mut run: impl FnMut(c_int) + Send + 'static,
) -> io::Result<Registration> {
    if signals.is_empty() {
        return Err(invalid("no signals".into()));
    }
    for signal in signals {
        check(*signal, &lock())?;
    }
    let mut coming = Signals::new(NO_SIGNALS)?;
    let mut registration = Registration {
        signals: Vec::new(),
        ends: Arc::new(AtomicBool::new(false)),
        actions: Vec::new(),
        handle: coming.handle(),
    };
    // signal-hook installs its handler before it knows what to do, and a signal that comes between
    // is lost: to this thread, or to the one that waits for signals.
    // (What waits for a look at all handlers is not to be let in by that thread's start.)
    let _blocked = signals::block_here()
        .and(|before| block::with(|block| block.dispatch.look_and_let_in(before)));
    thread::Builder::new().name("eintr-signals".into()).spawn(move || {
        coming.forever().for_each(&mut run);
    })?;
    // Locked after the registration was made, so unlocked before that is dropped on an error: its
    // end locks too.
    let mut registered = lock();
    for &signal in signals {
        check(signal, &registered)?;
        let ends = &registration.ends;
        registration.handle.add_signal(signal)?;
        if let Some(over) = registered.remove(&signal) {
            low_level::unregister(over.default);
        }
        // In this order: the first signal finds the flag clear, and sets it; the second finds it
        // set.
        let default = flag::register_conditional_default(signal, ends.clone())?;
        registered.insert(signal, Standing { default, is_in_force: true });
        registration.signals.push(signal);
        if second_ends {
            registration.actions.push(flag::register(signal, ends.clone())?);
        }
    }
    Ok(registration)
}

const NO_SIGNALS: &[c_int] = &[];

/// Signals that are in force until this is dropped.
#[must_use = "dropped, it gives the signals back to their default action"]
pub struct Registration {
    signals: Vec<c_int>,
    /// Whether the next signal ends the process.
    ends: Arc<AtomicBool>,
    actions: Vec<SigId>,
    handle: Handle,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut registered = lock();
        self.handle.close();
        for action in self.actions.drain(..) {
            low_level::unregister(action);
        }
        // signal-hook never gives a signal back: without this it would be ignored.
        self.ends.store(true, Ordering::SeqCst);
        for signal in &self.signals {
            if let Some(standing) = registered.get_mut(signal) {
                standing.is_in_force = false;
            }
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.signals.iter().map(|signal| signal_name::of(*signal)).collect();
        f.debug_struct("Registration").field("signals", &names).finish_non_exhaustive()
    }
}

/// What becomes of a signal that was ever registered, with the action that is conditional on its
/// being asked a second time.
struct Standing {
    default: SigId,
    is_in_force: bool,
}

fn lock() -> std::sync::MutexGuard<'static, BTreeMap<c_int, Standing>> {
    static REGISTERED: Mutex<BTreeMap<c_int, Standing>> = Mutex::new(BTreeMap::new());
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check(signal: c_int, registered: &BTreeMap<c_int, Standing>) -> io::Result<()> {
    if low_level::signal_name(signal).is_none() {
        return Err(invalid(format!("{signal} is not a signal with a name")));
    }
    if signal_hook::consts::FORBIDDEN.contains(&signal) {
        return Err(invalid(format!("{} cannot be caught", signal_name::of(signal))));
    }
    if ours::number() == Some(signal) {
        let name = signal_name::of(signal);
        return Err(invalid(format!("{name} is the signal that interrupts threads")));
    }
    if registered.get(&signal).is_some_and(|standing| standing.is_in_force) {
        let text = format!("{} is registered already", signal_name::of(signal));
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    Ok(())
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
