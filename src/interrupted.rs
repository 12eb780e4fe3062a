//! What a raised cause looks like to the code that is interrupted.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use libc::c_int;

use crate::calls::net::ConnectError;
use crate::error::{Error, Partial};
use crate::node;
use crate::sys::reason::SharedReason;
use crate::termination;

/// The error of code that was interrupted, with the [`Reason`].
///
/// One pointer wide and cheap to clone. It is made once, by the asker, and handed out at every
/// checkpoint and call of the interrupted task until the task ends or [takes](crate::take) it.
///
/// As an [`io::Error`] it never has the kind `Interrupted`: that is what `read_to_end`, `write_all`
/// and `BufRead` silently retry.
///
/// # Examples
///
/// ```
/// use eintr::Interrupted;
///
/// fn work() -> std::io::Result<()> {
///     eintr::checkpoint()?;
///     Ok(())
/// }
///
/// let (task, interrupter) = eintr::task();
/// interrupter.interrupt_with("no longer needed");
/// let error = task.run(work).unwrap_err();
/// assert_ne!(error.kind(), std::io::ErrorKind::Interrupted);
///
/// let interrupted = Interrupted::of(&error).expect("the reason survives `?`");
/// assert_eq!(interrupted.to_string(), "interrupted: no longer needed");
/// ```
#[derive(Clone)]
pub struct Interrupted(SharedReason);

/// Why a task was interrupted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reason {
    /// [`interrupt`](crate::Interrupter::interrupt): asked, and no more said.
    Requested,
    /// A [`timeout`](crate::timeout()) or another deadline of the thread's own has passed.
    Deadline,
    /// [`termination`]: the program was told to end, by the signal of that
    /// number.
    Signal(c_int),
    /// [`interrupt_with`](crate::Interrupter::interrupt_with): the asker's own reason.
    Custom(Arc<dyn StdError + Send + Sync>),
}

impl Interrupted {
    pub(crate) fn new(reason: Reason) -> Self {
        Self(SharedReason::new(reason))
    }

    /// Whether it is a clone of that one. Those whose reason says no more than its name are all one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }

    /// Why.
    pub fn reason(&self) -> &Reason {
        self.0.get()
    }

    /// The asker's own reason, if it is an `E`.
    ///
    /// ```
    /// let (task, interrupter) = eintr::task();
    /// interrupter.interrupt_with(std::fmt::Error);
    /// let interrupted = task.run(eintr::checkpoint).unwrap_err();
    /// assert!(interrupted.downcast_ref::<std::fmt::Error>().is_some());
    /// ```
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match self.reason() {
            Reason::Custom(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// The interrupt in an error, wherever it stands in the chain of
    /// [`source`](std::error::Error::source)s: as itself, or inside an [`Error`], a
    /// [`Partial`] or an [`io::Error`].
    ///
    /// A plain call that was refused ([`reach`](crate::reach())) says ECANCELED and no more. On the
    /// refused thread, in the same task and while the cause stands, that is taken for the interrupt
    /// too: a heuristic, since another ECANCELED looks the same. The asker has
    /// [`raised`](crate::Interrupter::raised).
    ///
    /// ```
    /// # use eintr::Interrupted;
    /// let nobody = std::io::Error::other("disk full");
    /// assert!(Interrupted::of(&nobody).is_none());
    /// ```
    pub fn of(error: &(dyn StdError + 'static)) -> Option<Interrupted> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
                return Some(interrupted.clone());
            }
            if is_refusal(error) {
                return node::refused_for();
            }
            next = wrapped(error).or_else(|| error.source());
        }
        None
    }
}

fn is_refusal(error: &(dyn StdError + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.raw_os_error() == Some(libc::ECANCELED))
}

/// The error directly inside one that gives its inner error's `source` as its own.
fn wrapped<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.get_ref().map(|inner| inner as &(dyn StdError + 'static));
    }
    if let Some(partial) = error.downcast_ref::<Partial>() {
        return Some(&partial.error);
    }
    if let Some(stopped) = error.downcast_ref::<ConnectError>() {
        return Some(&stopped.error);
    }
    match error.downcast_ref::<Error>()? {
        Error::Interrupted(interrupted) => Some(interrupted),
        Error::Io(error) => Some(error),
    }
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interrupted").field(self.reason()).finish()
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Reason::Requested => f.write_str("interrupted"),
            Reason::Deadline => f.write_str("deadline passed"),
            Reason::Signal(signal) => write!(f, "interrupted by {}", termination::name(*signal)),
            Reason::Custom(error) => write!(f, "interrupted: {error}"),
        }
    }
}

impl StdError for Interrupted {
    /// The source of the asker's own reason, which the message already contains.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.reason() {
            Reason::Custom(error) => error.source(),
            _ => None,
        }
    }
}

// The reason is shared and never changes, so a panic cannot leave it half made.
impl std::panic::UnwindSafe for Interrupted {}
impl std::panic::RefUnwindSafe for Interrupted {}

impl From<Interrupted> for io::Error {
    /// Of the kind `Other`, which nothing retries.
    fn from(interrupted: Interrupted) -> Self {
        io::Error::other(interrupted)
    }
}
