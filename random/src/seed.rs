//! Where all that is random comes from.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

/// Of the round that runs. None is chosen yet: 0.
static CURRENT: AtomicU64 = AtomicU64::new(0);

/// What EINTR_SEED says, or else the clock.
fn choose() -> u64 {
    let seed = match std::env::var("EINTR_SEED") {
        Ok(seed) => seed.parse().expect("EINTR_SEED is a number, and not 0"),
        Err(_) => SystemTime::UNIX_EPOCH.elapsed().expect("it is later").as_millis() as u64,
    };
    eprintln!("EINTR_SEED={seed}");
    set_current(seed);
    seed
}

pub fn set_current(seed: u64) {
    CURRENT.store(seed, Relaxed);
}

/// It is chosen on first use.
pub fn current() -> u64 {
    match CURRENT.load(Relaxed) {
        0 => choose(),
        seed => seed,
    }
}

/// What makes the current round again, and those that follow.
pub fn command() -> String {
    format!("EINTR_SEED={} .ci/random 60", current())
}

/// SplitMix64: each number of a counter, well mixed.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// A stream of numbers of its own for each of a seed's uses.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed);
        Self(random.next() ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[expect(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}
