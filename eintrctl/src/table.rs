//! The list of threads, as ps(1) has it.

use serde_json::Value;

use crate::plain;

const HEADINGS: [&str; COLUMNS] =
    ["ID", "NAME", "TID", "STATE", "CALL", "AGE", "CPU", "PENDING", "WAITS ON"];
const COLUMNS: usize = 9;

/// What is asked for by `list`: the table, and who waits for whom in a circle.
pub fn list(dump: &Value) -> Vec<String> {
    let cycles = dump["deadlocks"].as_array().into_iter().flatten().filter_map(Value::as_array);
    let told = cycles.map(|tids| {
        let tids: Vec<_> = tids.iter().chain(tids.first()).map(Value::to_string).collect();
        format!("deadlock: {}", tids.join(" waits for "))
    });
    table(crate::reports(&dump["reports"])).into_iter().chain(told).collect()
}

/// Whose threads they are, and how many.
pub fn header(dump: &Value) -> String {
    let reports = crate::reports(&dump["reports"]);
    let count = |field| reports.iter().filter(|report| !report[field].is_null()).count();
    let program = plain(dump["program"].as_str().unwrap_or_default());
    let [threads, tasks, asked] = ["tid", "task", "pending_for"].map(count);
    format!(
        "process {} ({program}): {threads} threads, {tasks} tasks, {asked} asked",
        dump["process"]
    )
}

/// The table, a line each.
pub fn table(reports: &[Value]) -> Vec<String> {
    let rows: Vec<_> = reports.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADINGS[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; COLUMNS - 1] = std::array::from_fn(width);
    let line = |cells: &[String; COLUMNS]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        padded.collect::<String>() + &cells[COLUMNS - 1]
    };
    let headings = HEADINGS.map(str::to_owned);
    std::iter::once(&headings).chain(&rows).map(line).collect()
}

fn row(report: &Value) -> [String; COLUMNS] {
    let text = |field: &str| match &report[field] {
        Value::String(text) => plain(text),
        Value::Number(number) => number.to_string(),
        _ => "-".into(),
    };
    let name = match (&report["name"], &report["task"]) {
        (Value::Null, Value::Null) => text("thread"),
        (Value::Null, _) => format!("unnamed ({})", text("thread")),
        _ => text("name"),
    };
    let age = if report["task_age"].is_null() { "age" } else { "task_age" };
    let holder = &report["held_by"];
    let held_by = ["thread", "process"].into_iter().find_map(|what| {
        let name = plain(holder["name"].as_str()?);
        Some(format!("held by {what} {} ({name})", holder[what].as_u64()?))
    });
    let readers = holder["readers"].as_u64().map(|count| format!("held by {count} readers"));
    let held_by = held_by.or(readers);
    let waits_on = match (text("waits_on"), held_by) {
        (what, None) => what,
        (what, Some(holder)) if what == "-" => holder,
        (what, Some(holder)) => format!("{what}, {holder}"),
    };
    let [age, used, pending] = [age, "processor_time", "pending_for"]
        .map(|field| report[field].as_f64().map_or("-".into(), time));
    let [id, tid, state, call] = ["task", "tid", "state", "syscall"].map(text);
    [id, name, tid, state, call, age, used, pending, waits_on]
}

/// A length of time in its greatest unit.
fn time(seconds: f64) -> String {
    let units = [(86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s")];
    let unit = units.into_iter().find(|(length, _)| seconds >= *length);
    unit.map_or_else(
        || format!("{:.0}ms", seconds * 1e3),
        |(length, unit)| format!("{:.0}{unit}", (seconds / length).floor()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_shows_what_is_known() {
        let told = json!({ "task": 7, "name": "a\u{1b}b", "tid": 12, "state": "sleeping", "syscall": "futex",
            "task_age": 7300.5, "processor_time": 61.5, "pending_for": 0.25, "held_by": { "thread": 13, "name": "other" } });
        let plain =
            json!({ "task": null, "name": null, "thread": "main", "tid": 11, "age": 90000.0 });
        let table = table(&[told, plain]);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            words(&table[1]),
            words("7 a\\u{1b}b 12 sleeping futex 2h 1m 250ms held by thread 13 (other)")
        );
        assert_eq!(words(&table[2]), words("- main 11 - - 1d - - -"));
        assert!(table[0].starts_with("ID  NAME "));
    }

    #[test]
    fn a_list_ends_with_who_waits_for_whom() {
        let [one, other] = [4243, 4244].map(|tid| json!({ "task": tid, "tid": tid }));
        let dump = json!({ "process": 4242, "program": "a\u{1b}b", "deadlocks": [[4243, 4244]],
            "reports": [one, other, { "tid": 4242, "task": null, "pending_for": null }] });
        let deadlock = "deadlock: 4243 waits for 4244 waits for 4243";
        assert_eq!(list(&dump).last().map(String::as_str), Some(deadlock));
        assert_eq!(header(&dump), "process 4242 (a\\u{1b}b): 3 threads, 2 tasks, 0 asked");
    }
}
