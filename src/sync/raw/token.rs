//! The token that a thread parks for: one word, one thread that waits, any number that give.

use super::wait::{How, Slept};
use crate::kernel::futex;
use crate::kernel::primitives::AtomicU32;
use crate::kernel::primitives::Ordering::{Acquire, Relaxed, Release};

const NONE: u32 = 0;
const GIVEN: u32 = 1;
/// None, and somebody sleeps for it.
const AWAITED: u32 = 2;

#[derive(Default)]
pub(crate) struct Token {
    pub(crate) word: AtomicU32,
}

impl Token {
    fn try_take(&self) -> bool {
        self.word.compare_exchange(GIVEN, NONE, Acquire, Relaxed).is_ok()
    }

    /// Takes the token, waiting for it. One thread at a time.
    pub(crate) fn take<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        while !self.try_take() {
            // It fails if the token is given meanwhile, or is awaited already.
            let _ = self.word.compare_exchange(NONE, AWAITED, Relaxed, Relaxed);
            let slept = how.sleep(&self.word, AWAITED, None);
            if slept == Slept::Ended && self.word.load(Relaxed) != GIVEN {
                // A token that is given just now stays, for the next time.
                how.go_on().inspect_err(|_| {
                    let _ = self.word.compare_exchange(AWAITED, NONE, Relaxed, Relaxed);
                })?;
            }
        }
        Ok(())
    }

    /// Gives the token. There is never more than one.
    pub(crate) fn give(&self) {
        if self.word.swap(GIVEN, Release) == AWAITED {
            futex::wake(&self.word, 1);
        }
    }
}
