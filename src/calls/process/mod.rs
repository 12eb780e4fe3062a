//! Waiting for children: [`wait`] for one of std's, [`waitid`] and [`waitpid`] for any; and running
//! commands, with [`status()`] and [`output()`], which leave no child behind.

mod child;
mod command;
mod end;
mod status;
mod syscalls;
mod waiting;

pub use child::wait;
pub use command::{output, status};
pub(crate) use end::end;
pub use status::{WaitStatus, Waited};
pub use waiting::{WaitId, WaitOptions, waitid, waitpid};
