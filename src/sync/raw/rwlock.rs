//! The readers-writer lock: a word for the state, on which readers sleep, and a count of calls to
//! the writers, on which they sleep.
//!
//! Whoever may have to sleep sets the mark of its kind in the word first. While there is a mark,
//! readers queue up: so a stream of readers does not keep a writer out. An unlock that leaves the
//! lock free and marked calls one writer, or, where none sleeps, all readers.
//!
//! For writers this holds at any time: if one sleeps, then the mark is set, or a writer is awake
//! that will set it or lock. A writer that is called takes the mark upon itself: it keeps it set
//! when it locks, since it cannot know whether it was the last.
//!
//! A writer that gives up may have been the only reason for the mark, and readers may queue up
//! behind it for a lock that is only read. It does not know either, so it clears both marks and
//! calls everybody: they look again, and set the marks that are still needed. (Rejected: a count of
//! the waiting writers. It is one more word that each of them changes twice, for what happens
//! seldom.)

use super::wait::{How, Slept};
use crate::kernel::futex;
use crate::kernel::primitives::Ordering::{Acquire, Relaxed, Release};
use crate::kernel::primitives::{AtomicU32, spin_while, thread_id};

/// As many readers, in the lower bits.
const READER: u32 = 1;
const MOST_READERS: u32 = (1 << 28) - 1;
/// A writer; the lower bits are its thread's id.
pub(super) const WRITER: u32 = 1 << 29;
/// Either of them.
const HOLDERS: u32 = (1 << 30) - 1;
/// Readers may sleep.
pub(super) const READERS: u32 = 1 << 30;
/// Writers may sleep.
pub(super) const WRITERS: u32 = 1 << 31;

/// What the calling thread is as a writer.
#[inline]
fn writer() -> u32 {
    WRITER | thread_id()
}

pub(crate) struct RawRwLock {
    pub(crate) word: AtomicU32,
    pub(crate) calls: AtomicU32,
}

fn is_free(word: u32) -> bool {
    word & HOLDERS == 0
}

fn is_written_unmarked(word: u32) -> bool {
    (WRITER..READERS).contains(&word)
}

fn is_readable(word: u32) -> bool {
    word & HOLDERS < MOST_READERS && word & (READERS | WRITERS) == 0
}

impl RawRwLock {
    pub(crate) fn is_locked(&self) -> bool {
        !is_free(self.word.load(Relaxed))
    }

    pub(crate) fn is_locked_exclusively(&self) -> bool {
        self.word.load(Relaxed) & WRITER != 0
    }

    /// Changes the word if it is that.
    #[inline]
    fn change(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.word.compare_exchange_weak(from, to, Acquire, Relaxed)
    }

    #[inline]
    pub(crate) fn try_read(&self) -> bool {
        let read = |word| is_readable(word).then_some(word + READER);
        self.word.fetch_update(Acquire, Relaxed, read).is_ok()
    }

    #[inline]
    pub(crate) fn read<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        let word = self.word.load(Relaxed);
        if is_readable(word) && self.change(word, word + READER).is_ok() {
            return Ok(());
        }
        self.read_contended(how)
    }

    #[inline]
    pub(crate) fn unlock_read(&self) {
        let word = self.word.fetch_sub(READER, Release) - READER;
        // Readers sleep behind a waiting writer only: without one there is nobody to call.
        if is_free(word) && word & WRITERS != 0 {
            self.call(word);
        }
    }

    #[inline]
    pub(crate) fn try_write(&self) -> bool {
        let write = |word| is_free(word).then_some(word | writer());
        self.word.fetch_update(Acquire, Relaxed, write).is_ok()
    }

    #[inline]
    pub(crate) fn write<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        if self.change(0, writer()).is_ok() { Ok(()) } else { self.write_contended(how) }
    }

    #[inline]
    pub(crate) fn unlock_write(&self) {
        let writer = self.writer();
        let word = self.word.fetch_sub(writer, Release) - writer;
        if word != 0 {
            self.call(word);
        }
    }

    /// What the writer is in the word, where there is one. (Not `writer()`: it may have come here by a fork.)
    #[inline]
    fn writer(&self) -> u32 {
        self.word.load(Relaxed) & HOLDERS
    }

    /// A writer becomes a reader; nobody writes in between.
    #[inline]
    pub(crate) fn downgrade(&self) {
        let reader_for_writer = self.writer() - READER;
        let word = self.word.fetch_sub(reader_for_writer, Release) - reader_for_writer;
        // Readers that sleep behind no writer would sleep to the end of this one: an unlock calls readers
        // only behind a writer. Where the mark is gone, or a writer's has come, somebody calls them. (A writer's
        // that was there may be that of this one, who had slept.)
        if word & WRITERS != 0 {
            self.give_up_writing();
        } else if word == READER | READERS
            && self.word.compare_exchange(word, READER, Relaxed, Relaxed).is_ok()
        {
            futex::wake_all(&self.word);
        }
    }

    #[cold]
    fn read_contended<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        let mut word = self.spin(is_written_unmarked);
        loop {
            if is_readable(word) {
                match self.change(word, word + READER) {
                    Ok(_) => return Ok(()),
                    Err(now) => word = now,
                }
                continue;
            }
            assert!(word & HOLDERS != MOST_READERS, "too many active read locks on RwLock");
            if word & READERS == 0 {
                if let Err(now) = self.change(word, word | READERS) {
                    word = now;
                    continue;
                }
            }
            if how.sleep(&self.word, word | READERS, Some(&self.word)) == Slept::Ended {
                // All readers are called at once, so no call was meant for this one alone; and a
                // mark too many costs the next unlock a look.
                how.go_on()?;
            }
            word = self.spin(is_written_unmarked);
        }
    }

    #[cold]
    fn write_contended<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        let busy = |word| !is_free(word) && word & WRITERS == 0;
        let mut word = self.spin(busy);
        let mut kept = 0;
        loop {
            if is_free(word) {
                match self.change(word, word | writer() | kept) {
                    Ok(_) => return Ok(()),
                    Err(now) => word = now,
                }
                continue;
            }
            if word & WRITERS == 0 {
                if let Err(now) = self.change(word, word | WRITERS) {
                    word = now;
                    continue;
                }
            }
            kept = WRITERS;
            // Before the word is looked at again: a call that comes after is not slept through.
            let calls = self.calls.load(Acquire);
            word = self.word.load(Relaxed);
            if is_free(word) || word & WRITERS == 0 {
                continue;
            }
            if how.sleep(&self.calls, calls, Some(&self.word)) == Slept::Ended {
                how.go_on().inspect_err(|_| self.give_up_writing())?;
            }
            word = self.spin(busy);
        }
    }

    /// The lock was left free, with marks: calls one writer, or all readers.
    #[cold]
    fn call(&self, mut word: u32) {
        // A change that fails here was made by somebody else who has locked, and who calls when
        // it unlocks, or by a writer that gave up, and has called. Only the readers' mark may be
        // set by somebody who does neither.
        if word == WRITERS {
            match self.word.compare_exchange(word, 0, Relaxed, Relaxed) {
                Ok(_) => {
                    self.call_writer();
                    return;
                }
                Err(now) => word = now,
            }
        }
        if word == READERS | WRITERS {
            // The readers' mark stays for the writer's unlock.
            if self.word.compare_exchange(word, READERS, Relaxed, Relaxed).is_err() {
                return;
            }
            if self.call_writer() {
                return;
            }
            // None slept. One that was about to looks again.
            word = READERS;
        }
        if word == READERS && self.word.compare_exchange(word, 0, Relaxed, Relaxed).is_ok() {
            futex::wake_all(&self.word);
        }
    }

    /// Whether one slept.
    fn call_writer(&self) -> bool {
        self.calls.fetch_add(1, Release);
        futex::wake(&self.calls, 1) > 0
    }

    #[cold]
    fn give_up_writing(&self) {
        let mut word = self.word.load(Relaxed);
        while word & WRITERS != 0 {
            let unmarked = word & !(READERS | WRITERS);
            match self.word.compare_exchange_weak(word, unmarked, Relaxed, Relaxed) {
                Ok(_) => {
                    self.calls.fetch_add(1, Release);
                    futex::wake_all(&self.calls);
                    if word & READERS != 0 {
                        futex::wake_all(&self.word);
                    }
                    return;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Waits a little; what the word is then.
    fn spin(&self, busy: impl Fn(u32) -> bool) -> u32 {
        spin_while(|| busy(self.word.load(Relaxed)));
        self.word.load(Relaxed)
    }
}
