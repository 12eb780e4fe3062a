//! Random operations on several threads, and what must balance after them: `docs/random.md`.
//!
//! What is random is what is done, and when. It is drawn from one seed, as data: [`operation`] has what threads do,
//! [`requester`] who interrupts them. [`kinds`] has the table of calls, one more row for one more of them. A [`round`] makes
//! them, on [`objects`] that count what goes in and out. What must not happen ends the process by [`wrong`].

use std::fmt::Display;
use std::io::{self, Write};

pub mod kinds;
pub mod objects;
pub mod operation;
pub mod peer;
pub mod plant;
pub mod requester;
pub mod round;
pub mod seed;
pub mod watch;
pub mod worker;

/// Ends the program: this must not happen, asked or not.
pub fn wrong(what: impl Display) -> ! {
    // Not by `eprintln!`: a test harness keeps that to itself, and does not live to show it.
    kinds::queues::remove_all();
    let _ = writeln!(io::stderr(), "wrong: {what}\n{}", seed::command());
    std::process::abort()
}

/// What a call of libc's told.
fn answer(answer: isize) -> io::Result<usize> {
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}
