//! Models of the state machines in `src/sync/raw/`, checked in every interleaving (within a bound on preemptions) by
//! loom.
//!
//! The files themselves are compiled in, over loom's atomics. The kernel's futex is written again here ([`sys::futex`]),
//! and so is a wait that may end by itself at any time ([`MayEnd`]): for that is what an interrupt, or a time that is up,
//! is to a machine. A wake-up that is lost is a thread that sleeps for ever, which loom reports as a deadlock.
//!
//! The checker is checked: with each of the mistakes that one could make here, the model must find one.

use std::convert::Infallible;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicBool;
use loom::thread;

mod primitives {
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};

    /// To look again before sleeping changes nothing but the time.
    #[derive(Default)]
    pub(crate) struct Patience;

    impl Patience {
        pub(crate) fn pass(&mut self) -> bool {
            false
        }
    }

    pub(crate) fn spin_while(_holds: impl FnMut() -> bool) {}
}

mod sys {
    /// The kernel's futex: to look at the word and to go to sleep is one step for whoever wakes.
    pub(crate) mod futex {
        use std::collections::HashMap;

        use loom::sync::{Condvar, Mutex};

        use crate::primitives::{AtomicU32, Ordering};

        loom::lazy_static! {
            static ref KERNEL: Kernel = Kernel::default();
        }

        #[derive(Default)]
        struct Kernel {
            sleepers: Mutex<Sleepers>,
            woken: Condvar,
        }

        #[derive(Default)]
        struct Sleepers {
            last: u32,
            /// By the word; the first is woken first.
            on: HashMap<usize, Vec<u32>>,
        }

        fn key(word: &AtomicU32) -> usize {
            std::ptr::from_ref(word) as usize
        }

        /// Sleeps while the word is that.
        pub(crate) fn wait(word: &AtomicU32, expected: u32) {
            let mut sleepers = KERNEL.sleepers.lock().unwrap();
            if word.load(Ordering::Relaxed) != expected {
                return;
            }
            sleepers.last += 1;
            let own = sleepers.last;
            sleepers.on.entry(key(word)).or_default().push(own);
            while sleepers.on.get(&key(word)).is_some_and(|on| on.contains(&own)) {
                sleepers = KERNEL.woken.wait(sleepers).unwrap();
            }
        }

        pub(crate) fn wake(word: &AtomicU32, count: u32) -> usize {
            let mut sleepers = KERNEL.sleepers.lock().unwrap();
            let on = sleepers.on.entry(key(word)).or_default();
            let woken = on.drain(..on.len().min(count as usize)).count();
            KERNEL.woken.notify_all();
            woken
        }

        pub(crate) fn wake_all(word: &AtomicU32) {
            wake(word, u32::MAX);
        }

        /// What ends a sleep from outside; whether there was a sleeper of that thread's.
        pub(crate) fn end(word: &AtomicU32, over: &loom::sync::atomic::AtomicBool) {
            let _sleepers = KERNEL.sleepers.lock().unwrap();
            over.store(true, Ordering::Relaxed);
            let _ = word;
            KERNEL.woken.notify_all();
        }

        /// Sleeps while the word is that, or until it is over; false if it was that.
        pub(crate) fn wait_unless(
            word: &AtomicU32,
            expected: u32,
            over: &loom::sync::atomic::AtomicBool,
        ) -> bool {
            let mut sleepers = KERNEL.sleepers.lock().unwrap();
            // The trampoline looks first.
            if over.load(Ordering::Relaxed) {
                return false;
            }
            if word.load(Ordering::Relaxed) != expected {
                return true;
            }
            sleepers.last += 1;
            let own = sleepers.last;
            sleepers.on.entry(key(word)).or_default().push(own);
            loop {
                let on = sleepers.on.entry(key(word)).or_default();
                // A thread that was woken was woken, whatever else is pending.
                let Some(position) = on.iter().position(|sleeper| *sleeper == own) else {
                    return true;
                };
                if over.load(Ordering::Relaxed) {
                    on.remove(position);
                    return false;
                }
                sleepers = KERNEL.woken.wait(sleepers).unwrap();
            }
        }
    }
}

#[allow(dead_code, unused_imports, reason = "the crate uses all of it")]
#[path = "../src/sync/raw/mod.rs"]
mod raw;
