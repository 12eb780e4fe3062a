//! Runs each neighbour four times, in a process of its own each, and prints a table: without us,
//! with us idle, with a thread asked, with requests every millisecond.
//!
//!     cargo run --release -p eintr-company --features allocators -- [--whole] [--markdown] [NAME...]
//!
//! Only a difference to the run without us fails, and only if `neighbours.rs` does not list it as a
//! limit. A limit that is not found fails as well, so that the list stays true, unless it is a race.

use std::process::ExitCode;
use std::time::Duration;

use eintr_company::Mode;

mod build;
mod neighbours;
mod run;

use neighbours::{NEIGHBOURS, Neighbour, Shows};
use run::Outcome;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, names): (Vec<_>, Vec<_>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    for option in &options {
        assert!(["--whole", "--markdown"].contains(option), "no such option: {option}");
    }
    for name in &names {
        assert!(NEIGHBOURS.iter().any(|each| each.name == *name), "no such neighbour: {name}");
    }
    let time = Duration::from_millis(if options.contains(&"--whole") { 2000 } else { 500 });
    let mut report = Report { markdown: options.contains(&"--markdown"), ..Report::default() };

    let built = build::all();
    report.head();
    for neighbour in NEIGHBOURS {
        if names.is_empty() || names.contains(&neighbour.name) {
            match built.command(neighbour) {
                Ok(command) => report.row(neighbour, |mode| {
                    let patience = if neighbour.limit_of(mode).is_some() { 8 } else { 30 };
                    run::run(&command, mode, time, Duration::from_secs(patience))
                }),
                Err(why) => report.skipped(neighbour, &why),
            }
        }
    }
    report.end()
}

/// The table as it grows, and what is to be told below it.
#[derive(Default)]
struct Report {
    markdown: bool,
    limits: Vec<&'static str>,
    skipped: Vec<String>,
    failures: Vec<String>,
}

impl Report {
    fn head(&self) {
        self.line("neighbour", &Mode::ALL.map(|mode| mode.to_string()));
        if self.markdown {
            println!("|---|---|---|---|---|");
        }
    }

    fn line(&self, name: &str, cells: &[String]) {
        if self.markdown {
            println!("| {name} | {} |", cells.join(" | "));
        } else {
            let cells: String = cells.iter().map(|cell| format!("{cell:24}")).collect();
            println!("{name:36}{}", cells.trim_end());
        }
    }

    fn row(&mut self, neighbour: &Neighbour, run: impl Fn(Mode) -> (Outcome, String)) {
        let (without, told) = run(Mode::Without);
        if without != Outcome::Right {
            return self.skipped(neighbour, &format!("without us: {without}\n{told}"));
        }
        let mut cells = vec![without.to_string()];
        for mode in [Mode::Idle, Mode::Asked, Mode::Storm] {
            let (outcome, told) = run(mode);
            let limit = neighbour.limit_of(mode);
            let is_right = outcome == Outcome::Right;
            cells.push(match limit {
                Some(limit) if !is_right || limit.shows == Shows::InSome => {
                    format!("{outcome} [{}]", self.number(limit.why))
                }
                None if is_right => outcome.to_string(),
                _ => {
                    let why = if is_right { "is listed as a limit, and is right" } else { &told };
                    self.failures.push(format!("{}, {mode}: {outcome}: {why}", neighbour.name));
                    format!("{outcome} (!)")
                }
            });
        }
        self.line(neighbour.name, &cells);
    }

    /// Which note tells that reason.
    fn number(&mut self, why: &'static str) -> usize {
        let known = self.limits.iter().position(|limit| *limit == why);
        known.unwrap_or_else(|| {
            self.limits.push(why);
            self.limits.len() - 1
        }) + 1
    }

    fn skipped(&mut self, neighbour: &Neighbour, why: &str) {
        self.line(neighbour.name, &["skipped".into()]);
        self.skipped.push(format!("skipped: {}: {why}", neighbour.name));
    }

    fn end(self) -> ExitCode {
        println!();
        for (index, limit) in self.limits.iter().enumerate() {
            println!("{}. {limit}", index + 1);
        }
        for told in self.skipped.iter().chain(&self.failures) {
            eprintln!("{told}");
        }
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
