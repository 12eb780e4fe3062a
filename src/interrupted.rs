//! What a raised cause looks like to the code that is interrupted.
//!
//! # Safety
//!
//! A pointer comes from [`Arc::into_raw`] and owns one count, or points to a static. Which of the
//! two is told by the reason itself, which never changes.

#![allow(unsafe_code)]

use std::error::Error as StdError;
use std::ptr::NonNull;
use std::sync::Arc;
use std::{fmt, io};

use libc::c_int;

use crate::kernel::signal_name;

/// The error of code that was interrupted, with the [`Reason`].
///
/// One pointer wide and cheap to clone. It is made once, by the requester, and handed out at every
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
    /// [`termination`](crate::termination): the program was told to end, by the signal of
    /// that number.
    Signal(c_int),
    /// [`interrupt_with`](crate::Interrupter::interrupt_with): the requester's own reason.
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

    /// The requester's own reason, if it is an `E`.
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
            Reason::Signal(signal) => write!(f, "interrupted by {}", signal_name::of(*signal)),
            Reason::Custom(error) => write!(f, "interrupted: {error}"),
        }
    }
}

impl StdError for Interrupted {
    /// The requester's own reason, if it gave one.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.reason() {
            Reason::Custom(error) => Some(&**error),
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

static REQUESTED: Reason = Reason::Requested;
static DEADLINE: Reason = Reason::Deadline;

/// The inside of an [`Interrupted`].
/// A reason behind one pointer that is never null: counted, or one of the two that say no more than
/// their name. Those are made on the way to a thread that is stuck, and need neither memory nor a
/// count that all threads would write to.
struct SharedReason(NonNull<Reason>);

// SAFETY: it is an `Arc` of what may be sent and shared, or a reference to a static.
unsafe impl Send for SharedReason {}
// SAFETY: as above.
unsafe impl Sync for SharedReason {}

impl SharedReason {
    fn new(reason: Reason) -> Self {
        Self(match reason {
            Reason::Requested => NonNull::from(&REQUESTED),
            Reason::Deadline => NonNull::from(&DEADLINE),
            Reason::Signal(_) | Reason::Custom(_) => {
                let counted = Arc::into_raw(Arc::new(reason)).cast_mut();
                // SAFETY: an `Arc`'s pointer is not null.
                unsafe { NonNull::new_unchecked(counted) }
            }
        })
    }

    fn get(&self) -> &Reason {
        // SAFETY: see the module; we own a count, if it is counted.
        unsafe { self.0.as_ref() }
    }

    /// Whether the two are one.
    fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn is_counted(&self) -> bool {
        matches!(self.get(), Reason::Signal(_) | Reason::Custom(_))
    }
}

impl Clone for SharedReason {
    fn clone(&self) -> Self {
        if self.is_counted() {
            // SAFETY: the pointer came from `Arc::into_raw`, and we own a count.
            unsafe { Arc::increment_strong_count(self.0.as_ptr()) };
        }
        Self(self.0)
    }
}

impl Drop for SharedReason {
    fn drop(&mut self) {
        if self.is_counted() {
            // SAFETY: the count that we own.
            unsafe { Arc::decrement_strong_count(self.0.as_ptr()) };
        }
    }
}
