//! [`Barrier`].

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::{Condvar, How, Interruptibly, ToTheEnd, ended, locks, opaque};
use crate::Interrupted;

/// Lets threads go on once so many have come: [`std::sync::Barrier`], and beside it
/// [`wait_interruptible`](Self::wait_interruptible).
///
/// # Examples
///
/// ```
/// use eintr::sync::Barrier;
/// use std::sync::Arc;
///
/// let barrier = Arc::new(Barrier::new(2));
/// let other = barrier.clone();
/// let worker = eintr::spawn(move || other.wait_interruptible().map(|passed| passed.is_leader()));
/// let here = barrier.wait().is_leader();
/// let there = worker.join().unwrap()?;
/// assert!(here != there);
/// # Ok::<(), eintr::Interrupted>(())
/// ```
pub struct Barrier {
    state: locks::Mutex<State>,
    passed: Condvar,
    count: usize,
}

struct State {
    waiting: usize,
    /// How often the barrier was passed.
    passes: usize,
}

/// Whether a thread was the last to come to a [`Barrier`].
#[derive(Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether this is the one thread of those that passed together which was the last to come.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// A barrier that so many threads pass together. With 0, as with 1, nobody waits.
    pub const fn new(n: usize) -> Self {
        let state = locks::Mutex::new(State { waiting: 0, passes: 0 });
        Self { state, passed: Condvar::new(), count: n }
    }

    fn wait_by<H: How>(&self, how: &H) -> Result<BarrierWaitResult, H::Stop> {
        let mut state = self.state.lock();
        state.waiting += 1;
        if state.waiting >= self.count {
            state.waiting = 0;
            state.passes = state.passes.wrapping_add(1);
            drop(state);
            self.passed.notify_all();
            return Ok(BarrierWaitResult(true));
        }
        let before = state.passes;
        match self.passed.sleep_while(&mut state, how, |state| state.passes == before) {
            Ok(()) => Ok(BarrierWaitResult(false)),
            Err(stop) => {
                state.waiting -= 1;
                Err(stop)
            }
        }
    }

    /// Waits until so many threads have come, and passes with them.
    ///
    /// # Interruption
    ///
    /// None, as std's. [`wait_interruptible`](Self::wait_interruptible) has it.
    pub fn wait(&self) -> BarrierWaitResult {
        ended(self.wait_by(&ToTheEnd))
    }

    /// As [`wait`](Self::wait), unless the thread is interrupted first.
    ///
    /// # Errors
    ///
    /// [`Interrupted`].
    ///
    /// # Interruption
    ///
    /// On `Interrupted` it is as if the thread had not come: it is not counted any more, and the
    /// others wait for one in its place. (What is to be done then is for the program: a barrier
    /// that breaks for all, as Java's does, can be made of this one by interrupting the others.) A
    /// thread that was interrupted when the barrier had been passed is told `Ok`, and the next call
    /// raises.
    pub fn wait_interruptible(&self) -> Result<BarrierWaitResult, Interrupted> {
        self.wait_by(&Interruptibly::begin()?)
    }
}

// Nothing of the user's runs in it.
impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

opaque!(Barrier);
