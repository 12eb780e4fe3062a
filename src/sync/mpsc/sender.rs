//! [`Sender`] and [`SyncSender`].

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::mpsc::{SendError, TrySendError};

use super::{Channel, InterruptedSend, Unsent};
use crate::sync::wait_mode::{Interruptibly, ToTheEnd};

/// Sends into a [`channel`](super::channel()): [`std::sync::mpsc::Sender`].
///
/// With the last one gone, the receivers get what is left, and then errors.
pub struct Sender<T>(pub(super) Channel<T>);

/// Sends into a [`sync_channel`](super::sync_channel): [`std::sync::mpsc::SyncSender`], and beside
/// it [`send_interruptible`](Self::send_interruptible).
///
/// With the last one gone, the receivers get what is left, and then errors.
pub struct SyncSender<T>(pub(super) Channel<T>);

/// Sends, and waits for room as long as it takes.
#[inline]
fn send<T>(channel: &Channel<T>, message: T) -> Result<(), SendError<T>> {
    match channel.send(message, &ToTheEnd) {
        Ok(()) => Ok(()),
        Err(Unsent::Disconnected(message)) => Err(SendError(message)),
        Err(Unsent::Stopped(_, never)) => match never {},
    }
}

/// Sends, unless the thread is interrupted first.
#[inline]
fn send_interruptible<T>(
    channel: &Channel<T>,
    message: T,
) -> Result<Result<(), SendError<T>>, InterruptedSend<T>> {
    let how = match Interruptibly::begin() {
        Ok(how) => how,
        Err(interrupted) => return Err(InterruptedSend { message, interrupted }),
    };
    match channel.send(message, &how) {
        Ok(()) => Ok(Ok(())),
        Err(Unsent::Disconnected(message)) => Ok(Err(SendError(message))),
        Err(Unsent::Stopped(message, interrupted)) => Err(InterruptedSend { message, interrupted }),
    }
}

impl<T> Sender<T> {
    /// Sends. It never waits.
    ///
    /// # Errors
    ///
    /// If all receivers have gone, with the message inside. (No error does not mean that it will be
    /// received.)
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        send(&self.0, message)
    }

    /// Sends, unless the thread was interrupted before: there is nothing to wait for.
    ///
    /// # Errors
    ///
    /// [`InterruptedSend`], with the message inside. Inside `Ok`, what [`send`](Self::send)
    /// returns.
    ///
    /// # Interruption
    ///
    /// On `InterruptedSend` the message was not sent.
    #[inline]
    pub fn send_interruptible(
        &self,
        message: T,
    ) -> Result<Result<(), SendError<T>>, InterruptedSend<T>> {
        send_interruptible(&self.0, message)
    }
}

impl<T> SyncSender<T> {
    /// Sends, and waits while the channel is full.
    ///
    /// # Errors
    ///
    /// If all receivers have gone, with the message inside.
    ///
    /// # Interruption
    ///
    /// None, as std's. [`send_interruptible`](Self::send_interruptible) has it.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        send(&self.0, message)
    }

    /// Sends, if that needs no wait.
    ///
    /// # Errors
    ///
    /// If the channel is full, or all receivers have gone, with the message inside.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(message)
    }

    /// Sends, unless the thread is interrupted first.
    ///
    /// ```
    /// use eintr::sync::sync_channel;
    /// use std::sync::mpsc::SendError;
    ///
    /// fn produce(jobs: &eintr::sync::SyncSender<u32>) -> Result<(), eintr::Interrupted> {
    ///     for job in 0..4 {
    ///         if let Err(SendError(job)) = jobs.send_interruptible(job)? {
    ///             println!("nobody wants {job}");
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// let (jobs, receiver) = sync_channel(4);
    /// produce(&jobs)?;
    /// assert_eq!(receiver.try_iter().count(), 4);
    /// # Ok::<(), eintr::Interrupted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InterruptedSend`], with the message inside; `?` makes it the interrupt. Inside `Ok`, what
    /// [`send`](Self::send) returns.
    ///
    /// # Interruption
    ///
    /// On `InterruptedSend` the message was not sent, and the room that this thread waited for goes
    /// to the next. A thread that was interrupted before does not send, be there room or not.
    #[inline]
    pub fn send_interruptible(
        &self,
        message: T,
    ) -> Result<Result<(), SendError<T>>, InterruptedSend<T>> {
        send_interruptible(&self.0, message)
    }
}

macro_rules! common {
    ($($name:ident)*) => {$(
        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                self.0.add_sender();
                Self(self.0.handle())
            }
        }

        impl<T> Drop for $name<T> {
            fn drop(&mut self) {
                self.0.remove_sender();
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        // No panic can leave a message half sent.
        impl<T> UnwindSafe for $name<T> {}
        impl<T> RefUnwindSafe for $name<T> {}
    )*};
}

common!(Sender SyncSender);
