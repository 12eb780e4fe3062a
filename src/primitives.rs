//! The primitives that [`state`](crate::state) and the state machines of [`sync`](crate::sync)
//! stand on: std's here, loom's where their models are checked.

pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard};

/// How long a thread that waits for another looks again before it goes to sleep: a microsecond or
/// two of spinning, each time twice as long, then a few turns for whoever else wants the CPU. Going
/// to sleep and being woken takes longer than that.
#[derive(Default)]
pub(crate) struct Patience(u32);

const SPINS: u32 = 7;
const TURNS: u32 = 4;

impl Patience {
    /// Passes a moment; false if it is time to sleep.
    #[inline]
    pub(crate) fn pass(&mut self) -> bool {
        match self.0 {
            spins @ 0..SPINS => (0..1_u32 << spins).for_each(|_| std::hint::spin_loop()),
            SPINS.. if self.0 < SPINS + TURNS => std::thread::yield_now(),
            _ => return false,
        }
        self.0 += 1;
        true
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
