//! Waiting for children: [`wait`] for one of std's, [`waitid`] and [`waitpid`] for any; running
//! commands, with [`status()`] and [`output()`], which leave no child behind; and becoming another
//! program, with [`exec()`], into which nothing of ours follows.

mod child;
mod command;
mod end;
mod exec;
mod status;
mod waiting;

pub use child::wait;
pub use command::{output, status};
pub(crate) use end::end;
pub use exec::exec;
pub use status::{WaitStatus, Waited};
pub use waiting::{WaitId, WaitOptions, waitid, waitpid};
