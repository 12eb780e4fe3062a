//! Waiting for children: [`wait`] for one of std's, [`waitid`] and [`waitpid`] for any.

mod child;
mod status;
mod waiting;

pub use child::wait;
pub use status::{WaitStatus, Waited};
pub use waiting::{WaitId, WaitOptions, waitid, waitpid};
