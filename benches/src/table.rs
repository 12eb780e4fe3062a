//! The table at the end.

use std::fmt;

use crate::contest;

/// Aligned rows: what, ours, the reference, their ratio, its limit. Ours and the reference are
/// medians, and so is the ratio, of the ratios within a turn: it need not be theirs.
#[derive(Default)]
pub struct Table(Vec<[String; 5]>);

impl Table {
    /// Two times that were taken in turns.
    pub fn times(&mut self, what: &str, ours: &[f64], reference: &[f64], limit: Option<f64>) {
        let ratio = contest::ratio(ours, reference);
        let [ours, reference] = [ours, reference].map(contest::median);
        self.row(
            what,
            [time(ours), time(reference), format!("{ratio:.3}")],
            limit.map(|limit| (format!("{limit}"), ratio > limit)),
        );
    }

    /// As [`times`](Self::times), told as how many there are a second.
    pub fn rates(&mut self, what: &str, ours: &[f64], reference: &[f64], at_least: Option<f64>) {
        let ratio = contest::ratio(reference, ours);
        let [ours, reference] = [ours, reference].map(|times| 1e9 / contest::median(times));
        let cells = [format!("{ours:.0}"), format!("{reference:.0}"), format!("{ratio:.3}")];
        self.row(what, cells, at_least.map(|limit| (format!("{limit}"), ratio < limit)));
    }

    /// A count of things, whose reference is none of them.
    pub fn count(&mut self, what: &str, ours: usize, unit: &str, limit: Option<usize>) {
        let amount = |count| format!("{count} {unit}").trim_end().to_owned();
        let limit = limit.map(|limit| (amount(limit), ours > limit));
        self.row(what, [amount(ours), String::new(), String::new()], limit);
    }

    fn row(&mut self, what: &str, cells: [String; 3], limit: Option<(String, bool)>) {
        let limit = match limit {
            Some((limit, true)) => format!("{limit}  missed"),
            Some((limit, false)) => format!("{limit}        "),
            None => String::new(),
        };
        let [ours, reference, ratio] = cells;
        self.0.push([what.to_owned(), ours, reference, ratio, limit]);
    }
}

/// A time in the unit that suits it.
fn time(nanoseconds: f64) -> String {
    let units = [(1e9, "s "), (1e6, "ms"), (1e3, "us"), (0.0, "ns")];
    let fits = units.into_iter().find(|(size, _)| nanoseconds >= *size);
    let (size, unit) = fits.unwrap_or((0.0, "ns"));
    format!("{:.2} {unit}", nanoseconds / if size > 0.0 { size } else { 1.0 })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "ours", "reference", "ratio", "limit        "].map(str::to_owned);
        let width = |column: usize| {
            let rows = self.0.iter().chain([&head]);
            rows.map(|row| row[column].len()).max().unwrap_or(0)
        };
        let widths = [0, 1, 2, 3, 4].map(width);
        for [what, ours, reference, ratio, limit] in [&head].into_iter().chain(&self.0) {
            let line = format!(
                "{what:0$}  {ours:>1$}  {reference:>2$}  {ratio:>3$}  {limit:>4$}",
                widths[0], widths[1], widths[2], widths[3], widths[4]
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
