//! [`Parker`] and [`Unparker`].

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::{Interruptibly, ToTheEnd, Token, Until, ended, opaque};
use crate::Interrupted;

/// Waits for a token, which its [`Unparker`]s give: [`std::thread::park`], interruptible.
///
/// An object, since what std's `park` sleeps on is std's own. Unlike that it never returns without
/// a reason. There is one token at most: one that is given twice before it is taken is given once.
///
/// # Examples
///
/// ```
/// use eintr::sync::Parker;
///
/// let parker = Parker::new();
/// let unparker = parker.unparker().clone();
/// let worker = eintr::spawn(move || parker.park_interruptible());
/// unparker.unpark();
/// worker.join().unwrap()?;
/// # Ok::<(), eintr::Interrupted>(())
/// ```
#[derive(Default)]
pub struct Parker {
    unparker: Unparker,
    /// One thread at a time parks.
    _not_sync: PhantomData<Cell<()>>,
}

/// Gives the token to its [`Parker`].
#[derive(Clone, Default)]
pub struct Unparker(Arc<Token>);

impl Parker {
    /// A parker without the token.
    pub fn new() -> Self {
        Self::default()
    }

    /// What gives the token.
    pub fn unparker(&self) -> &Unparker {
        &self.unparker
    }

    /// Waits for the token, and takes it.
    ///
    /// # Interruption
    ///
    /// None. [`park_interruptible`](Self::park_interruptible) has it.
    pub fn park(&self) {
        ended(self.unparker.0.take(&ToTheEnd));
    }

    /// As [`park`](Self::park), but no longer than that; whether it took the token.
    ///
    /// # Interruption
    ///
    /// None.
    pub fn park_timeout(&self, timeout: Duration) -> bool {
        self.unparker.0.take(&Until::after(timeout)).is_ok()
    }

    /// Waits for the token, and takes it, unless the thread is interrupted first.
    ///
    /// # Errors
    ///
    /// [`Interrupted`].
    ///
    /// # Interruption
    ///
    /// On `Interrupted` the token was not taken: if it was given, the next call has it. A thread
    /// that was interrupted before does not take it.
    pub fn park_interruptible(&self) -> Result<(), Interrupted> {
        self.unparker.0.take(&Interruptibly::begin()?)
    }
}

impl Unparker {
    /// Gives the token, and wakes the parker if it waits.
    pub fn unpark(&self) {
        self.0.give();
    }
}

opaque!(Parker Unparker);
