//! Back-off: a loop that ignores its errors must not burn a core.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::retries::Retried;
use super::{Block, block};
use crate::kernel::clock;

/// Errors that may be ignored before each further one is made to wait.
const FREE: u32 = 16;
pub(crate) const LONGEST: Duration = Duration::from_millis(10);

/// One more error is about to be handed out: waits, if so many before it were ignored.
/// Async-signal-safe.
pub(crate) fn apply(block: &Block) {
    apply_for(block, LONGEST);
}

/// The same, and waits no longer than that. Async-signal-safe.
pub(crate) fn apply_for(block: &Block, longest: Duration) {
    let pause = due(block);
    count(block);
    if let Some(pause) = pause {
        clock::pause(pause.min(longest));
    }
}

/// How long the next error would wait.
pub(crate) fn due(block: &Block) -> Option<Duration> {
    pause_after(block.errors_in_a_row.load(Relaxed))
}

/// One more error is handed out.
pub(crate) fn count(block: &Block) {
    let before = block.errors_in_a_row.fetch_add(1, Relaxed);
    block.retries.count(before == 0);
}

/// The call for which a thread is made to wait, if it is.
pub(crate) fn retried(block: &Block) -> Option<Retried> {
    let is_backing_off = block.word.is_armed() && block.errors_in_a_row.load(Relaxed) >= FREE;
    is_backing_off.then(|| block.retries.look())
}

/// Not at first, then 1 us doubling to 10 ms.
fn pause_after(ignored: u32) -> Option<Duration> {
    let doublings = ignored.checked_sub(FREE)?;
    Some(Duration::from_micros(1 << doublings.min(14)).min(LONGEST))
}

/// The program looks after its interrupts.
pub(crate) fn end() {
    block::with(end_in_handler);
}

/// The same, or it gets on with something.
pub(crate) fn end_in_handler(block: &Block) {
    block.errors_in_a_row.store(0, Relaxed);
}
