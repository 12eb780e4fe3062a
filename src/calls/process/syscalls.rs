//! Syscalls that wait for children, and that signal them.
//!
//! # Safety
//!
//! Each block hands the kernel a record of its own to write, or numbers only.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{c_int, siginfo_t};

use super::Waited;
use crate::kernel::syscall;
use crate::thread::{Outcome, call};

pub(crate) fn waitid(kind: libc::idtype_t, id: i32, options: c_int) -> Outcome<Waited> {
    // SAFETY: a siginfo is plain numbers, and all zeros is one.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    let [kind, id, address] = [kind as usize, id as usize, &raw mut info as usize];
    // SAFETY: the kernel writes a siginfo; there is no rusage.
    unsafe { call(libc::SYS_waitid, [kind, id, address, options as usize, 0]) }?;
    // SAFETY: the kernel filled in a child's siginfo.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(Waited::from_change(pid, info.si_code, status))
}

/// The child and its status, encoded as for `WIFEXITED` and its kin.
pub(crate) fn wait4(pid: i32, options: c_int) -> Outcome<Waited> {
    let mut status: c_int = 0;
    let [pid, address] = [pid as usize, &raw mut status as usize];
    // SAFETY: the kernel writes the status; there is no rusage.
    let pid = unsafe { call(libc::SYS_wait4, [pid, address, options as usize, 0]) }?;
    Ok(Waited::from_encoded(pid as i32, status))
}

/// A descriptor of a process, which stays that process's when its number is another's. It is closed
/// on exec, and ready to be read once the process has ended.
pub(crate) fn pidfd_open(pid: u32) -> Result<OwnedFd, i32> {
    // SAFETY: no pointers.
    let fd = unsafe { syscall(libc::SYS_pidfd_open, [pid as usize, 0]) }?;
    // SAFETY: it is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Signals the process of a pidfd.
pub(crate) fn pidfd_send_signal(pidfd: &OwnedFd, signal: c_int) -> Result<(), i32> {
    let arguments = [pidfd.as_raw_fd() as usize, signal as usize, 0, 0];
    // SAFETY: a null pointer stands for what `kill` would tell.
    unsafe { syscall(libc::SYS_pidfd_send_signal, arguments) }.map(drop)
}

/// Signals the process that has that number.
pub(crate) fn kill(pid: u32, signal: c_int) -> Result<(), i32> {
    // SAFETY: no pointers.
    unsafe { syscall(libc::SYS_kill, [pid as usize, signal as usize]) }.map(drop)
}
