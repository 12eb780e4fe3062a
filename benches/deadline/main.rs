//! What a deadline costs if it does not pass, and how late it is if it does.
//!
//! Everything here is a ratio to the same thing without us, timed in turns in one process (see
//! [`eintr_benches::contest`]), with its limit in the table at the end. A benchmark is no test: a
//! ratio above its limit is marked, and fails nothing.
//!
//! `cargo bench -p eintr-benches --bench deadline` runs all; a name after `--` chooses, as
//! criterion does.

mod idle;
mod late;
mod timer;

fn main() {
    eintr_benches::run(&[idle::bench, late::bench], &[]);
}
