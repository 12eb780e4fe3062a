//! Several ways of doing one thing, timed in turns.

use std::time::Duration;

use eintr_benches::table::Table;

/// A way of doing it: its name, and what does it so many times and returns the time taken.
pub struct Way<'a>(pub &'static str, pub &'a dyn Fn(u64) -> Duration);

/// What is chosen, and the results.
pub struct Turns {
    only: Option<String>,
    table: Table,
}

impl Turns {
    pub fn from_args() -> Self {
        let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
        Self { only, table: Table::default() }
    }

    pub fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    pub fn wants(&self, what: &str) -> bool {
        self.only.as_deref().is_none_or(|only| what.contains(only))
    }

    /// Times the ways in turns, so many times each per turn. The first one is ours; each of the
    /// others is a reference, with its limit.
    pub fn take<const N: usize>(
        &mut self,
        what: &str,
        turns: usize,
        times: u64,
        ours: Way<'_>,
        references: [(Way<'_>, Option<f64>); N],
    ) {
        if !self.wants(what) {
            return;
        }
        let per = |way: &Way<'_>| (way.1)(times).as_nanos() as f64 / times as f64;
        let mut own = Vec::new();
        let mut others = [const { Vec::new() }; N];
        // Once to warm up.
        per(&ours);
        references.iter().for_each(|(way, _)| _ = per(way));
        for turn in 0..turns {
            for index in (0..=N).map(|index| (index + turn) % (N + 1)) {
                match index.checked_sub(1) {
                    None => own.push(per(&ours)),
                    Some(index) => others[index].push(per(&references[index].0)),
                }
            }
        }
        for ((way, limit), samples) in references.iter().zip(&others) {
            self.table.times(&format!("{what} / {}", way.0), &own, samples, *limit);
        }
    }
}
