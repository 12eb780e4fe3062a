//! What the foundation costs, beside what the same costs without us.
//!
//! A figure alone says more about the machine than about the code, so everything here is a ratio:
//! each way of doing a thing runs in turns with the others, in one process, a fraction of a
//! millisecond to each (see [`contest`]). The table at the end has the ratios and their limits. A
//! benchmark is no test: a ratio above its limit is marked, and fails nothing.
//!
//! `cargo bench --bench foundation` runs all; a name after `--` chooses, as criterion does.

mod call;
mod checkpoint;
mod contest;
mod cpu;
mod many;
mod memory;
mod stuck;
mod table;
mod wakeup;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut table = table::Table::default();
    checkpoint::bench(&mut criterion, &mut table);
    call::bench(&mut criterion, &mut table);
    wakeup::bench(&mut criterion, &mut table);
    many::bench(&mut criterion, &mut table);
    if !std::env::args().any(|argument| argument == "--list") {
        memory::measure(&mut table);
        print!("\n{table}");
    }
    criterion.final_summary();
}
