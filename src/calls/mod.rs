//! Our own calls, by kernel domain: one line each over the trampoline.

pub mod event;
pub mod fs;
pub mod io;
pub mod ipc;
mod limit;
pub mod net;
pub mod process;
pub(crate) mod socket_time;
pub mod terminal;
pub mod time;

pub(crate) use limit::Limit;
