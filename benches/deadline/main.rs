//! What a deadline costs if it does not pass, and how late it is if it does.
//!
//! Everything here is a ratio to the same thing without us, timed in turns in one process (see
//! [`contest`]), with its limit in the table at the end. A benchmark is no test: a ratio above its
//! limit is marked, and fails nothing.
//!
//! `cargo bench --bench deadline` runs all; a name after `--` chooses, as criterion does.

#[path = "../foundation/contest.rs"]
mod contest;
mod idle;
mod late;
#[path = "../foundation/table.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod table;
mod timer;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut table = table::Table::default();
    idle::bench(&mut criterion, &mut table);
    late::bench(&mut criterion, &mut table);
    if !std::env::args().any(|argument| argument == "--list") {
        print!("\n{table}");
    }
    criterion.final_summary();
}
