//! [`ScopedJoinHandle`].

use std::thread as std_thread;

use crate::join::handle;
use crate::{Interrupted, Interrupter, Request};

/// Joins and interrupts a thread of a [`scope`](crate::scope()). Dropped, it leaves the thread to
/// the scope's end.
pub struct ScopedJoinHandle<'scope, T> {
    pub(super) thread: std_thread::ScopedJoinHandle<'scope, T>,
    pub(super) interrupter: Interrupter,
}

handle!(ScopedJoinHandle<'scope>);

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the thread to end, and returns its result or its panic. Cannot be interrupted;
    /// [`wait`](Self::wait) can.
    ///
    /// # Errors
    ///
    /// The panic's payload, as [`std::thread::ScopedJoinHandle::join`].
    pub fn join(self) -> std_thread::Result<T> {
        self.thread.join()
    }

    /// Waits for the thread's task to end.
    ///
    /// ```
    /// eintr::scope(|s| {
    ///     let worker = s.spawn(|| 42);
    ///     worker.wait()?;
    ///     assert_eq!(worker.join().unwrap(), 42);
    ///     Ok::<(), eintr::Interrupted>(())
    /// })?;
    /// # Ok::<(), eintr::Interrupted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Interrupted`], if the waiting thread is.
    ///
    /// # Interruption
    ///
    /// The thread that is waited for is not disturbed.
    pub fn wait(&self) -> Result<(), Interrupted> {
        self.interrupter.wait_finished_interruptible()
    }
}
