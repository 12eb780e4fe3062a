//! The primitives that [`state`](crate::state) stands on: std's here, loom's where its model is
//! checked.

pub(crate) use std::sync::atomic::{AtomicU32, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
