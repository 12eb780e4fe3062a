//! The errors of our own calls.

use std::io;

use crate::Interrupted;

/// The error of an interruptible call.
///
/// # Examples
///
/// An error that went through [`io::Error`] comes back as what it was:
///
/// ```
/// let (task, interrupter) = eintr::task();
/// interrupter.interrupt();
/// let error: std::io::Error = task.run(eintr::checkpoint).unwrap_err().into();
/// assert!(matches!(eintr::Error::from(error), eintr::Error::Interrupted(_)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The thread was interrupted, and the operation did not happen.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The operation failed.
    #[error(transparent)]
    Io(io::Error),
}

impl Error {
    /// The interrupt, if this is one.
    pub fn interrupted(&self) -> Option<&Interrupted> {
        match self {
            Error::Interrupted(interrupted) => Some(interrupted),
            Error::Io(_) => None,
        }
    }
}

impl From<Error> for io::Error {
    /// An interrupt is of the kind `Other`, which nothing retries.
    fn from(error: Error) -> Self {
        match error {
            Error::Interrupted(interrupted) => interrupted.into(),
            Error::Io(error) => error,
        }
    }
}

/// The error of a call of several steps, with how far it got.
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// let (reader, mut writer) = std::io::pipe()?;
/// writer.write_all(b"half")?;
/// drop(writer);
/// let mut record = [0; 8];
/// let partial = eintr::io::read_exact(&reader, &mut record).unwrap_err();
/// assert_eq!(&record[..partial.done as usize], b"half");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{error} (after {done} bytes)")]
#[non_exhaustive]
pub struct Partial {
    /// Bytes that were moved before the error. They are not lost: they are in the buffer, or sent.
    pub done: u64,
    /// What stopped the call.
    pub error: Error,
}

impl From<Partial> for Error {
    /// Forgets how far the call got.
    fn from(partial: Partial) -> Self {
        partial.error
    }
}

impl From<Partial> for io::Error {
    /// Keeps how far the call got in the message; [`Interrupted::of`] sees the interrupt inside.
    fn from(partial: Partial) -> Self {
        match &partial.error {
            Error::Io(error) => io::Error::new(error.kind(), partial),
            Error::Interrupted(_) => io::Error::other(partial),
        }
    }
}
