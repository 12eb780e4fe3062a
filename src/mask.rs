//! Masks: stretches in which causes from outside wait.

use std::sync::Arc;

use crate::deadline::frames::{self, Hidden};
use crate::hook;
use crate::thread::fork_gate;
use crate::thread::record::Floor;
use crate::thread::target::{self, ThreadRecord};

/// Runs `f` with the causes from outside it put off to its end. Tasks and deadlines that begin
/// inside it work as usual.
///
/// For a stretch that must not be left half done. Keep it short, or bounded: whoever asks this
/// thread waits for its end.
///
/// # Examples
///
/// ```
/// let (task, interrupter) = eintr::task();
/// task.run(|| {
///     interrupter.interrupt();
///     eintr::mask(|| {
///         assert!(eintr::checkpoint().is_ok()); // put off
///     });
///     assert!(eintr::checkpoint().is_err()); // not forgotten
/// });
/// ```
///
/// # Panics
///
/// Only if `f` does; the mask ends then too.
pub fn mask<T>(f: impl FnOnce() -> T) -> T {
    let _masked = Masked::begin();
    f()
}

/// A mask in force. Where the thread has no record, nothing could arm it, and there is nothing to
/// mask.
pub(crate) struct Masked(Option<(Arc<ThreadRecord>, Floor, Hidden)>, Option<hook::Hidden>);

impl Masked {
    pub(crate) fn begin() -> Self {
        let hooks = hook::hide();
        let gate = fork_gate::gate();
        let masked = target::registered().map(|record| {
            let floor = record.mask();
            (record, floor, frames::hide())
        });
        drop(gate);
        let masked = Self(masked, hooks);
        target::settle();
        masked
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        if let Some((record, floor, hidden)) = self.0.take() {
            let gate = fork_gate::gate();
            record.unmask(floor);
            drop(gate);
            frames::show(hidden);
        }
        if let Some(hooks) = self.1.take() {
            hook::show(Some(hooks));
            target::settle();
        }
    }
}
