//! [`AbortHandle`], [`AbortOnDropHandle`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use eintr::Interrupter;
use tokio::task;

use crate::queue::Queue;
use crate::{JoinError, JoinHandle};

/// Aborts a job, from anywhere.
#[derive(Debug, Clone)]
pub struct AbortHandle {
    pub(crate) inner: task::AbortHandle,
    pub(crate) queue: Arc<Queue>,
    pub(crate) interrupter: Interrupter,
}

impl AbortHandle {
    /// Interrupts the job. See [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.queue.leave();
        self.interrupter.interrupt();
        self.inner.abort();
    }

    /// Whether the job has ended.
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }
}

/// A [`JoinHandle`] that aborts its job where it is dropped.
#[derive(Debug)]
#[must_use = "dropping it aborts the job"]
pub struct AbortOnDropHandle<T>(Option<JoinHandle<T>>);

impl<T> AbortOnDropHandle<T> {
    /// Aborts that job where it is dropped.
    pub fn new(handle: JoinHandle<T>) -> Self {
        Self(Some(handle))
    }

    /// The handle alone: the job is left to itself.
    pub fn detach(mut self) -> JoinHandle<T> {
        self.0.take().expect("only its end takes it")
    }

    fn handle(&self) -> &JoinHandle<T> {
        self.0.as_ref().expect("only its end takes it")
    }

    /// See [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.handle().abort();
    }

    /// See [`JoinHandle::abort_handle`].
    pub fn abort_handle(&self) -> AbortHandle {
        self.handle().abort_handle()
    }

    /// See [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.handle().is_finished()
    }
}

impl<T> Drop for AbortOnDropHandle<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

impl<T: Send + 'static> Future for AbortOnDropHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(self.0.as_mut().expect("only its end takes it")).poll(context)
    }
}
