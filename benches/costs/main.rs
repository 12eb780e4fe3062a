//! The README's table of costs: runs the other benchmarks, and prints it as markdown.
//!
//! `cargo bench -p eintr-benches --bench costs`, on a quiet machine. It takes some ten minutes; what the
//! benchmarks say goes to the standard error, the table to the standard output.

use std::process::{Command, Stdio};

const BENCHES: [&str; 6] = ["foundation", "alone", "reach", "deadline", "sync", "echo"];

/// A row of the README's.
struct Row {
    what: &'static str,
    beside: &'static str,
    /// What the rows of the benchmarks end with: where it comes alone, and where it does not.
    alone: Option<&'static str>,
    back_to_back: &'static str,
    /// Of several rows it is the worst.
    worst: fn(f64, f64) -> f64,
}

const fn row(what: &'static str, beside: &'static str, back_to_back: &'static str) -> Row {
    Row { what, beside, alone: None, back_to_back, worst: f64::max }
}

impl Row {
    const fn alone(self, name: &'static str) -> Self {
        Self { alone: Some(name), ..self }
    }

    /// More is better.
    const fn rate(self) -> Self {
        Self { worst: f64::min, ..self }
    }
}

const ROWS: [Row; 25] = [
    row(
        "a checkpoint",
        "a plain thread-local load and branch",
        "checkpoint / thread-local load and branch",
    ),
    row("`io::read` of a ready byte", "`libc::read`", "read of a ready byte / libc::read"),
    row(
        "the same",
        "`poll` with an eventfd, then `read`",
        "read of a ready byte / poll with an eventfd, read",
    ),
    row(
        "the same in a `timeout`",
        "`libc::read`",
        "read of a ready byte in a timeout / libc::read",
    ),
    row(
        "a `timeout` that does not pass",
        "two calls of `timer_settime`",
        "timeout / timer_settime, twice",
    ),
    row(
        "std's pipes, sockets, `accept` in a task that nobody interrupts",
        "the same in no task",
        "by std / the same in no task",
    ),
    row(
        "from request to return of a thread stuck in our `read`, one CPU",
        "`pthread_kill` and EINTR",
        "the same in a task with reach / pthread_kill",
    )
    .alone("own, alone"),
    row(
        "the same [without reach](without_reach)",
        "`pthread_kill` and EINTR",
        "request to return from read / pthread_kill",
    )
    .alone("unreached, alone"),
    row("the same in std's `read`", "`pthread_kill` and EINTR", "from std's read / pthread_kill")
        .alone("std, alone"),
    row("the same in a wait of `sync`", "`pthread_kill` and EINTR", "of a waiter / pthread_kill")
        .alone("sync, alone"),
    row(
        "interrupting 1,000 stuck threads, until all have returned",
        "a loop of `pthread_kill`",
        "interrupting 1000 threads with reach, until all returned / pthread_kill",
    )
    .alone("thousand, alone"),
    row(
        "interrupting 10,000 stuck threads, until all have returned",
        "a loop of `pthread_kill`",
        "interrupting 10000 threads with reach, until all returned / pthread_kill",
    ),
    row(
        "how late a deadline is, in our `read`",
        "a bare timer's signal",
        "lateness, with reach / timer_settime's",
    )
    .alone("deadline, alone"),
    row(
        "the same [without reach](without_reach)",
        "a bare timer's signal",
        "lateness, without reach / timer_settime's",
    ),
    row("an uncontended `sync::Mutex`", "std's", "uncontended lock / std"),
    row("a contended one", "std's", "contended lock / std"),
    row("ping-pong over two `sync` channels", "crossbeam's", "ping-pong / crossbeam"),
    row("many senders to one receiver", "crossbeam's", "many to one / crossbeam"),
    row("the same", "std's", "many to one / std"),
    row(
        "from request to return of a thread that waits in `sync`",
        "a bare futex wake",
        "of a waiter / futex wake",
    ),
    row(
        "requests a second of an echo server, each in a `timeout`, 100 and 1,000 connections",
        "`set_read_timeout`, once a connection",
        "requests a second: eintr / set_read_timeout, once",
    )
    .rate(),
    row(
        "the same by std's calls",
        "`set_read_timeout`, once a connection",
        "requests a second: eintr, std's calls / set_read_timeout, once",
    )
    .rate(),
    row(
        "the same",
        "`poll` with an eventfd",
        "requests a second: eintr, std's calls / poll and an eventfd",
    )
    .rate(),
    row("the same", "tokio", "requests a second: eintr, std's calls / tokio").rate(),
    row(
        "from SIGTERM to the end of that server, 1,000 idle connections",
        "a loop of `pthread_kill`",
        "idle: eintr, std's calls / a loop of pthread_kill",
    ),
];

fn main() {
    let ratios: Vec<_> = BENCHES.into_iter().flat_map(run).collect();
    let ratio = |row: &Row, name: &str| {
        let is_it = |what: &str| what == name || what.ends_with(&format!(" {name}"));
        let matching = ratios.iter().filter(|(what, _)| is_it(what));
        let worst = matching.map(|(_, ratio)| *ratio).reduce(row.worst);
        worst.map_or("?".into(), |ratio| format!("{ratio:.2}"))
    };
    println!("| | beside | alone | back to back |\n|---|---|---|---|");
    for row in &ROWS {
        let alone = row.alone.map_or(String::new(), |name| ratio(row, name));
        println!("| {} | {} | {alone} | {} |", row.what, row.beside, ratio(row, row.back_to_back));
    }
}

/// What a benchmark has measured, and its ratios.
fn run(bench: &str) -> Vec<(String, f64)> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["bench", "--quiet", "--package", "eintr-benches", "--bench", bench]);
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{bench}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    eprintln!("{text}");
    text.lines().filter_map(what_and_ratio).collect()
}

/// Of a row of [`eintr_benches::table`].
fn what_and_ratio(line: &str) -> Option<(String, f64)> {
    let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let what = cells.next()?;
    Some((what.to_owned(), cells.nth(2)?.parse().ok()?))
}
