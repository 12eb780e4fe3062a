//! Each of our calls is documented by the same plan: an example, its errors, what holds after an
//! interrupt, and where the system's own documentation is.
//!
//! The test reads the sources. That the examples work is for rustdoc.

use test_support::public;

/// What a call's documentation must have; the errors only if it can fail.
fn missing(call: &public::Call) -> Vec<&'static str> {
    let can_fail = call.signature.contains("Result<");
    let plan = [
        (true, "# Examples\n"),
        (true, "\n ```\n"),
        (can_fail, "# Errors\n"),
        (true, "# Interruption\n"),
        (true, "](https://man7.org/linux/man-pages/man"),
    ];
    let is_missing = |(needed, what): &(bool, &str)| *needed && !call.docs.contains(what);
    plan.into_iter().filter(is_missing).map(|(_, what)| what).collect()
}

#[test]
fn every_call_is_documented_by_the_plan() {
    let calls = public::calls();
    let incomplete: Vec<_> = calls
        .iter()
        .map(|call| (&call.name, missing(call)))
        .filter(|(_, missing)| !missing.is_empty())
        .collect();
    assert!(incomplete.is_empty(), "{incomplete:#?}");
}

/// Enums may grow without breaking who matches on them.
#[test]
fn every_public_enum_is_non_exhaustive() {
    let mut closed = Vec::new();
    public::each_source(|path, text| {
        let mut attributes = Vec::new();
        for line in text.lines() {
            if line.starts_with("#[") {
                attributes.push(line);
                continue;
            }
            let is_closed = !attributes.contains(&"#[non_exhaustive]");
            if let Some(name) = line.strip_prefix("pub enum ").filter(|_| is_closed) {
                closed.push(format!("{}: {name}", path.display()));
            }
            attributes.clear();
        }
    });
    assert!(closed.is_empty(), "{closed:#?}");
}
