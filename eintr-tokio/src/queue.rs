//! Whether a job has begun: one that is aborted before ends at once, though no thread is free to tell
//! tokio.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// Where a job stands.
#[derive(Debug)]
pub(crate) struct Queue(Mutex<Stand>);

#[derive(Debug)]
enum Stand {
    /// It waits for a thread. Whoever waits for it is to be woken.
    Queued(Option<Waker>),
    Begun,
    /// It will not begin.
    Left,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Stand::Queued(None)))
    }

    fn stand(&self) -> MutexGuard<'_, Stand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread has come to it; whether it is to begin.
    pub(crate) fn begin(&self) -> bool {
        let mut stand = self.stand();
        let is_queued = matches!(*stand, Stand::Queued(_));
        if is_queued {
            *stand = Stand::Begun;
        }
        is_queued
    }

    /// It is not to begin, if it has not.
    pub(crate) fn leave(&self) {
        let mut stand = self.stand();
        if let Stand::Queued(waker) = &mut *stand {
            let waker = waker.take();
            *stand = Stand::Left;
            drop(stand);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Whether it has left; else that waker is woken when it does.
    pub(crate) fn has_left(&self, context: &Context<'_>) -> bool {
        let mut stand = self.stand();
        if let Stand::Queued(waker) = &mut *stand {
            *waker = Some(context.waker().clone());
        }
        matches!(*stand, Stand::Left)
    }
}
