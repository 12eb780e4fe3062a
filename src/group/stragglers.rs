//! What a group's end leaves to be said.

use std::error::Error;
use std::fmt;

use super::{Panicked, Panics};
use crate::Report;

/// What did not come to a good end when a [`Group`](crate::Group) was
/// [stopped](crate::Group::stop): the members that are still there, and those that have panicked.
///
/// As text it is a table, with a row for each, and below that what else its [`Report`] says.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// let (release, released) = mpsc::channel::<()>();
/// let group = eintr::Group::new();
/// let stubborn = group.spawn(move || released.recv());
/// let stragglers = group.stop(Duration::from_millis(20)).unwrap_err();
/// println!("{stragglers}");
/// // 1 task has not ended
/// //   task    tid   asked       raised  refused  where
/// //   task 2  4242  20.1ms ago  0       0        sleeping in futex
/// assert_eq!(stragglers.reports().len(), 1);
/// release.send(()).unwrap();
/// stubborn.join().unwrap().unwrap();
/// assert!(group.stop(Duration::MAX).is_ok());
/// ```
pub struct Stragglers {
    pub(super) reports: Vec<Report>,
    pub(super) panics: Panics,
}

impl Stragglers {
    /// Where those are that have not ended.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Those that have panicked since the group was stopped last, the first 64 of them.
    pub fn panics(&self) -> &[Panicked] {
        &self.panics.first
    }

    /// How many have panicked in all.
    pub fn panic_count(&self) -> usize {
        self.panics.first.len() + self.panics.more
    }

    fn write_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reports.is_empty() {
            return Ok(());
        }
        let head = ["task", "tid", "asked", "raised", "refused", "where"].map(str::to_owned);
        let rows: Vec<_> = self.reports.iter().map(Report::row).collect();
        let width = |column: usize| {
            let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: [usize; 5] = std::array::from_fn(width);
        let write_row = |f: &mut fmt::Formatter<'_>, row: &[String; 6]| {
            let [padded @ .., last] = row;
            f.write_str("\n  ")?;
            padded.iter().zip(widths).try_for_each(|(cell, width)| write!(f, "{cell:width$}  "))?;
            f.write_str(last)
        };
        write_row(f, &head)?;
        for (report, row) in self.reports.iter().zip(&rows) {
            write_row(f, row)?;
            report.to_string().lines().skip(1).try_for_each(|line| write!(f, "\n  {line}"))?;
        }
        Ok(())
    }

    /// Those that have not ended, to keep.
    pub fn into_reports(self) -> Vec<Report> {
        self.reports
    }
}

impl Report {
    /// As a row of the table.
    fn row(&self) -> [String; 6] {
        let name = self.name.clone().unwrap_or_else(|| format!("task {}", self.task));
        let thread = self.thread.as_deref();
        let tid = thread.map_or_else(|| "-".into(), |thread| thread.tid.to_string());
        let asked = self.pending_for.map_or_else(|| "-".into(), |time| format!("{time:.1?} ago"));
        let place = match thread {
            Some(thread) => thread.to_string(),
            None if self.started => "running".into(),
            None => "not started".into(),
        };
        let place = if self.masked { format!("{place}, masked") } else { place };
        [name, tid, asked, self.raised.to_string(), self.refused.to_string(), place]
    }
}

impl fmt::Display for Stragglers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reports.len(), self.panic_count()) {
            (0, panics) => write!(f, "{} panicked", tasks(panics))?,
            (stuck, 0) => write!(f, "{} not ended", tasks(stuck))?,
            (stuck, panics) => write!(f, "{} not ended, {panics} panicked", tasks(stuck))?,
        }
        self.write_table(f)?;
        self.panics.first.iter().try_for_each(|panicked| write!(f, "\n  {panicked}"))?;
        match self.panics.more {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more panicked"),
        }
    }
}

fn tasks(count: usize) -> String {
    if count == 1 { "1 task has".into() } else { format!("{count} tasks have") }
}

impl fmt::Debug for Stragglers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stragglers")
            .field("reports", &self.reports)
            .field("panics", &self.panics.first)
            .field("panic_count", &self.panic_count())
            .finish()
    }
}

impl Error for Stragglers {}
