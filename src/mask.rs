//! Masks: stretches in which causes from outside wait.

use crate::after_change;
use crate::hook::masked::Masked;

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
    let _mask = Mask::begin();
    f()
}

/// A mask in force.
pub(crate) struct Mask(Masked);

impl Mask {
    #[inline(never)] // See `stretches`.
    pub(crate) fn begin() -> Self {
        let mask = Self(Masked::begin());
        after_change::sync_to_word();
        mask
    }
}

impl Drop for Mask {
    #[inline(never)] // See `stretches`.
    fn drop(&mut self) {
        if self.0.end() {
            after_change::sync_to_word();
        }
    }
}
