//! Checkpoints, and the one place that raises.

use std::io;

use crate::hook::list;
use crate::task::node;
use crate::thread::{Outcome, Stop, backoff, block};
use crate::{Error, Interrupted, after_change, observed};

/// Raises the thread's cause, if it has one: the outermost first, then the oldest.
///
/// One thread-local load and a branch: cheap enough for the inside of a loop. What it raises it
/// raises again at every checkpoint and call, until the task ends or [takes](take) it; so an error
/// that some library swallowed is not lost.
///
/// # Examples
///
/// ```
/// fn sum(numbers: &[u64]) -> Result<u64, eintr::Interrupted> {
///     let mut sum = 0;
///     for number in numbers {
///         eintr::checkpoint()?;
///         sum += number;
///     }
///     Ok(sum)
/// }
///
/// assert_eq!(sum(&[1, 2, 3]).unwrap(), 6);
///
/// let (task, interrupter) = eintr::task();
/// interrupter.interrupt();
/// assert!(task.run(|| sum(&[1, 2, 3])).is_err());
/// ```
///
/// # Errors
///
/// [`Interrupted`], if the thread is armed.
#[inline]
pub fn checkpoint() -> Result<(), Interrupted> {
    if block::is_armed() { raise_at_checkpoint() } else { Ok(()) }
}

/// Whether a checkpoint would raise now. Changes nothing, and does not count as raised.
///
/// ```
/// let (task, interrupter) = eintr::task();
/// task.run(|| {
///     assert!(!eintr::is_interrupted());
///     interrupter.interrupt();
///     assert!(eintr::is_interrupted());
///     assert!(!eintr::mask(eintr::is_interrupted));
/// });
/// ```
#[inline]
pub fn is_interrupted() -> bool {
    block::is_armed() && stands()
}

/// Whether the thread is still armed, once it has taken off what was ended on another thread.
#[cold]
fn stands() -> bool {
    after_change::take_in_strays();
    block::is_armed()
}

/// Consumes one request: the oldest of the innermost task. It counts as raised.
///
/// `None` if that task has none, under a [mask](crate::mask()), and while anything outside that
/// task stands, or any deadline: a scope absorbs only what was meant for it, and a deadline that
/// has passed cannot be taken back.
///
/// # Examples
///
/// A worker that gives up a job when asked, and goes on with the next:
///
/// ```
/// let (task, interrupter) = eintr::task();
/// task.run(|| {
///     for job in 0..3 {
///         if job == 1 {
///             interrupter.interrupt(); // somebody presses "skip"
///         }
///         let done = eintr::checkpoint();
///         assert_eq!(done.is_err(), job == 1);
///         eintr::take();
///     }
/// });
/// ```
pub fn take() -> Option<Interrupted> {
    after_change::take_in_strays();
    list::run_before_end();
    let taken = node::take();
    backoff::end();
    after_change::sync_to_word();
    observed::tell_raised();
    taken
}

#[cold]
fn raise_at_checkpoint() -> Result<(), Interrupted> {
    after_change::take_in_strays();
    backoff::end();
    node::raise().map_or(Ok(()), Err).inspect_err(|_| observed::tell_raised())
}

/// Raises inside a call of ours, with back-off. `Ok` if no cause stands (any more).
#[cold]
pub(crate) fn raise_in_call() -> Result<(), Interrupted> {
    raise_in_wait().inspect_err(|_| observed::tell_raised())
}

/// As [`raise_in_call`], without telling the program's observer: in the middle of a wait what is waited for is half changed, so nothing of the program's may run.
#[cold]
pub(crate) fn raise_in_wait() -> Result<(), Interrupted> {
    let raised = is_interrupted().then(node::raise).flatten();
    raised.map_or(Ok(()), |interrupted| {
        block::with(backoff::apply);
        Err(interrupted)
    })
}

/// Runs an interruptible syscall until it has a result.
///
/// A cancelled attempt did nothing, and so did one that ended with EINTR: an armed thread raises,
/// any other (a stray signal, or a cause that is gone again) goes on. An attempt whose time is
/// limited must look at the clock itself, so that going on does not start its time anew.
#[inline]
pub(crate) fn complete<T>(mut attempt: impl FnMut() -> Outcome<T>) -> Result<T, Error> {
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(Stop::Cancelled | Stop::Errno(libc::EINTR)) => raise_in_call()?,
            Err(Stop::Errno(errno)) => {
                return Err(Error::Io(io::Error::from_raw_os_error(errno)));
            }
        }
    }
}
