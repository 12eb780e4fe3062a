//! Ending a program by a signal, as shells and service managers expect it: [`interrupt_on`] turns
//! the first SIGTERM into an interrupt, and the second ends the process. [`on`] runs a closure at
//! others: SIGHUP, SIGQUIT. A service manager hears what becomes of it: [`ready`], [`stopping`], [`reloading`], [`status`],
//! [`extend`], and a [`Heartbeat`] for its watchdog.
//!
//! # Who waits for whom
//!
//! One thread, `eintr-signals`, waits for all signals, for as long as the process runs, and tells the service manager what is told by itself. It
//! runs none of the program's closures: each [`on`] has a thread of its own while its closure runs. So of one [`on`] one
//! closure runs at a time; those of several do not wait for each other; and no interrupt waits for a closure, nor for a task's
//! [hook](crate::with_hook) that hangs. (Where the system has no thread for one, it runs on that thread all the same, and what
//! comes meanwhile waits.) The second signal of [`interrupt_on`] is for nobody's thread to see: it ends the process where it comes.
//!
//! The thread is this process's: what is registered before a `fork` does nothing in the child, which may register the same signals
//! again. A daemon forks first.
//!
//! # Stopping
//!
//! From the signal of [`interrupt_on`] on, until all tasks that it has asked have ended, the service manager is told once a second
//! which are left, and in what calls; `systemctl status` shows it. If one of those that there were at the signal has ended since it was told
//! last, it is told as well to wait 10 seconds longer from then on, be `TimeoutStopSec=` over or not. So a stop that gets on is not cut off,
//! and one that does not is ended in time. (What begins after the signal does not count: the stop comes to its end.)
//!
//! # A unit
//!
//! ```ini
//! [Service]
//! Type=notify-reload
//! ExecStart=/usr/bin/example
//! WatchdogSec=30
//! TimeoutStopSec=20
//! Restart=on-failure
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, io};

use libc::c_int;
use signal_hook::{SigId, flag, low_level};

use crate::Interrupter;
use crate::entry::fork;
use crate::kernel::{signal_name, signals};
use crate::signal::ours;
use crate::thread::block;

mod heartbeat;
mod notify;
mod stop;
mod table;
mod target;
mod waiter;

use target::Target;

pub use heartbeat::Heartbeat;
pub use notify::{extend, ready, reloading, status, stopping};
#[doc(no_inline)]
pub use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// Turns the first of these signals that comes into an interrupt of the target, with
/// [`Reason::Signal`](crate::Reason::Signal).
///
/// A second one, of any of them, ends the process at once by its default action, as a shell expects
/// it (status 128 + n): whoever sends it again has lost patience. So does the first one after the
/// [`Registration`] was dropped.
///
/// The signals are kept by signal-hook; a [thread](self#who-waits-for-whom) waits for them. A signal that comes
/// while this is at work waits, if no other thread is there to take it: it is best called first,
/// before there are threads. If a service manager started the process, it is told that it is
/// [stopping](self#stopping).
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
    register(signals, true, Target::interrupt(target.into()))
}

/// Runs a closure each time one of these signals comes: at SIGHUP, to read the configuration anew;
/// at SIGQUIT, to print a [`report()`](crate::report()).
///
/// It runs on a [thread of its own](self#who-waits-for-whom), one at a time, and is given the signal's number; so it may do
/// what a signal handler may not, and take its time. (Signals are blocked in that thread, and in those that it
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
pub fn on(signals: &[c_int], run: impl FnMut(c_int) + Send + 'static) -> io::Result<Registration> {
    register(signals, false, Target::run(run))
}

/// Waits for signals, by the one thread. Whether the second of them ends the process.
fn register(signals: &[c_int], second_ends: bool, target: Target) -> io::Result<Registration> {
    if signals.is_empty() {
        return Err(invalid("no signals".into()));
    }
    signals.iter().try_for_each(|signal| check(*signal))?;
    fork::watch();
    waiter::start()?;
    let mut registration = Registration {
        signals: Vec::new(),
        target: Arc::new(target),
        ends: Arc::new(AtomicBool::new(false)),
        actions: Vec::new(),
    };
    // signal-hook installs its handler before it knows what to do, and a signal that comes between
    // is lost.
    // (What waits for a look at all handlers is not to be let in by what follows.)
    let _blocked = signals::block_here()
        .and(|before| block::with(|block| block.dispatch.look_and_let_in(before)));
    for &signal in signals {
        let is_heard = table::standing(signal, |standing| {
            if standing.target.as_ref().is_some_and(|target| target.is_here()) {
                return None;
            }
            let parents = standing.target.replace(registration.target.clone());
            Some((standing.is_heard, parents))
        });
        let (is_heard, _) = is_heard.ok_or_else(|| registered(signal))?;
        registration.signals.push(signal);
        if !is_heard {
            waiter::hear(signal)?;
        }
        // In this order: the first signal finds the flag clear, and sets it; the second finds it
        // set.
        let ends = &registration.ends;
        let default = flag::register_conditional_default(signal, ends.clone())?;
        let over = table::standing(signal, |standing| {
            standing.is_heard = true;
            standing.default.replace(default)
        });
        over.map(low_level::unregister);
        if second_ends {
            registration.actions.push(flag::register(signal, ends.clone())?);
        }
    }
    Ok(registration)
}

/// Signals that are in force until this is dropped.
#[must_use = "dropped, it gives the signals back to their default action"]
pub struct Registration {
    signals: Vec<c_int>,
    target: Arc<Target>,
    /// Whether the next signal ends the process.
    ends: Arc<AtomicBool>,
    actions: Vec<SigId>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        // signal-hook never gives a signal back: without this it would be ignored.
        self.ends.store(true, Ordering::SeqCst);
        for action in self.actions.drain(..) {
            low_level::unregister(action);
        }
        self.target.give_up();
        for &signal in &self.signals {
            let is_it = |target: &mut Arc<Target>| Arc::ptr_eq(target, &self.target);
            // Ours is not the last count of it yet.
            drop(table::standing(signal, |standing| standing.target.take_if(is_it)));
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.signals.iter().map(|signal| signal_name::of(*signal)).collect();
        f.debug_struct("Registration").field("signals", &names).finish_non_exhaustive()
    }
}

fn check(signal: c_int) -> io::Result<()> {
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
    match table::target(signal) {
        None => Ok(()),
        Some(_) => Err(registered(signal)),
    }
}

fn registered(signal: c_int) -> io::Error {
    let text = format!("{} is registered already", signal_name::of(signal));
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
