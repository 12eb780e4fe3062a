//! Threads stuck in calls that know nothing of interrupts: what a flag and a signal do for them,
//! and what `eintr` does.
//!
//! ```sh
//! cargo run --release -p eintr-reached
//! cargo run --release -p eintr-reached -- --markdown   # as docs/reached.md has it
//! ```
//!
//! Each cell is measured here and now: a thread makes the call, `/proc` says that it sleeps there,
//! and it is asked to stop,
//!
//! * in the naive column by a flag and one signal whose handler has no SA_RESTART, for code that
//!   looks at the flag whenever the call returns;
//! * in the other by [`eintr::Interrupter::interrupt`], for a managed thread with the same code.
//!
//! The cell says how long the call took to return, or that it was stuck after the limit. Exit
//! status 0 only if the last column has no stuck cell.

mod measure;
mod show;

use std::process::ExitCode;

use eintr::Road;
use eintr_reached::CASES;
use eintr_reached::scene::Case;
use show::Row;

fn main() -> ExitCode {
    let support = eintr::support();
    println!("{support}");
    if support.reach != Road::Exact {
        println!("(plain calls are reached in the second-best way on this machine)");
    }
    println!();

    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    for case in CASES.into_iter().flatten() {
        match both_ways(case) {
            Ok(row) => rows.push(row),
            Err(why) => skipped.push(why),
        }
    }
    if std::env::args().any(|argument| argument == "--markdown") {
        show::markdown(&rows);
    } else {
        show::table(&rows, &skipped);
    }
    ExitCode::from(u8::from(rows.iter().any(|row| !row.eintr.is_as_documented())))
}

fn both_ways(case: &Case) -> Result<Row, String> {
    let naive = measure::naive((case.plain)()?);
    let eintr = measure::eintr((case.managed)()?);
    Ok(Row { call: case.call, by: case.by, naive, eintr })
}
