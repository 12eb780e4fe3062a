//! Waiting for other threads: [`futex_wait`] and [`futex_wake`], on which the rest can be built.

mod futex;

pub use futex::{FutexWait, futex_wait, futex_wake};
