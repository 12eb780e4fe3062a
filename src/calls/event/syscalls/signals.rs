//! `rt_sigtimedwait`, and sets of signals without ours.
//!
//! # Safety
//!
//! Each block hands the kernel sets, a siginfo and a time that are borrowed, or the function's own, for
//! the length of the call.

#![allow(unsafe_code)]

use std::time::Duration;

use libc::{c_int, siginfo_t};

use crate::is_interrupted;
use crate::kernel::{SET_SIZE, Set, address_of, signals, timespec_of};
use crate::signal::ours;
use crate::thread::{Outcome, Stop, call};

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

/// A signal that was taken by [`sigwaitinfo`](super::super::sigwaitinfo).
#[derive(Debug, Clone, Copy)]
pub struct SignalInfo {
    pub(in crate::calls::event) signal: c_int,
    pub(in crate::calls::event) code: c_int,
    pub(in crate::calls::event) pid: i32,
    pub(in crate::calls::event) value: usize,
}

pub(crate) fn sigtimedwait(set: Set, timeout: Option<Duration>) -> Outcome<SignalInfo> {
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
