//! Waiting for a word to change.
//!
//! # Safety
//!
//! Each block hands the kernel a word and a time that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicU32;

use libc::timespec;

use super::{Moment, address_of, syscall};

const WAIT: usize = (libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG) as usize;
const WAKE: usize = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize;
const ANY_BIT: usize = libc::FUTEX_BITSET_MATCH_ANY as usize;

/// The lock's state is for a report to find: the kernel looks at no second word in this operation.
pub(crate) fn arguments(
    word: &AtomicU32,
    expected: u32,
    until: &Option<timespec>,
    lock: Option<&AtomicU32>,
) -> [usize; 6] {
    let word = word.as_ptr() as usize;
    [word, WAIT, expected as usize, address_of(until), lock_argument(lock), ANY_BIT]
}

pub(crate) fn lock_argument(lock: Option<&AtomicU32>) -> usize {
    lock.map_or(0, |lock| lock.as_ptr() as usize)
}

/// Whether a syscall's first arguments look like those of a wait: an aligned address that is no
/// descriptor, and a private operation that sleeps.
pub(crate) fn is_private_wait(word: usize, operation: usize) -> bool {
    use libc::{FUTEX_LOCK_PI, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI};
    const PAGE: usize = 4096;
    const SLEEP: [i32; 4] = [FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_LOCK_PI, FUTEX_WAIT_REQUEUE_PI];
    let command = (operation as i32 & !libc::FUTEX_CLOCK_REALTIME) ^ libc::FUTEX_PRIVATE_FLAG;
    word >= PAGE && word % size_of::<u32>() == 0 && SLEEP.contains(&command)
}

/// Sleeps while the word is `expected`, until it is woken or the moment comes; false if it was the
/// moment. No interrupt ends it, and no signal (one ends a timed wait, whatever its flags say). It
/// may wake without a reason.
pub(crate) fn wait(word: &AtomicU32, expected: u32, until: Moment) -> bool {
    wait_for_lock(word, expected, until, None)
}

/// The same, for a lock of that state.
pub(crate) fn wait_for_lock(
    word: &AtomicU32,
    expected: u32,
    until: Moment,
    lock: Option<&AtomicU32>,
) -> bool {
    let until = until.ever();
    let arguments = arguments(word, expected, &until, lock);
    loop {
        // SAFETY: the kernel reads the word, which is borrowed, and the time, which is ours.
        let woken = unsafe { syscall(libc::SYS_futex, arguments) };
        if woken != Err(libc::EINTR) {
            return woken != Err(libc::ETIMEDOUT);
        }
    }
}

/// Wakes up to `count` of those that sleep on the word; how many they were.
pub(crate) fn wake(word: &AtomicU32, count: u32) -> usize {
    // The kernel wakes one before it counts.
    if count == 0 {
        return 0;
    }
    let count = count.min(i32::MAX as u32) as usize;
    // SAFETY: the kernel uses the address as a key only.
    unsafe { syscall(libc::SYS_futex, [word.as_ptr() as usize, WAKE, count]) }.unwrap_or(0)
}

/// Wakes all that sleep on the word at that address, which may not be there any more.
pub(crate) fn wake_address(address: usize) {
    // SAFETY: the kernel uses the address as a key only.
    let _ = unsafe { syscall(libc::SYS_futex, [address, WAKE, i32::MAX as usize]) };
}

/// Wakes all that sleep on the word.
pub(crate) fn wake_all(word: &AtomicU32) {
    wake(word, u32::MAX);
}
