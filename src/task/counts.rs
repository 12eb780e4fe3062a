//! How often something has happened to tasks.

use std::sync::atomic::AtomicU64;

/// Requests that a task was asked by, before its end.
pub(crate) static ASKED: AtomicU64 = AtomicU64::new(0);
/// Those that were felt: handed out as an error, or a call was cut short.
pub(crate) static RAISED: AtomicU64 = AtomicU64::new(0);
/// Tasks that have run and ended.
pub(crate) static FINISHED: AtomicU64 = AtomicU64::new(0);
/// Waits in vain for a task that was asked.
pub(crate) static STUCK: AtomicU64 = AtomicU64::new(0);
