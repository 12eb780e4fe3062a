//! The three ways to wait.

use std::convert::Infallible;
use std::time::Duration;

use super::{How, Slept};
use crate::entry::futex_wait;
use crate::kernel::primitives::AtomicU32;
use crate::kernel::{Moment, futex};
use crate::thread::Stop;
use crate::{Interrupted, checkpoint};

/// To the end, whatever comes: std's way.
pub(crate) struct ToTheEnd;

/// Until a moment.
pub(crate) struct Until(Moment);

/// Until the thread is interrupted.
pub(crate) struct Interruptibly(());

/// The time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeIsUp;

impl How for ToTheEnd {
    type Stop = Infallible;

    fn sleep(&self, word: &AtomicU32, expected: u32, lock: Option<&AtomicU32>) -> Slept {
        futex::wait_for_lock(word, expected, Moment::NEVER, lock);
        Slept::Woken
    }

    fn go_on(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What a wait to the end returns.
pub(crate) fn ended<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl Until {
    /// So long from now. What the clock cannot tell is never, as for std.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Moment::in_time(timeout))
    }
}

impl How for Until {
    type Stop = TimeIsUp;

    fn sleep(&self, word: &AtomicU32, expected: u32, lock: Option<&AtomicU32>) -> Slept {
        if futex::wait_for_lock(word, expected, self.0, lock) { Slept::Woken } else { Slept::Ended }
    }

    fn go_on(&self) -> Result<(), TimeIsUp> {
        Err(TimeIsUp)
    }
}

impl Interruptibly {
    /// An armed thread does not begin.
    #[inline]
    pub(crate) fn begin() -> Result<Self, Interrupted> {
        if checkpoint::is_interrupted() {
            checkpoint::raise_in_call()?;
        }
        Ok(Self(()))
    }
}

impl How for Interruptibly {
    type Stop = Interrupted;

    fn sleep(&self, word: &AtomicU32, expected: u32, lock: Option<&AtomicU32>) -> Slept {
        match futex_wait::wait_for_lock(word, expected, lock) {
            Err(Stop::Cancelled | Stop::Errno(libc::EINTR)) => Slept::Ended,
            // Woken, or the word was another (EAGAIN).
            Ok(()) | Err(Stop::Errno(_)) => Slept::Woken,
        }
    }

    fn go_on(&self) -> Result<(), Interrupted> {
        checkpoint::raise_in_wait()
    }
}
