//! [`JoinError`].

use std::any::Any;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::{fmt, io};

use eintr::Interrupted;

/// Why a job has no value to give: it was cancelled, or it panicked.
pub struct JoinError {
    why: Why,
    reason: Option<Interrupted>,
}

enum Why {
    /// With what it has returned all the same, if it had begun.
    Cancelled(Option<Value>),
    Panicked(Value),
}

/// What is sent, and not shared. The error is shared all the same: `?` makes one of anyhow's of it.
struct Value(Mutex<Box<dyn Any + Send>>);

impl Value {
    fn new(value: Box<dyn Any + Send>) -> Self {
        Self(Mutex::new(value))
    }

    fn into_inner(self) -> Box<dyn Any + Send> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JoinError {
    pub(crate) fn cut_short(value: impl Send + 'static, reason: Interrupted) -> Self {
        Self { why: Why::Cancelled(Some(Value::new(Box::new(value)))), reason: Some(reason) }
    }

    pub(crate) fn not_begun() -> Self {
        Self { why: Why::Cancelled(None), reason: None }
    }

    pub(crate) fn of_tokios(error: tokio::task::JoinError, reason: Option<Interrupted>) -> Self {
        let why = match error.try_into_panic() {
            Ok(payload) => Why::Panicked(Value::new(payload)),
            Err(_) => Why::Cancelled(None),
        };
        Self { why, reason }
    }

    /// Whether the job was interrupted, and has felt it; or was aborted before it began.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.why, Why::Cancelled(_))
    }

    /// Whether it panicked, be it because of an interrupt.
    pub fn is_panic(&self) -> bool {
        matches!(self.why, Why::Panicked(_))
    }

    /// The interrupt that the job has felt, with its reason; none if it had not begun.
    pub fn reason(&self) -> Option<&Interrupted> {
        self.reason.as_ref()
    }

    /// What a job has returned that was cancelled: an error of its own, as a rule. None if it had not
    /// begun, panicked, or returns another type.
    pub fn into_value<T: 'static>(self) -> Option<T> {
        match self.why {
            Why::Cancelled(value) => value?.into_inner().downcast().ok().map(|value| *value),
            Why::Panicked(_) => None,
        }
    }

    /// The panic's payload, for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// Itself, if the job did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.why {
            Why::Panicked(payload) => Ok(payload.into_inner()),
            why => Err(Self { why, ..self }),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_panic() { "the job panicked" } else { "the job was cancelled" })
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_panic() { "Panicked" } else { "Cancelled" };
        f.debug_tuple(kind).field(&self.reason).finish()
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.as_ref().map(|reason| reason as &(dyn Error + 'static))
    }
}

impl From<JoinError> for io::Error {
    /// [`Interrupted::of`] finds the interrupt in it.
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}
