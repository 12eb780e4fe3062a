//! [`block_on`].

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use eintr::{Interrupted, checkpoint, with_hook};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Runs a future on this thread, a blocking job's for instance, until it is done or the thread is
/// interrupted.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // A synchronous library with a callback, which has to ask something asynchronous.
/// let job = eintr_tokio::spawn_blocking(|| eintr_tokio::block_on(std::future::pending::<()>()));
/// job.abort();
/// assert!(job.await.unwrap_err().is_cancelled());
/// # }
/// ```
///
/// # Errors
///
/// [`Interrupted`]; the future is dropped where it was.
///
/// # Panics
///
/// Outside of a runtime, or in async code, as [`Handle::block_on`].
#[track_caller]
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Interrupted> {
    let asked = Arc::new(Notify::new());
    let ask = asked.clone();
    let body = async {
        let mut future = pin!(future);
        let mut notified = pin!(asked.notified());
        poll_fn(|context| {
            while notified.as_mut().poll(context).is_ready() {
                if let Err(interrupted) = checkpoint() {
                    return Poll::Ready(Err(interrupted));
                }
                notified.set(asked.notified());
            }
            future.as_mut().poll(context).map(Ok)
        })
        .await
    };
    with_hook(move |_| ask.notify_one(), || Handle::current().block_on(body))
}
