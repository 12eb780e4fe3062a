//! Opening and locking files: [`open()`] (of a FIFO, say), [`flock`], [`ofd_lock`].

pub(crate) mod lock;
mod open;

pub use lock::{LockKind, flock, ofd_lock, ofd_unlock, unlock};
pub use open::{OpenOptions, open};
