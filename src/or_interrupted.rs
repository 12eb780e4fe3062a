//! [`ResultExt::or_interrupted`]: an error of somebody else's, or the interrupt that is behind it.

use std::error::Error as StdError;
use std::io;

use crate::{Error, Interrupted, checkpoint};

/// For results of code that knows nothing of interrupts.
pub trait ResultExt<T> {
    /// Tells an interrupt by what stands on this thread, whatever the error says.
    ///
    /// Code that is not ours rarely passes on what its refused call has told it: it says that a
    /// connection was lost, or a query was cancelled. If this thread has been interrupted, that is why.
    /// An error that has an interrupt in it is one as well ([`Interrupted::of`]). Any other becomes an
    /// [`Error::Io`]: an [`io::Error`] stays what it is, another is the source of one.
    ///
    /// A checkpoint, so far as this thread is concerned: the interrupt counts as raised.
    ///
    /// # Examples
    ///
    /// ```
    /// use eintr::{Error, ResultExt};
    ///
    /// fn query() -> Result<u32, String> {
    ///     Err("connection lost".to_owned())
    /// }
    ///
    /// let (task, interrupter) = eintr::task();
    /// task.run(|| {
    ///     assert!(matches!(query().or_interrupted(), Err(Error::Io(_))));
    ///     interrupter.interrupt();
    ///     assert!(matches!(query().or_interrupted(), Err(Error::Interrupted(_))));
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`], if one stands or the error has one in it; else [`Error::Io`].
    fn or_interrupted(self) -> Result<T, Error>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> ResultExt<T> for Result<T, E> {
    fn or_interrupted(self) -> Result<T, Error> {
        self.map_err(|error| match checkpoint() {
            Err(interrupted) => interrupted.into(),
            Ok(()) => ours(error.into()),
        })
    }
}

fn ours(error: Box<dyn StdError + Send + Sync>) -> Error {
    if let Some(interrupted) = Interrupted::of(&error) {
        return Error::Interrupted(interrupted);
    }
    let other = |error: Box<dyn StdError + Send + Sync>| {
        error.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error)
    };
    error.downcast::<Error>().map_or_else(|error| Error::Io(other(error)), |error| *error)
}
