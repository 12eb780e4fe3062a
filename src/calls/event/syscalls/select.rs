//! `pselect6`.
//!
//! # Safety
//!
//! Each block hands the kernel sets and a time that are borrowed, or the function's own, for the length
//! of the call.

#![allow(unsafe_code)]

use std::time::Duration;

use crate::kernel::timespec_of;
use crate::thread::{Outcome, call};

/// A set of descriptors, a bit for each.
pub(crate) type Words = [u64; libc::FD_SETSIZE / u64::BITS as usize];

/// One more than the highest descriptor of a set.
pub(crate) fn end(words: &Words) -> usize {
    let last = words.iter().rposition(|word| *word != 0);
    last.map_or(0, |i| (i + 1) * u64::BITS as usize - words[i].leading_zeros() as usize)
}

pub(crate) fn pselect(sets: [Option<&mut Words>; 3], timeout: Option<Duration>) -> Outcome<usize> {
    let end = sets.iter().flatten().map(|words| end(words)).max().unwrap_or(0);
    let [read, write, except] =
        sets.map(|words| words.map_or(0, |words| words.as_mut_ptr() as usize));
    // The kernel writes into it what is left: a restart of its own (SIGCONT's) goes on with that.
    let mut left = timeout.map(timespec_of);
    let left = left.as_mut().map_or(0, |left| &raw mut *left as usize);
    // SAFETY: the kernel reads and writes the words of each set up to `end`, which is within them
    // all, and the time.
    unsafe { call(libc::SYS_pselect6, [end, read, write, except, left, 0]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_ends_after_its_highest_descriptor() {
        let mut words: Words = [0; 16];
        assert_eq!(end(&words), 0);
        for fd in [0, 1, 63, 64, 65, 1022, 1023] {
            words[fd / 64] |= 1 << (fd % 64);
            assert_eq!(end(&words), fd + 1);
        }
    }
}
