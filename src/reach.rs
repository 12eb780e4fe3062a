//! Reach: an interrupt gets code that knows nothing of us out of its blocking call.

use crate::thread::{Stretch, block, stretches};
use crate::{after_change, unblocked};

pub(crate) mod allowance;
pub(crate) mod alternate_stack;
pub(crate) mod answer;
pub(crate) mod at_once;
pub(crate) mod dispatch;
pub(crate) mod eintr;
pub(crate) mod found;
pub(crate) mod instruction;
pub(crate) mod patience;
pub(crate) mod run_calls;
pub(crate) mod sigmask;
pub(crate) mod signal_only;
mod spare_stacks;
pub(crate) mod table;

/// Runs `f` with reach on: while the thread is armed its plain calls do not wait, whoever makes them.
/// What can be done without waiting is done, for 100 milliseconds in which the thread is armed (for a
/// deadline no longer than it was itself); what would wait is refused with ECANCELED.
///
/// Managed tasks have it on, and so has the body of a [deadline](crate::timeout()) where no task
/// runs; this is for a stretch that has it off. It uses the kernel's
/// Syscall User Dispatch; where that is missing, [`support()`](crate::support()) says so, and a second-best way is
/// taken.
///
/// What has already begun to return is not touched, nor is what does not wait. So a call that
/// sleeps with a timeout of its own (a socket with a read timeout, a poll, a sleep) returns EINTR
/// as ever when a request finds it there, and is refused if it is made again. This table says what each
/// syscall returns, and what becomes of it in the second-best way on x86_64
/// (a socket with a timeout of its own is like a poll there; on aarch64 it is always the same):
///
#[doc = include_str!("reach/answers.md")]
///
/// In the same task and while the cause stands, [`Interrupted::of`](crate::Interrupted::of)
/// recognises the error. Code that treats an error as fatal will fail on it: std's `Command::output`
/// and `Child::wait_with_output` panic, and `Command::status` leaves its child behind. In their place
/// there are [`process::output`](crate::process::output()) and
/// [`process::status`](crate::process::status()).
///
/// # Examples
///
/// ```
/// use std::net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let server = eintr::Builder::new()
///     .reach(false)
///     .spawn(move || eintr::reach(|| listener.accept().map(drop)))?;
/// server.interrupt();
/// assert!(server.join().unwrap().is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn reach<T>(f: impl FnOnce() -> T) -> T {
    let _before = Reach::set(true);
    f()
}

/// Runs `f` with reach off: an armed thread's plain calls return EINTR, and what handles that goes
/// on as it always has.
///
/// ```
/// eintr::without_reach(|| std::thread::sleep(std::time::Duration::from_millis(1)));
/// ```
pub fn without_reach<T>(f: impl FnOnce() -> T) -> T {
    let _before = Reach::set(false);
    f()
}

/// Whether it is on here.
pub(crate) fn is_on() -> bool {
    block::with(|block| block.reach.is_on())
}

/// As [`Reach`], for what the table answers with EINTR: with this on it is refused like anything
/// else. For code that makes such a call again, and takes another error.
#[cfg(feature = "capi")]
pub(crate) struct ReachLoops(bool);

#[cfg(feature = "capi")]
impl ReachLoops {
    pub(crate) fn set(on: bool) -> Self {
        Self(block::with(|block| block.reach.refuse_loops(on)))
    }
}

#[cfg(feature = "capi")]
impl Drop for ReachLoops {
    fn drop(&mut self) {
        block::with(|block| block.reach.refuse_loops(self.0));
    }
}

/// A stretch with reach on or off. It ends where it is dropped.
pub(crate) struct Reach(Stretch);

impl Reach {
    #[inline(never)] // See `stretches`.
    pub(crate) fn set(on: bool) -> Self {
        let reach = Self(stretches::begin_reach(on));
        after_change::sync_to_word();
        reach
    }
}

impl Drop for Reach {
    #[inline(never)] // See `stretches`.
    fn drop(&mut self) {
        let Some(ended) = stretches::end(self.0) else {
            return stretches::tell_of_stray("a stretch with reach on or off");
        };
        after_change::sync_to_word();
        unblocked::undo(ended);
    }
}
