//! Waiting for signals.
//!
//! # Safety
//!
//! Each block hands the kernel sets, a siginfo and a time that are borrowed, or the function's own, for the length of the call.

#![allow(unsafe_code)]

use std::time::Duration;

use libc::{c_int, siginfo_t};

use crate::calls::Limit;
use crate::kernel::{SET_SIZE, Set, address_of, signals, timespec_of};
use crate::signal::ours;
use crate::thread::{Outcome, Stop, call};
use crate::{Error, complete, is_interrupted};

/// A signal that was taken by [`sigwaitinfo`].
#[derive(Debug, Clone, Copy)]
pub struct SignalInfo {
    signal: c_int,
    code: c_int,
    pid: i32,
    value: usize,
}

impl SignalInfo {
    /// Its number.
    pub fn signal(&self) -> c_int {
        self.signal
    }

    /// Where it came from: `SI_USER`, `SI_QUEUE`, or what the kernel says about its cause.
    pub fn code(&self) -> c_int {
        self.code
    }

    /// The process that sent it, if a process did; for SIGCHLD, the child.
    pub fn pid(&self) -> Option<i32> {
        let sent = matches!(self.code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL);
        (sent || self.signal == libc::SIGCHLD).then_some(self.pid)
    }

    /// The value that it was queued with, an integer or a pointer, if it was (`sigqueue`).
    pub fn value(&self) -> Option<usize> {
        (self.code == libc::SI_QUEUE).then_some(self.value)
    }
}

/// Waits for one of those signals and takes it, so that no handler runs for it. The thread must
/// block them, as for `sigwaitinfo`, and so must all others: a signal to the process goes to
/// whoever lets it in.
///
/// The signal by which threads are interrupted is not waited for, even if it is named.
///
/// # Examples
///
/// ```
/// use nix::sys::signal::{SigSet, Signal, raise};
///
/// let mut blocked = SigSet::empty();
/// blocked.add(Signal::SIGHUP);
/// blocked.thread_block()?;
/// raise(Signal::SIGHUP)?;
/// assert_eq!(eintr::event::sigwaitinfo(&[libc::SIGHUP])?.signal(), libc::SIGHUP);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or of the kind `InvalidInput` if one of the numbers is no signal.
///
/// # Interruption
///
/// On `Interrupted` no signal was taken: one that comes stays pending.
///
/// See [sigwaitinfo(2)](https://man7.org/linux/man-pages/man2/sigwaitinfo.2.html).
pub fn sigwaitinfo(signals: &[c_int]) -> Result<SignalInfo, Error> {
    complete(|| take(set_without_ours(signals)?, None))
}

/// As [`sigwaitinfo`], for a limited time; none if it has passed.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// assert!(eintr::event::sigtimedwait(&[libc::SIGHUP], Duration::from_millis(1))?.is_none());
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`sigwaitinfo`].
///
/// # Interruption
///
/// As [`sigwaitinfo`].
///
/// See [sigtimedwait(2)](https://man7.org/linux/man-pages/man2/sigtimedwait.2.html).
pub fn sigtimedwait(signals: &[c_int], timeout: Duration) -> Result<Option<SignalInfo>, Error> {
    let limit = Limit::new(Some(timeout));
    complete(|| match take(set_without_ours(signals)?, limit.remaining()) {
        Err(Stop::Errno(libc::EAGAIN)) => Ok(None),
        taken => taken.map(Some),
    })
}

/// Waits until a signal's handler has run on this thread.
///
/// One that runs before is not waited for: [`sigsuspend`] closes that gap. (A signal by which threads are interrupted
/// that comes for nothing may end it, too: look at what the handler was to do.)
///
/// # Examples
///
/// ```no_run
/// # use std::sync::atomic::{AtomicBool, Ordering};
/// # static HANDLED: AtomicBool = AtomicBool::new(false);
/// while !HANDLED.load(Ordering::Relaxed) {
///     eintr::event::pause()?;
/// }
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`].
///
/// # Interruption
///
/// On `Interrupted` a handler may have run nevertheless.
///
/// See [pause(2)](https://man7.org/linux/man-pages/man2/pause.2.html).
pub fn pause() -> Result<(), Error> {
    complete(|| suspend(None))
}

/// As [`pause`], with exactly those signals blocked for the time of the call: what is blocked before it, and not in it,
/// is not missed. The signal by which threads are interrupted is never blocked here, nor is SIGSYS.
///
/// # Examples
///
/// ```no_run
/// # use std::sync::atomic::{AtomicBool, Ordering};
/// # static HANDLED: AtomicBool = AtomicBool::new(false);
/// nix::sys::signal::SigSet::from(nix::sys::signal::Signal::SIGHUP).thread_block().unwrap();
/// while !HANDLED.load(Ordering::Relaxed) {
///     eintr::event::sigsuspend(&[])?; // SIGHUP comes here, or not at all
/// }
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or of the kind `InvalidInput` if one of the numbers is no signal.
///
/// # Interruption
///
/// As [`pause`].
///
/// See [sigsuspend(2)](https://man7.org/linux/man-pages/man2/sigsuspend.2.html).
pub fn sigsuspend(blocked: &[c_int]) -> Result<(), Error> {
    complete(|| suspend(Some(mask_without_ours(blocked)?)))
}

/// The set of those signals without ours, which a wait would swallow (S7). EINVAL for what is no
/// signal.
pub(crate) fn set_without_ours(signals: &[c_int]) -> Outcome<Set> {
    let mut set = 0;
    for &signal in signals {
        if !(1..=Set::BITS as c_int).contains(&signal) {
            return Err(Stop::Errno(libc::EINVAL));
        }
        set |= signals::bit(signal);
    }
    Ok(set & !ours::set())
}

/// A set as C has it, without ours and SIGSYS.
#[cfg(feature = "capi")]
pub(crate) fn less_ours(set: Set) -> Set {
    set & !(ours::set() | signals::bit(libc::SIGSYS))
}

/// The same as a mask, without SIGSYS either: blocked, it is death to a thread under dispatch (S2).
pub(crate) fn mask_without_ours(signals: &[c_int]) -> Outcome<Set> {
    Ok(set_without_ours(signals)? & !signals::bit(libc::SIGSYS))
}

/// rt_sigtimedwait.
fn take(set: Set, timeout: Option<Duration>) -> Outcome<SignalInfo> {
    // SAFETY: a siginfo is plain numbers, and all zeros is one.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    let timeout = timeout.map(timespec_of);
    let [set, info_address] = [&raw const set as usize, &raw mut info as usize];
    let arguments = [set, info_address, address_of(&timeout), SET_SIZE];
    // SAFETY: the kernel reads the set and the time, and writes a siginfo.
    unsafe { call(libc::SYS_rt_sigtimedwait, arguments) }?;
    // SAFETY: each of these is a number at a fixed place of the siginfo; where the signal's kind
    // has no such thing, it is another number, and the public side says so.
    let (pid, value) = unsafe { (info.si_pid(), info.si_value().sival_ptr as usize) };
    Ok(SignalInfo { signal: info.si_signo, code: info.si_code, pid, value })
}

/// Sleeps until a handler has run that is not ours, with that mask or the thread's own. (One of ours that comes for
/// nothing cannot be told from it.)
pub(crate) fn suspend(mask: Option<Set>) -> Outcome<()> {
    // What sigsuspend does; and pause, which aarch64 has not.
    let arguments = [0, 0, 0, address_of(&mask), SET_SIZE];
    // SAFETY: the kernel reads the mask.
    match unsafe { call(libc::SYS_ppoll, arguments) } {
        Err(Stop::Errno(libc::EINTR)) if !is_interrupted() => Ok(()),
        stopped => stopped.map(drop),
    }
}
