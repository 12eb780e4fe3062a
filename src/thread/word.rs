//! Whether a thread is armed: one word, a bit for each kind of cause. See the module for who writes which
//! bit, and when.

use crate::kernel::primitives::{AtomicU32, Ordering};

/// Whether a thread is armed: would raise, right now. Zero is no.
#[repr(transparent)]
pub(crate) struct Word(pub(crate) AtomicU32);

/// A request stands on the thread's stack, with no mask between.
pub(crate) const REQUEST: u32 = 1;
/// A deadline of the thread's has passed, with no mask between.
pub(crate) const DEADLINE: u32 = 2;

impl Word {
    /// Whether some cause stands. A plain load: our signal's handler has run on this thread since the word was
    /// set (E1, E4 of `README.md`), and before that nobody is late.
    #[inline]
    pub(crate) fn is_armed(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether that cause stands.
    #[inline]
    pub(crate) fn is_armed_by(&self, cause: u32) -> bool {
        self.0.load(Ordering::Relaxed) & cause != 0
    }

    /// Sets a cause; true on the edge from unarmed to armed.
    pub(crate) fn arm(&self, cause: u32) -> bool {
        self.0.fetch_or(cause, Ordering::Relaxed) == 0
    }

    /// Clears a cause; whether it stood.
    pub(crate) fn disarm(&self, cause: u32) -> bool {
        self.0.fetch_and(!cause, Ordering::Relaxed) & cause != 0
    }
}
