//! The table, for a person.

use std::io::IsTerminal;

use eintr_reached::scene::By;

use crate::measure::Cell;

/// One call, made in both ways.
pub struct Row {
    pub call: &'static str,
    pub by: By,
    pub naive: Cell,
    pub eintr: Cell,
}

const HEADINGS: [&str; 5] = ["call", "made by", "a flag and a signal", "eintr", "which returned"];

const GREEN: &str = "32";
const RED: &str = "31";

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Returned { after, .. } => format!("{:.1} us", after.as_secs_f64() * 1e6),
        Cell::Stuck { after } => format!("stuck after {after:?}"),
        Cell::NeverBlocked => "never blocked".into(),
    }
}

fn colour(cell: &Cell) -> &'static str {
    if cell.is_as_documented() { GREEN } else { RED }
}

fn cells(row: &Row) -> [String; 5] {
    let with = match &row.eintr {
        Cell::Returned { with, documented: true, .. } => with.clone(),
        Cell::Returned { with, .. } => format!("NOT AS DOCUMENTED: {with}"),
        _ => String::new(),
    };
    [row.call.into(), row.by.name().into(), text(&row.naive), text(&row.eintr), with]
}

/// The table as docs/reached.md has it.
pub fn markdown(rows: &[Row]) {
    println!("| {} |", HEADINGS.join(" | "));
    println!("|{}", "---|".repeat(HEADINGS.len()));
    rows.iter().for_each(|row| println!("| {} |", cells(row).join(" | ")));
}

/// An aligned table; in colour on a terminal.
pub fn table(rows: &[Row], skipped: &[String]) {
    let in_colour = std::io::stdout().is_terminal();
    let paint = |colour: &str, text: String| match in_colour {
        true => format!("\x1b[{colour}m{text}\x1b[0m"),
        false => text,
    };
    let lines: Vec<_> = rows.iter().map(cells).collect();
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let longest = lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        longest.max(HEADINGS[column].len())
    });
    let pad = |column: usize, text: &str| match column {
        2 | 3 => format!("{text:>width$}", width = widths[column]),
        4 => text.to_owned(),
        _ => format!("{text:<width$}", width = widths[column]),
    };

    let headings: [_; 5] = std::array::from_fn(|i| pad(i, HEADINGS[i]));
    println!("{}", paint("1", headings.join("  ")));
    for (row, line) in rows.iter().zip(&lines) {
        let mut padded: [_; 5] = std::array::from_fn(|i| pad(i, &line[i]));
        for (column, cell) in [(2, &row.naive), (3, &row.eintr)] {
            padded[column] = paint(colour(cell), std::mem::take(&mut padded[column]));
        }
        println!("{}", padded.join("  ").trim_end());
    }
    for why in skipped {
        println!("{}", paint("33", format!("skipped: {why}")));
    }
    let stuck =
        |of: fn(&Row) -> &Cell| rows.iter().filter(|row| !of(row).is_as_documented()).count();
    println!(
        "\nof {} calls {} stay stuck with a flag and a signal, {} with eintr",
        rows.len(),
        stuck(|row| &row.naive),
        stuck(|row| &row.eintr),
    );
}
