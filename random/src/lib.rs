//! Random operations on several threads, and what must balance after them: `docs/random.md`.
//!
//! What is random is what is done, and when. It is drawn from one seed, as data: [`operation`] has what threads do,
//! [`asker`] who interrupts them. A [`round`] makes them, on [`objects`] that count what goes in and out. What must
//! not happen ends the process by [`wrong`].

use std::fmt::Display;
use std::io::{self, Write};

pub mod asker;
pub mod objects;
pub mod operation;
pub mod round;
pub mod seed;
pub mod watch;
pub mod worker;

/// Ends the program: this must not happen, asked or not.
pub fn wrong(what: impl Display) -> ! {
    // Not by `eprintln!`: a test harness keeps that to itself, and does not live to show it.
    let _ = writeln!(io::stderr(), "wrong: {what}\nEINTR_SEED={}", seed::current());
    std::process::abort()
}
