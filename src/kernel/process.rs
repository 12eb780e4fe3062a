//! Questions to the kernel about this process, and about itself.
//!
//! # Safety
//!
//! The pointers that are handed over are to places of ours.

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

/// The kernel's version, as it says; zeros where it does not.
pub(crate) fn release() -> [u32; 2] {
    // SAFETY: they are bytes.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes that.
    let _ = unsafe { syscall(libc::SYS_uname, [&raw mut names as usize]) };
    let mut numbers = names.release.split(|byte| !(*byte as u8).is_ascii_digit()).map(|digits| {
        digits.iter().fold(0_u32, |number, digit| number * 10 + (*digit as u32 - b'0' as u32))
    });
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn a_sleep_is_counted() {
        let before = super::sleeps();
        // (A short one may be over before the thread has gone to sleep.)
        let is_counted = |_| {
            std::thread::sleep(Duration::from_millis(10));
            super::sleeps() > before
        };
        assert!((0..100).any(is_counted));
    }

    #[test]
    fn the_kernel_tells_its_release() {
        let [major, minor] = super::release();
        let told = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let is_next = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_digit());
        assert!(told.strip_prefix(&format!("{major}.{minor}")).is_some_and(is_next), "{told}");
    }
}
