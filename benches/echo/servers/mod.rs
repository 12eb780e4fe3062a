//! An echo server with a limit for each request, in several ways, each as its own docs have it. All but
//! tokio's have a thread for each connection. SIGTERM ends them in order.

mod eintr;
mod poll;
mod read_timeout;
mod tokio;

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

/// The time for a request, the wait for it included.
pub const LIMIT: Duration = Duration::from_secs(30);
/// What a request has room in.
pub const SIZE: usize = 64;

pub type Server = fn(TcpListener) -> Result<(), Box<dyn Error>>;

pub const OURS: [(&str, Server); 2] =
    [("eintr", eintr::serve), ("eintr, std's calls", eintr::serve_by_std)];
pub const OTHERS: [(&str, Server); 4] = [
    ("set_read_timeout, once", read_timeout::serve),
    ("set_read_timeout, each read", read_timeout::serve_each),
    ("poll and an eventfd", poll::serve),
    ("tokio", tokio::serve),
];

/// To be called before there are threads: they all have it blocked then, and it can be waited for.
fn put_off_sigterm() -> nix::Result<SigSet> {
    let sigterm = SigSet::from(Signal::SIGTERM);
    sigterm.thread_block()?;
    Ok(sigterm)
}
