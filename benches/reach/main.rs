//! What reach costs until a cause stands, and how soon a reached call returns when one does.
//!
//! Everything here is a ratio, of two ways that are timed in turns in one process (see
//! [`eintr_benches::contest`]), with its limit in the table at the end. A benchmark is no test: a
//! ratio above its limit is marked, and fails nothing. (That the syscalls are the same, a test
//! says: `same_syscalls`.)
//!
//! `cargo bench -p eintr-benches --bench reach` runs all; a name after `--` chooses, as
//! criterion does.

mod idle;
mod returning;

fn main() {
    eintr_benches::run(&[idle::bench, returning::bench], &[]);
}
