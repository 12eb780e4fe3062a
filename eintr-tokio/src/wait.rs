//! [`wait`], [`wait_finished`]: what became of a request, and whether a task has ended, as futures.
//!
//! A refused call is told by a signal's handler, which can wake a futex and no waker. So a thread waits in the place of
//! the future, for as long as that is there. (Rejected: one of the runtime's threads for blocking jobs. Where
//! all of them are stuck, nobody could find out; and a runtime that shuts down would wait for it.)

use std::time::Duration;

use eintr::{Builder, Interrupted, Interrupter, Outcome, Report, Request, within};
use tokio::sync::oneshot;

/// Waits for what becomes of a request, as [`Request::wait`], and lets async code go on meanwhile.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
///
/// let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
/// let outcome = eintr_tokio::wait(worker.interrupt(), Duration::from_secs(10)).await;
/// assert!(matches!(outcome, eintr::Outcome::Raised | eintr::Outcome::Finished));
/// # }
/// ```
///
/// A thread waits behind it, none of the runtime's; it ends where the future is dropped.
///
/// # Panics
///
/// If the system cannot create a thread.
pub async fn wait(request: Request, limit: Duration) -> Outcome {
    let waits = request.clone();
    on_a_thread(limit, move || waits.wait_interruptible().map(drop)).await;
    request.wait(Duration::ZERO)
}

/// Waits until a task has ended, as [`Interrupter::wait_finished`], and lets async code go on meanwhile.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
///
/// let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
/// worker.interrupt();
/// eintr_tokio::wait_finished(&worker, Duration::from_secs(10)).await.expect("it has ended");
/// # }
/// ```
///
/// # Errors
///
/// A [`Report`] of where the task is, if it has not ended by then.
///
/// # Panics
///
/// As [`wait`].
pub async fn wait_finished(
    interrupter: impl Into<Interrupter>,
    limit: Duration,
) -> Result<(), Report> {
    let interrupter = interrupter.into();
    let waits = interrupter.clone();
    on_a_thread(limit, move || waits.wait_finished_interruptible()).await;
    interrupter.wait_finished(Duration::ZERO)
}

/// Waits there, no longer than that, and no longer than the future is there.
async fn on_a_thread(
    limit: Duration,
    wait: impl FnOnce() -> Result<(), Interrupted> + Send + 'static,
) {
    let (tell, told) = oneshot::channel::<()>();
    let thread = Builder::new().name("eintr wait".into()).spawn(move || {
        let _ = within(limit, wait);
        drop(tell);
    });
    let _end = thread.expect("failed to spawn thread").interrupter().drop_guard();
    let _ = told.await;
}
