//! `rt_sigtimedwait`, and sets of signals without ours.
//!
//! # Safety
//!
//! Each block hands the kernel sets, a siginfo and a time that are borrowed, or the function's own, for
//! the length of the call.

#![allow(unsafe_code)]

use std::time::Duration;

use libc::{c_int, siginfo_t};

use crate::kernel::clock::timespec_of;
use crate::kernel::{SET_SIZE, Set, signals};
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

/// What the kernel tells about a signal, as plain numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Info {
    pub(crate) signal: c_int,
    pub(crate) code: c_int,
    pub(crate) pid: i32,
    pub(crate) value: usize,
}

pub(crate) fn sigtimedwait(set: Set, timeout: Option<Duration>) -> Outcome<Info> {
    // SAFETY: a siginfo is plain numbers, and all zeros is one.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    let timeout = timeout.map(timespec_of);
    let [set, info_address] = [&raw const set as usize, &raw mut info as usize];
    let timeout = timeout.as_ref().map_or(0, |timeout| &raw const *timeout as usize);
    let arguments = [set, info_address, timeout, SET_SIZE];
    // SAFETY: the kernel reads the set and the time, and writes a siginfo.
    unsafe { call(libc::SYS_rt_sigtimedwait, arguments) }?;
    // SAFETY: each of these is a number at a fixed place of the siginfo; where the signal's kind
    // has no such thing, it is another number, and the public side says so.
    let (pid, value) = unsafe { (info.si_pid(), info.si_value().sival_ptr as usize) };
    Ok(Info { signal: info.si_signo, code: info.si_code, pid, value })
}
