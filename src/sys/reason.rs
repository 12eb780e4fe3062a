//! A reason behind one pointer that is never null: counted, or one of the two that say no more than
//! their name. Those are made on the way to a thread that is stuck, and need neither memory nor a
//! count that all threads would write to.
//!
//! # Safety
//!
//! A pointer comes from [`Arc::into_raw`] and owns one count, or points to a static. Which of the
//! two is told by the reason itself, which never changes.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use crate::interrupted::Reason;

static REQUESTED: Reason = Reason::Requested;
static DEADLINE: Reason = Reason::Deadline;

/// The inside of an [`Interrupted`](crate::Interrupted).
pub(crate) struct SharedReason(NonNull<Reason>);

// SAFETY: it is an `Arc` of what may be sent and shared, or a reference to a static.
unsafe impl Send for SharedReason {}
// SAFETY: as above.
unsafe impl Sync for SharedReason {}

impl SharedReason {
    pub(crate) fn new(reason: Reason) -> Self {
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

    pub(crate) fn get(&self) -> &Reason {
        // SAFETY: see the module; we own a count, if it is counted.
        unsafe { self.0.as_ref() }
    }

    /// Whether the two are one.
    pub(crate) fn is(&self, other: &Self) -> bool {
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
