//! Waiting for what runs: [`JoinHandle`], and what can be interrupted.

use std::sync::Arc;
use std::thread as std_thread;
use std::time::Duration;

use crate::entry::futex_wait;
use crate::interrupter::is_outcome;
use crate::kernel::Moment;
use crate::task::node::{Node, Progress};
use crate::{Error, Interrupted, Interrupter, Outcome, Request, checkpoint, complete};

/// What a handle of a thread, with its interrupter, has beside `join` and `wait`.
macro_rules! handle {
    ($handle:ident $(<$scope:lifetime>)?) => {
        impl<$($scope,)? T> $handle<$($scope,)? T> {
            /// A handle that interrupts this thread, and no other.
            pub fn interrupter(&self) -> Interrupter {
                self.interrupter.clone()
            }

            /// Asks this thread to stop. See [`Interrupter::interrupt`].
            pub fn interrupt(&self) -> Request {
                self.interrupter.interrupt()
            }

            /// The interrupt that it was last handed, if any. See [`Interrupter::raised`]: that one is there after
            /// the join as well.
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

        impl<$($scope,)? T> From<&$handle<$($scope,)? T>> for Interrupter {
            fn from(handle: &$handle<$($scope,)? T>) -> Self {
                handle.interrupter()
            }
        }

        impl<$($scope,)? T> From<$handle<$($scope,)? T>> for Interrupter {
            fn from(handle: $handle<$($scope,)? T>) -> Self {
                handle.interrupter
            }
        }

        impl<$($scope,)? T> std::fmt::Debug for $handle<$($scope,)? T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($handle))
                    .field("thread", self.thread())
                    .field("interrupter", &self.interrupter)
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use handle;

/// Joins and interrupts a managed thread. Dropped, it detaches the thread.
pub struct JoinHandle<T> {
    pub(crate) thread: std_thread::JoinHandle<T>,
    pub(crate) interrupter: Interrupter,
}

handle!(JoinHandle);

impl<T> JoinHandle<T> {
    /// Waits for the thread to end, and returns its result or its panic. Cannot be interrupted;
    /// [`wait`](Self::wait) can.
    ///
    /// # Errors
    ///
    /// The panic's payload, as [`std::thread::JoinHandle::join`].
    pub fn join(self) -> std_thread::Result<T> {
        self.thread.join()
    }

    /// Waits for the thread's task to end.
    ///
    /// ```
    /// let worker = eintr::spawn(|| 42);
    /// worker.wait()?;
    /// assert_eq!(worker.join().unwrap(), 42);
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

impl Interrupter {
    /// As [`wait_finished`](Self::wait_finished), for as long as it takes, unless the waiting thread is interrupted
    /// first.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX)).interrupter();
    /// let late = eintr::timeout(Duration::from_millis(20), || {
    ///     worker.wait_finished_interruptible().map_err(eintr::Error::from)
    /// });
    /// assert!(late.is_err());
    /// worker.interrupt().wait_interruptible()?;
    /// worker.wait_finished_interruptible()?;
    /// # Ok::<(), eintr::Interrupted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Interrupted`], if the waiting thread is.
    ///
    /// # Interruption
    ///
    /// The task is not disturbed.
    pub fn wait_finished_interruptible(&self) -> Result<(), Interrupted> {
        checkpoint()?;
        self.0.tasks().iter().try_for_each(|node| wait_for(node, None, |_| false))
    }
}

impl Request {
    /// As [`wait`](Self::wait), for as long as it takes until it is `Raised` or `Finished`, unless the waiting
    /// thread is interrupted first. (`Undeliverable` is told at once.)
    ///
    /// # Errors
    ///
    /// [`Interrupted`], if the waiting thread is.
    ///
    /// # Interruption
    ///
    /// The task stays asked.
    pub fn wait_interruptible(&self) -> Result<Outcome, Interrupted> {
        checkpoint()?;
        let enough = |progress: &Progress| {
            is_outcome(progress)
                || matches!(progress, Progress::Running { undelivered: Some(_), .. })
        };
        self.each().try_for_each(|(node, id)| wait_for(node, Some(id), enough))?;
        Ok(self.wait(Duration::ZERO))
    }
}

/// Waits, interruptibly, until the task is that far, or its request of that id; or has ended.
fn wait_for(
    node: &Arc<Node>,
    request: Option<u64>,
    enough: impl Fn(&Progress) -> bool,
) -> Result<(), Interrupted> {
    // The word is read before the look: what changes after it is not slept through.
    while let Some((word, seen)) = node.begin_wait() {
        let is_enough = enough(&node.wait_for(request, Moment::LONG_AGO, |_| true));
        let woken = if is_enough { Ok(()) } else { complete(|| futex_wait::wait(word, seen)) };
        node.end_wait();
        // EAGAIN: it changed before we slept.
        if let Err(Error::Interrupted(interrupted)) = woken {
            return Err(interrupted);
        }
        if is_enough {
            break;
        }
    }
    Ok(())
}
