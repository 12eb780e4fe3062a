//! Semaphores and message queues: System V's [`semop`], [`msgrcv`], [`msgsnd`], and POSIX's
//! [`mq_receive`], [`mq_send`].
//!
//! They are made and removed by others: `libc`, `nix`, `ipcmk`. Timeouts are kept: no other signal
//! starts them anew. No timeout, and one too long for the clock, is for ever;
//! [`Duration::ZERO`](std::time::Duration::ZERO) does not wait.

mod message;
mod mqueue;
mod semaphore;

pub use message::{MsgKind, msgrcv, msgsnd};
pub use mqueue::{mq_receive, mq_send};
pub use semaphore::{SemOp, semop};
