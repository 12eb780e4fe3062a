//! The futex words on which a thread's wait was ended for the cause that stands (S20).
//!
//! The kernel may wake such a wait for no reason, so everybody who waits looks at the word again; and
//! some are glad to: glibc's `sem_wait` tells EINTR, and std's condition variable lets its caller look
//! at the condition. std sleeps on after EINTR, and not after EAGAIN. So the first wait on a word is
//! told the one, the second the other, and then it is run: woken without end, a lock's wait spins.
//!
//! For each word, since a lock around a semaphore would eat its wake-up. The last few are remembered:
//! one that was forgotten is woken again.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use libc::c_int;

pub(crate) struct EndedWaits {
    /// Addresses; how many waits were ended there is in the bits below the alignment.
    words: [AtomicUsize; 8],
    /// Which is to be forgotten next.
    oldest: AtomicUsize,
    /// The cause for which they were ended.
    cause: AtomicU64,
}

/// A futex word is aligned to four bytes.
const COUNT: usize = 3;
/// What the first wait on a word is told, and the second.
const ERRORS: [c_int; 2] = [libc::EINTR, libc::EAGAIN];

impl EndedWaits {
    pub(super) const fn new() -> Self {
        Self {
            words: [const { AtomicUsize::new(0) }; 8],
            oldest: AtomicUsize::new(0),
            cause: AtomicU64::new(0),
        }
    }

    /// What a wait on that word is told in the place of sleeping; none if it has been told enough, or
    /// that is no futex word. By the thread itself, or its handlers, which come and go in between.
    pub(crate) fn end(&self, cause: u64, word: usize) -> Option<c_int> {
        if word == 0 || word & COUNT != 0 {
            return None;
        }
        // Another thread may have taken the one before.
        if self.cause.swap(cause, Relaxed) != cause {
            self.forget();
        }
        let known = self.words.iter().find(|known| known.load(Relaxed) & !COUNT == word);
        let place = known.unwrap_or_else(|| {
            let oldest = self.oldest.fetch_add(1, Relaxed) % self.words.len();
            self.words[oldest].store(word, Relaxed);
            &self.words[oldest]
        });
        let told = place.load(Relaxed);
        let error = ERRORS.get(told & COUNT)?;
        place.store(told + 1, Relaxed);
        Some(*error)
    }

    pub(super) fn forget(&self) {
        self.words.iter().for_each(|word| word.store(0, Relaxed));
    }
}
