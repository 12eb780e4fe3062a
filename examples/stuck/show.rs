//! The rows, for a person and for a program.

use std::io::IsTerminal;
use std::time::Duration;

/// What became of one call.
pub struct Row {
    pub call: &'static str,
    /// Where the kernel saw its thread.
    pub state: String,
    /// From the request to the call's return.
    pub took: Option<Duration>,
    /// What the call returned.
    pub error: String,
    /// What was checked afterwards.
    pub intact: String,
    pub passed: bool,
}

impl Row {
    pub fn failed(call: &'static str, why: String) -> Self {
        let [error, intact] = [String::new(), String::new()];
        Self { call, state: why, took: None, error, intact, passed: false }
    }

    fn took(&self) -> String {
        self.took.map_or_else(|| "-".into(), |took| format!("{:.1} us", took.as_secs_f64() * 1e6))
    }

    fn cells(&self) -> [String; 5] {
        let [state, error, intact] = [&self.state, &self.error, &self.intact].map(String::clone);
        [self.call.to_owned(), state, self.took(), error, intact]
    }
}

const HEADINGS: [&str; 5] = ["call", "stuck", "back after", "with", "intact"];

/// An aligned table; in colour on a terminal.
pub fn table(rows: &[Row], skipped: &[String]) {
    let colour = std::io::stdout().is_terminal();
    let paint = |code: &str, text: String| match colour {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text,
    };
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let width = |column: usize| {
        let longest = cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        longest.max(HEADINGS[column].len())
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |cells: &[String; 5]| {
        let pad = |(i, cell): (usize, &String)| match i {
            2 => format!("{cell:>width$}", width = widths[i]),
            _ => format!("{cell:<width$}", width = widths[i]),
        };
        cells.iter().enumerate().map(pad).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    println!("{}", paint("1", line(&HEADINGS.map(str::to_owned))));
    for (row, cells) in rows.iter().zip(&cells) {
        println!("{}", paint(if row.passed { "32" } else { "31" }, line(cells)));
    }
    for why in skipped {
        println!("{}", paint("33", format!("skipped: {why}")));
    }
    let passed = rows.iter().filter(|row| row.passed).count();
    println!("\n{passed} of {} calls came back with everything intact", rows.len());
}

/// The same rows as a JSON array.
pub fn json(rows: &[Row]) {
    let objects: Vec<String> = rows.iter().map(object).collect();
    println!("[\n{}\n]", objects.join(",\n"));
}

fn object(row: &Row) -> String {
    let took = row.took.map_or("null".to_owned(), |took| took.as_nanos().to_string());
    format!(
        r#"  {{"call": {}, "stuck": {}, "nanoseconds": {took}, "error": {}, "intact": {}, "passed": {}}}"#,
        quoted(row.call),
        quoted(&row.state),
        quoted(&row.error),
        quoted(&row.intact),
        row.passed,
    )
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(control)))
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}
