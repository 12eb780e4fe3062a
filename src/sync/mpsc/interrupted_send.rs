//! The error of an interrupted send.

use std::error::Error as StdError;
use std::{fmt, io};

use crate::{Error, Interrupted};

/// A message that was not sent, because the thread was interrupted.
///
/// `?` makes it the interrupt, where the message is of no use any more.
///
/// ```
/// let (sender, _receiver) = eintr::sync::sync_channel(1);
/// let (task, interrupter) = eintr::task();
/// interrupter.interrupt();
/// let unsent = task.run(|| sender.send_interruptible("precious")).unwrap_err();
/// assert_eq!(unsent.message, "precious");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct InterruptedSend<T> {
    /// The message.
    pub message: T,
    /// Why.
    pub interrupted: Interrupted,
}

impl<T> fmt::Debug for InterruptedSend<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterruptedSend")
            .field("interrupted", &self.interrupted)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for InterruptedSend<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message not sent: {}", self.interrupted)
    }
}

impl<T> StdError for InterruptedSend<T> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.interrupted)
    }
}

impl<T> From<InterruptedSend<T>> for Interrupted {
    fn from(unsent: InterruptedSend<T>) -> Self {
        unsent.interrupted
    }
}

impl<T> From<InterruptedSend<T>> for Error {
    fn from(unsent: InterruptedSend<T>) -> Self {
        Error::Interrupted(unsent.interrupted)
    }
}

impl<T> From<InterruptedSend<T>> for io::Error {
    fn from(unsent: InterruptedSend<T>) -> Self {
        unsent.interrupted.into()
    }
}
