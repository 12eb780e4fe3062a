//! Questions to the kernel about this process, from within a handler.
//!
//! # Safety
//!
//! The one pointer that is handed over is to a place of ours.

#![allow(unsafe_code)]

use super::raw::syscall;

/// Whether this process has a child that it has not waited for.
pub(crate) fn has_children() -> bool {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: no pointers: nothing is told of the child.
    let asked = unsafe { syscall(libc::SYS_waitid, [libc::P_ALL as usize, 0, 0, flags as usize]) };
    asked != Err(libc::ECHILD)
}

/// How often this thread has slept so far.
pub(crate) fn sleeps() -> usize {
    // SAFETY: they are numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let arguments = [libc::RUSAGE_THREAD as usize, &raw mut usage as usize];
    // SAFETY: the kernel writes that.
    let _ = unsafe { syscall(libc::SYS_getrusage, arguments) };
    usage.ru_nvcsw as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn a_sleep_is_counted() {
        let before = super::sleeps();
        std::thread::sleep(Duration::from_millis(1));
        assert!(super::sleeps() > before);
    }
}
