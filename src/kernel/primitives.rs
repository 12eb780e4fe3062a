//! The primitives that [`thread`](crate::thread) and the state machines of [`sync`](crate::sync)
//! stand on: std's here, loom's where their models are checked.

pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard};

pub(crate) use super::thread_id::get as thread_id;

/// How long a thread that waits for another looks again before it goes to sleep: spinning, each
/// time twice as long, then giving the CPU to others for some turns.
pub(crate) struct Patience {
    spins: u32,
    turns: u32,
}

impl Patience {
    /// Less than it takes to go to sleep and be woken: for what may come at any time, or not.
    pub(crate) const SHORT: Self = Self { spins: 4, turns: 0 };
    /// About as long as that takes: for what another is about to bring, if it has a CPU or gets one.
    pub(crate) const LONG: Self = Self { spins: 7, turns: 4 };

    /// Passes so many moments, with a look after each: what the first successful one found.
    #[inline]
    pub(crate) fn pass<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        for length in 0..self.spins {
            (0..1_u32 << length).for_each(|_| std::hint::spin_loop());
            if let Some(found) = look() {
                return Some(found);
            }
        }
        for _ in 0..self.turns {
            std::thread::yield_now();
            if let Some(found) = look() {
                return Some(found);
            }
        }
        None
    }
}

/// Spins while it holds, but not for long.
#[inline]
pub(crate) fn spin_while(mut holds: impl FnMut() -> bool) {
    let mut left = 100;
    while left > 0 && holds() {
        std::hint::spin_loop();
        left -= 1;
    }
}
