//! [`Receiver`].

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::mpsc::{RecvError, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use super::channel::Channel;
use crate::Interrupted;
use crate::sync::wait_mode::{Interruptibly, TimeIsUp, ToTheEnd, Until, ended};

/// Receives from a channel: [`std::sync::mpsc::Receiver`], which can be cloned and shared here, and
/// beside it [`recv_interruptible`](Self::recv_interruptible) and
/// [`iter_interruptible`](Self::iter_interruptible).
///
/// With the last one gone, what is left is dropped, and to send is an error.
pub struct Receiver<T>(pub(super) Channel<T>);

impl<T> Receiver<T> {
    /// Receives, and waits for a message as long as it takes.
    ///
    /// # Errors
    ///
    /// If the channel is empty and all senders have gone.
    ///
    /// # Interruption
    ///
    /// None, as std's. [`recv_interruptible`](Self::recv_interruptible) has it.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        ended(self.0.recv(&ToTheEnd))
    }

    /// Receives, if that needs no wait.
    ///
    /// # Errors
    ///
    /// If the channel is empty, or if it is and all senders have gone.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    /// As [`recv`](Self::recv), but no longer than that.
    ///
    /// # Errors
    ///
    /// If the time was up, or if the channel is empty and all senders have gone.
    ///
    /// # Interruption
    ///
    /// None, as std's. Around [`recv_interruptible`](Self::recv_interruptible),
    /// [`eintr::timeout`](crate::timeout()) limits the time.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let received = self.0.recv(&Until::after(timeout));
        let received = received.map_err(|TimeIsUp| RecvTimeoutError::Timeout)?;
        received.map_err(|RecvError| RecvTimeoutError::Disconnected)
    }

    /// Receives, unless the thread is interrupted first.
    ///
    /// ```
    /// use eintr::sync::{Receiver, channel};
    ///
    /// fn sum(numbers: &Receiver<u32>) -> Result<u32, eintr::Interrupted> {
    ///     let mut sum = 0;
    ///     while let Ok(number) = numbers.recv_interruptible()? {
    ///         sum += number;
    ///     }
    ///     Ok(sum)
    /// }
    /// let (sender, receiver) = channel();
    /// sender.send(40).unwrap();
    /// sender.send(2).unwrap();
    /// drop(sender);
    /// assert_eq!(sum(&receiver)?, 42);
    /// # Ok::<(), eintr::Interrupted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Interrupted`]. Inside `Ok`, what [`recv`](Self::recv) returns.
    ///
    /// # Interruption
    ///
    /// On `Interrupted` no message was taken: the next that receives has it. A thread that was
    /// interrupted before does not receive, be there a message or not.
    #[inline]
    pub fn recv_interruptible(&self) -> Result<Result<T, RecvError>, Interrupted> {
        self.0.recv(&Interruptibly::begin()?)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.add_receiver();
        Self(self.0.handle())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.remove_receiver();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

// No panic can leave a message half received.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}
