//! `select`.
//!
//! # Safety
//!
//! The kernel is handed sets and a time that are borrowed, or the function's own, for the length of the call.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;
use std::{fmt, io};

use crate::calls::Limit;
use crate::kernel::timespec_of;
use crate::thread::{Outcome, call};
use crate::{Error, complete};

/// A set of descriptors, a bit for each.
type Words = [u64; libc::FD_SETSIZE / u64::BITS as usize];

/// A set of descriptors for [`select`]. Only those below [`CAPACITY`](Self::CAPACITY) fit.
#[derive(Clone, Default)]
pub struct FdSet<'fd> {
    words: Words,
    _fds: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> FdSet<'fd> {
    /// `FD_SETSIZE`: the first descriptor that does not fit.
    pub const CAPACITY: usize = libc::FD_SETSIZE;

    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a descriptor into the set.
    ///
    /// # Errors
    ///
    /// [`FdTooLarge`]. [`poll`](super::poll()) has no such limit.
    pub fn insert(&mut self, fd: &'fd impl AsFd) -> Result<(), FdTooLarge> {
        let fd = fd.as_fd().as_raw_fd();
        let (word, bit) = place(fd).ok_or(FdTooLarge { fd })?;
        self.words[word] |= bit;
        Ok(())
    }

    /// Takes a descriptor out of the set.
    pub fn remove(&mut self, fd: impl AsFd) {
        if let Some((word, bit)) = place(fd.as_fd().as_raw_fd()) {
            self.words[word] &= !bit;
        }
    }

    /// Whether a descriptor is in the set.
    pub fn contains(&self, fd: impl AsFd) -> bool {
        place(fd.as_fd().as_raw_fd()).is_some_and(|(word, bit)| self.words[word] & bit != 0)
    }

    /// Whether no descriptor is in the set.
    pub fn is_empty(&self) -> bool {
        end(&self.words) == 0
    }
}

impl fmt::Debug for FdSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = |(i, word): (usize, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| i * 64 + bit)
        };
        f.debug_set().entries(self.words.iter().enumerate().flat_map(bits)).finish()
    }
}

/// The word and the bit of a descriptor, if it fits.
fn place(fd: RawFd) -> Option<(usize, u64)> {
    let fd = usize::try_from(fd).ok().filter(|fd| *fd < FdSet::CAPACITY)?;
    Some((fd / 64, 1 << (fd % 64)))
}

/// A descriptor does not fit into an [`FdSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("descriptor {fd} does not fit into a set for select, which ends at {}", FdSet::CAPACITY)]
#[non_exhaustive]
pub struct FdTooLarge {
    /// The descriptor.
    pub fd: RawFd,
}

impl From<FdTooLarge> for io::Error {
    /// Of the kind `InvalidInput`.
    fn from(error: FdTooLarge) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

impl From<FdTooLarge> for Error {
    fn from(error: FdTooLarge) -> Self {
        Error::Io(error.into())
    }
}

/// Waits until a descriptor of one of the sets is ready to be read, to be written, or has something
/// exceptional; how many are. 0 is the end of the time. Those that are not ready are taken out of
/// the sets.
///
/// For code that has sets already; [`poll`](super::poll()) takes any descriptor.
///
/// # Examples
///
/// ```
/// use eintr::event::{FdSet, select};
/// use std::os::unix::net::UnixStream;
///
/// let (reader, writer) = UnixStream::pair()?;
/// let (mut to_read, mut to_write) = (FdSet::new(), FdSet::new());
/// to_read.insert(&reader)?;
/// to_write.insert(&writer)?;
/// assert_eq!(select(Some(&mut to_read), Some(&mut to_write), None, None)?, 1);
/// assert!(!to_read.contains(&reader) && to_write.contains(&writer));
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` no descriptor was ready, and the sets are as they were.
///
/// See [select(2)](https://man7.org/linux/man-pages/man2/select.2.html).
pub fn select(
    mut read: Option<&mut FdSet<'_>>,
    mut write: Option<&mut FdSet<'_>>,
    mut except: Option<&mut FdSet<'_>>,
    timeout: Option<Duration>,
) -> Result<usize, Error> {
    let limit = Limit::new(timeout);
    complete(|| {
        let sets = [words(&mut read), words(&mut write), words(&mut except)];
        pselect(sets, limit.remaining())
    })
}

fn words<'a>(set: &'a mut Option<&mut FdSet<'_>>) -> Option<&'a mut Words> {
    set.as_mut().map(|set| &mut set.words)
}

/// One more than the highest descriptor of a set.
fn end(words: &Words) -> usize {
    let last = words.iter().rposition(|word| *word != 0);
    last.map_or(0, |i| (i + 1) * u64::BITS as usize - words[i].leading_zeros() as usize)
}

fn pselect(sets: [Option<&mut Words>; 3], timeout: Option<Duration>) -> Outcome<usize> {
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
