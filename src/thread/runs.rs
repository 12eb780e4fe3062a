//! The calls of a reached thread that are made as asked, and that of them which its timer has found
//! (S18).

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};

use crate::kernel::{AtomicMoment, Moment};

pub(crate) struct Runs {
    /// How many there were; one that is asked about once more counts again.
    pub(crate) count: AtomicU32,
    /// The timer is set.
    pub(crate) is_watched: AtomicBool,
    /// The number of the one that was found by the last shot, and is going on.
    pub(crate) found: AtomicU32,
    /// When it was found first.
    pub(crate) found_at: AtomicMoment,
    /// How often the thread had slept by then.
    pub(crate) sleeps: AtomicUsize,
    /// A page of the stack to which one may write, or 0.
    pub(crate) room: AtomicUsize,
}

impl Runs {
    pub(super) const fn new() -> Self {
        Self {
            count: AtomicU32::new(0),
            is_watched: AtomicBool::new(false),
            found: AtomicU32::new(0),
            found_at: AtomicMoment::new(Moment::NEVER),
            sleeps: AtomicUsize::new(0),
            room: AtomicUsize::new(0),
        }
    }

    /// None is known any more.
    pub(super) fn reset(&self) {
        self.is_watched.store(false, Relaxed);
        self.found_at.set(Moment::NEVER);
        self.room.store(0, Relaxed);
    }
}
