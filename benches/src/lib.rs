//! What the benchmarks share: ways of doing a thing that are timed in turns, one CPU for them, the
//! table at the end.

pub mod contest;
pub mod cpu;
pub mod table;

use criterion::Criterion;
use table::Table;

/// A benchmark's whole run: what criterion times, what is measured without it, the table.
pub fn run(timed: &[fn(&mut Criterion, &mut Table)], measured: &[fn(&mut Table)]) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut table = Table::default();
    for bench in timed {
        bench(&mut criterion, &mut table);
    }
    if !std::env::args().any(|argument| argument == "--list") {
        measured.iter().for_each(|measure| measure(&mut table));
        print!("\n{table}");
    }
    criterion.final_summary();
}
