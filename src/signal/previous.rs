//! Who was there before us: what a signal would have met without us.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use libc::c_int;

use crate::kernel::{Action, signals};

/// What was installed for a signal before us.
pub(crate) struct Previous {
    /// The address of ours, which came after.
    pub(crate) ours: AtomicUsize,
    pub(crate) handler: AtomicUsize,
    pub(crate) flags: AtomicU64,
    pub(crate) restorer: AtomicUsize,
    pub(crate) mask: AtomicU64,
}

impl Previous {
    /// Nothing yet: the default.
    pub(crate) const fn nothing() -> Self {
        Self {
            ours: AtomicUsize::new(0),
            handler: AtomicUsize::new(libc::SIG_DFL),
            flags: AtomicU64::new(0),
            restorer: AtomicUsize::new(0),
            mask: AtomicU64::new(0),
        }
    }

    /// Our handler is about to come after it.
    pub(crate) fn stands_before(&self, ours: usize) {
        self.ours.store(ours, Ordering::Relaxed);
    }

    /// Whether ours is the handler that the kernel calls for that signal.
    pub(crate) fn is_ours_in_force(&self, number: c_int) -> bool {
        let ours = self.ours.load(Ordering::Relaxed);
        signals::action(number).is_ok_and(|now| now.handler == ours)
    }

    /// Whether that is ours.
    pub(crate) fn is(&self, now: &Action) -> bool {
        now.handler == self.ours.load(Ordering::Relaxed)
    }

    /// Whether another one is in force. Where the kernel may not be asked, none is.
    pub(crate) fn is_replaced(&self, number: c_int) -> bool {
        signals::action(number).is_ok_and(|now| !self.is(&now))
    }

    /// Whether ours has ever come after it.
    pub(crate) fn has_come(&self) -> bool {
        self.ours.load(Ordering::Relaxed) != 0
    }

    /// Remembers the disposition that was there before ours.
    pub(crate) fn remember(&self, action: &Action) {
        self.flags.store(action.flags, Ordering::Relaxed);
        self.restorer.store(action.restorer, Ordering::Relaxed);
        self.mask.store(action.mask, Ordering::Relaxed);
        self.handler.store(action.handler, Ordering::Release);
    }

    /// What was remembered, as far as it was.
    pub(crate) fn recall(&self) -> Action {
        let flags = self.flags.load(Ordering::Relaxed);
        let restorer = self.restorer.load(Ordering::Relaxed);
        let mask = self.mask.load(Ordering::Relaxed);
        let handler = self.handler.load(Ordering::Acquire);
        Action { handler, flags, restorer, mask }
    }

    pub(crate) fn has(&self, flag: c_int) -> bool {
        self.flags.load(Ordering::Relaxed) & flag as u32 as u64 != 0
    }
}
