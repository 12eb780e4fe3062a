//! What there is to do: one file for each kind of object, with its rows.

use std::fmt;

use crate::operation::{Call, Whose};
use crate::seed::Random;
use crate::worker::{Stop, Worker};

pub mod children;
pub mod connections;
pub mod counters;
pub mod fifo;
pub mod file_locks;
pub mod futexes;
pub mod queues;
pub mod readiness;
pub mod rings;
pub mod signals;
pub mod streams;
pub mod task;
pub mod time;
pub mod watches;

pub type Done = Result<(), Stop>;

/// One operation.
pub struct Row {
    pub name: &'static str,
    /// Whose calls of it an interrupt ends.
    pub ended: &'static [Whose],
    /// Whose calls of it go on.
    pub others: &'static [Whose],
    pub run: fn(&Worker, &Call) -> Done,
}

impl Row {
    pub fn whose(&self) -> impl Iterator<Item = Whose> {
        self.ended.iter().chain(self.others).copied()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn row(
    name: &'static str,
    ended: &'static [Whose],
    others: &'static [Whose],
    run: fn(&Worker, &Call) -> Done,
) -> Row {
    Row { name, ended, others, run }
}

pub static TABLES: [&[Row]; 14] = [
    children::ROWS,
    connections::ROWS,
    counters::ROWS,
    fifo::ROWS,
    file_locks::ROWS,
    futexes::ROWS,
    queues::ROWS,
    readiness::ROWS,
    rings::ROWS,
    signals::ROWS,
    streams::ROWS,
    task::ROWS,
    time::ROWS,
    watches::ROWS,
];

pub fn all() -> impl Iterator<Item = &'static Row> {
    TABLES.into_iter().flatten()
}

pub fn row_count() -> usize {
    all().count()
}

/// One of them all.
pub fn drawn(random: &mut Random) -> &'static Row {
    all().nth(random.below(row_count() as u64) as usize).expect("it is counted")
}
