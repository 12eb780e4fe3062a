//! [`spawn_blocking`], its [`JoinHandle`], and [`unblock`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use eintr::{Interrupted, Interrupter, Task};
use tokio::task;

use crate::queue::Queue;
use crate::{AbortHandle, AbortOnDropHandle, JoinError, runtime};

/// Runs a blocking closure on one of the runtime's threads for blocking jobs, as
/// [`tokio::task::spawn_blocking`]; and the handle's [`abort`](JoinHandle::abort) ends it also while it
/// runs.
///
/// What is in force where it is called, an [`eintr::timeout`] around a `block_on` for instance, is in
/// force in the job ([`eintr::context`]). A runtime that is shut down interrupts its jobs.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
///
/// let (mut silent, _peer) = UnixStream::pair()?;
/// let job = eintr_tokio::spawn_blocking(move || silent.read(&mut [0; 64]));
/// job.abort();
/// assert!(job.await.unwrap_err().is_cancelled());
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Outside of a runtime, as tokio's.
#[track_caller]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (context, task) = (eintr::context(), Task::new());
    let interrupter = task.interrupter();
    runtime::jobs().add(&interrupter);
    let queue = Arc::new(Queue::new());
    let (its_queue, its) = (queue.clone(), interrupter.clone());
    let inner = task::spawn_blocking(move || {
        its_queue.begin().then(|| {
            let value = context.run_task(task, f);
            Ended { value, raised: its.raised() }
        })
    });
    JoinHandle { inner, queue, interrupter }
}

/// Runs a blocking closure as [`spawn_blocking`] does, when it is first polled, and interrupts it where
/// the future is dropped before it has ended: by a client that has gone, by `tokio::time::timeout`, in
/// `select!`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
///
/// // A minute on the thread for blocking jobs; 10 ms here.
/// let nap = eintr_tokio::unblock(|| std::thread::sleep(Duration::from_secs(60)));
/// assert!(tokio::time::timeout(Duration::from_millis(10), nap).await.is_err());
/// # }
/// ```
///
/// A `CancellationToken` of tokio-util's ends it too:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # use std::time::Duration;
/// use tokio_util::sync::CancellationToken;
///
/// let token = CancellationToken::new();
/// let nap = eintr_tokio::unblock(|| std::thread::sleep(Duration::from_secs(60)));
/// token.cancel();
/// assert!(token.run_until_cancelled(nap).await.is_none());
/// # }
/// ```
///
/// # Errors
///
/// If the closure panicked, or was interrupted by somebody else.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn unblock<F, T>(f: F) -> Result<T, JoinError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    AbortOnDropHandle::new(spawn_blocking(f)).await
}

/// Waits for a blocking job, and aborts it. Dropped, it leaves the job alone.
///
/// As a future it is what the job has returned, or a [`JoinError`].
pub struct JoinHandle<T> {
    inner: task::JoinHandle<Option<Ended<T>>>,
    queue: Arc<Queue>,
    interrupter: Interrupter,
}

/// A job that has returned.
struct Ended<T> {
    value: T,
    /// For what it was interrupted, if it has felt it.
    raised: Option<Interrupted>,
}

impl<T> JoinHandle<T> {
    /// Interrupts the job: its blocking call returns, or its next checkpoint or call raises. One that has
    /// not begun does not begin. Returns at once.
    pub fn abort(&self) {
        self.abort_handle().abort();
    }

    /// What aborts it from elsewhere.
    pub fn abort_handle(&self) -> AbortHandle {
        let (queue, interrupter) = (self.queue.clone(), self.interrupter.clone());
        AbortHandle { inner: self.inner.abort_handle(), queue, interrupter }
    }

    /// Whether the job has ended.
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }

    /// What interrupts it with a reason, and tells what became of that.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }
}

impl<T: Send + 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.queue.has_left(context) {
            return Poll::Ready(Err(JoinError::not_begun()));
        }
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll(context)) {
            Ok(None) => Err(JoinError::not_begun()),
            Ok(Some(Ended { value, raised: None })) => Ok(value),
            Ok(Some(Ended { value, raised: Some(raised) })) => {
                Err(JoinError::cut_short(value, raised))
            }
            Err(error) => Err(JoinError::of_tokios(error, self.interrupter.raised())),
        })
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("task", &self.interrupter.id()).finish_non_exhaustive()
    }
}
