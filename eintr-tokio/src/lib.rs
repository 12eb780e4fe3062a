#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod abort;
mod block_on;
mod error;
mod job;
mod queue;
mod runtime;
mod wait;

pub use abort::{AbortHandle, AbortOnDropHandle};
pub use block_on::block_on;
pub use error::JoinError;
pub use job::{JoinHandle, spawn_blocking, unblock};
pub use wait::{wait, wait_finished};
