//! [`Event`].

use std::fmt;

use super::{Interruptibly, RawEvent, ToTheEnd, ended};
use crate::Interrupted;
use crate::kernel::primitives::AtomicU32;

/// A flag that is waited for: set, it stays set, and lets all through until it is cleared.
///
/// What a thread did before it set the event, those have seen that waited for it.
///
/// # Examples
///
/// ```
/// use eintr::sync::Event;
/// use std::sync::Arc;
///
/// let ready = Arc::new(Event::new());
/// let waited_for = ready.clone();
/// let worker = eintr::spawn(move || waited_for.wait_interruptible());
/// ready.set();
/// worker.join().unwrap()?;
/// # Ok::<(), eintr::Interrupted>(())
/// ```
#[derive(Default)]
pub struct Event {
    raw: RawEvent,
}

impl Event {
    /// An event that is not set.
    pub const fn new() -> Self {
        Self { raw: RawEvent { word: AtomicU32::new(0) } }
    }

    /// Sets it: all who wait go on, and whoever waits later does not wait.
    pub fn set(&self) {
        self.raw.set();
    }

    /// Clears it. Those who waited when it was set go on all the same.
    pub fn clear(&self) {
        self.raw.clear();
    }

    /// Whether it is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.raw.is_set()
    }

    /// Waits until it is set.
    ///
    /// # Interruption
    ///
    /// None. [`wait_interruptible`](Self::wait_interruptible) has it.
    pub fn wait(&self) {
        ended(self.raw.wait(&ToTheEnd));
    }

    /// Waits until it is set, unless the thread is interrupted first.
    ///
    /// # Errors
    ///
    /// [`Interrupted`].
    ///
    /// # Interruption
    ///
    /// Nothing that could be lost: the event is as it was. A thread that was interrupted before
    /// does not look.
    pub fn wait_interruptible(&self) -> Result<(), Interrupted> {
        self.raw.wait(&Interruptibly::begin()?)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish()
    }
}
