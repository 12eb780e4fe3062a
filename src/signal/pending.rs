//! Our signal where it waits, blocked.
//!
//! # Safety
//!
//! The kernel writes and reads a siginfo of this module's own.

#![allow(unsafe_code)]

use libc::{c_int, siginfo_t, timespec};

use super::{Sender, siginfo};
use crate::kernel::raw::{getpid, gettid};
use crate::kernel::{SET_SIZE, signals, syscall};

/// Takes the signal of ours that waits on the calling thread, which blocks it. Others of that number,
/// which may have come before, are sent again as they were: by the thread to itself, for which the kernel
/// leaves all of a siginfo as it is. (One to the process is the thread's after that, if ours was lost.)
pub(crate) fn take_back(number: c_int) {
    let mut others = Vec::new();
    while let Some(info) = next(number) {
        match siginfo::sender(&info) {
            Sender::Other => others.push(info),
            Sender::Ours | Sender::Unknown | Sender::Unmarked => break,
        }
    }
    others.iter().for_each(|info| send_again(number, info));
}

fn next(number: c_int) -> Option<siginfo_t> {
    // SAFETY: a siginfo is made of numbers.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    let set = signals::bit(number);
    let at_once = timespec { tv_sec: 0, tv_nsec: 0 };
    let pointers = [&raw const set as usize, &raw mut info as usize, &raw const at_once as usize];
    let [set, into, time] = pointers;
    // SAFETY: the kernel reads a set and a time, and writes a siginfo.
    unsafe { syscall(libc::SYS_rt_sigtimedwait, [set, into, time, SET_SIZE]) }.ok()?;
    Some(info)
}

fn send_again(number: c_int, info: &siginfo_t) {
    let [process, thread] = [getpid() as usize, gettid() as usize];
    let arguments = [process, thread, number as usize, &raw const *info as usize];
    // SAFETY: the kernel reads a siginfo.
    let _ = unsafe { syscall(libc::SYS_rt_tgsigqueueinfo, arguments) };
}
