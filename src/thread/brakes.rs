//! The brakes: a loop that ignores its errors must not burn a core.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::block::{self, Block};
use crate::kernel::clock;

/// Errors that may be ignored before each further one is made to wait.
const FREE: u32 = 16;
const LONGEST: Duration = Duration::from_millis(10);

/// One more error is about to be handed out: waits, if so many before it were ignored.
/// Async-signal-safe.
pub(crate) fn apply(block: &Block) {
    if let Some(pause) = pause_after(block.unheeded.fetch_add(1, Relaxed)) {
        clock::pause(pause);
    }
}

/// Not at first, then 1 us doubling to 10 ms.
fn pause_after(ignored: u32) -> Option<Duration> {
    let doublings = ignored.checked_sub(FREE)?;
    Some(Duration::from_micros(1 << doublings.min(14)).min(LONGEST))
}

/// The program looks after its interrupts.
pub(crate) fn release() {
    block::with(|block| block.unheeded.store(0, Relaxed));
}
