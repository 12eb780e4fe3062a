//! What reach costs until a cause stands, and how soon a reached call returns when one does.
//!
//! Everything here is a ratio, of two ways that are timed in turns in one process (see [`contest`]),
//! with its limit in the table at the end. A benchmark is no test: a ratio above its limit is
//! marked, and fails nothing. (That the syscalls are the same, a test says: `same_syscalls`.)
//!
//! `cargo bench --bench reach` runs all; a name after `--` chooses, as criterion does.

#[path = "../foundation/contest.rs"]
mod contest;
#[path = "../foundation/cpu.rs"]
mod cpu;
mod idle;
mod returning;
#[path = "../foundation/table.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod table;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut table = table::Table::default();
    idle::bench(&mut criterion, &mut table);
    returning::bench(&mut criterion, &mut table);
    if !std::env::args().any(|argument| argument == "--list") {
        print!("\n{table}");
    }
    criterion.final_summary();
}
