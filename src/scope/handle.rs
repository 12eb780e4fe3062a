//! [`ScopedJoinHandle`].

use std::fmt;
use std::thread as std_thread;

use crate::{Interrupted, Interrupter, Request, join};

/// Joins and interrupts a thread of a [`scope`](crate::scope()). Dropped, it leaves the thread to
/// the scope's end.
pub struct ScopedJoinHandle<'scope, T> {
    thread: std_thread::ScopedJoinHandle<'scope, T>,
    interrupter: Interrupter,
}

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    pub(super) fn new(
        thread: std_thread::ScopedJoinHandle<'scope, T>,
        interrupter: Interrupter,
    ) -> Self {
        Self { thread, interrupter }
    }

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
        join::wait(&self.interrupter)
    }

    /// A handle that interrupts this thread, and no other of the scope's.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Asks this thread to stop. See [`Interrupter::interrupt`].
    pub fn interrupt(&self) -> Request {
        self.interrupter.interrupt()
    }

    /// The interrupt that it was last handed, if any. See [`Interrupter::raised`]: that one is there after the join
    /// as well.
    pub fn raised(&self) -> Option<Interrupted> {
        self.interrupter.raised()
    }

    /// The thread, as std knows it.
    pub fn thread(&self) -> &std_thread::Thread {
        self.thread.thread()
    }

    /// Whether the thread has come to its end.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

impl<T> From<&ScopedJoinHandle<'_, T>> for Interrupter {
    fn from(handle: &ScopedJoinHandle<'_, T>) -> Self {
        handle.interrupter()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("thread", self.thread())
            .field("interrupter", &self.interrupter)
            .finish_non_exhaustive()
    }
}
