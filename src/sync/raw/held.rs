//! Who holds a lock, told from its word, while somebody sleeps for it: that of a [mutex] and that of a
//! [readers-writer lock](super::rwlock) look different then.

use super::{mutex, rwlock};

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// The thread of that id, alone.
    By(u32),
    /// So many readers.
    ByReaders(u32),
}

impl Held {
    /// None if it is free, or about to change hands.
    pub(crate) fn of(word: u32) -> Option<Self> {
        const MARKS: u32 = rwlock::READERS | rwlock::WRITERS;
        match (word & MARKS != 0, word & !MARKS) {
            (false, owner) => (owner & mutex::MARK != 0).then_some(Self::By(owner & !mutex::MARK)),
            (true, 0) => None,
            (true, writer) if writer & rwlock::WRITER != 0 => {
                Some(Self::By(writer & !rwlock::WRITER))
            }
            (true, readers) => Some(Self::ByReaders(readers)),
        }
    }
}
