//! Each of our calls is documented by the same plan: an example, its errors, what holds after an
//! interrupt, and where the system's own documentation is.
//!
//! The test reads the sources. That the examples work is for rustdoc.

use std::fs;
use std::path::Path;

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

/// Rust's alone: C has these as reads of its own, by std's types, or has other ways for what takes several
/// steps.
const NOT_IN_C: &[&str] = &[
    "event::eventfd_read",
    "event::inotify_read",
    "event::io_uring_wait",
    "event::timerfd_read",
    "fs::ofd_lock",
    "fs::ofd_unlock",
    "fs::unlock",
    "io::copy",
    "io::read_exact",
    "io::write_all",
    "net::recv_from",
    "net::send_to",
    "net::tcp_connect",
    "net::unix_connect",
    "net::unix_connect_addr",
    "process::exec",
    "process::output",
    "process::status",
    "sync::futex_wait",
    "sync::futex_wake",
    "time::sleep",
    "time::sleep_until",
];

/// What never waits on what a test can make: a file, the kernel's random bytes, a pty that is drained.
const DOES_NOT_WAIT: &[&str] =
    &["io::copy_file_range", "io::getrandom", "io::pread", "io::pwrite", "terminal::tcdrain"];

/// Without a row of the window's: the way to the syscall is another call's, or there are several.
const IN_ANOTHERS_WINDOW: &[&str] = &[
    "event::eventfd_read",
    "event::inotify_read",
    "event::io_uring_wait",
    "event::sigsuspend",
    "event::sigwaitinfo",
    "event::timerfd_read",
    "fs::ofd_unlock",
    "io::copy",
    "io::readv",
    "io::write_all",
    "net::recv_from",
    "net::send_to",
    "net::tcp_connect",
    "net::unix_connect",
    "net::unix_connect_addr",
    "process::exec",
    "process::output",
    "process::status",
    "time::sleep_until",
];

/// Whether a function is named there, by itself or in a call: no method, and no part of another name.
fn is_in(text: &str, name: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || char == '_';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) =
            (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
        let ends =
            after.is_some_and(|char| if name.contains(':') { !is_part(char) } else { char == '(' });
        ends && before.is_none_or(|char| !is_part(char) && char != '.')
    })
}

/// With the descriptors' table in `tests/calls/bad_input.rs` and the points' in `tests/calls/points`, which read the sources
/// too, this is what a new call needs beside itself.
#[test]
fn every_call_has_its_window_and_its_c() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let rows = fs::read_dir(root.join("tests/window/rows")).unwrap().flatten();
    let window: String = rows.map(|row| fs::read_to_string(row.path()).unwrap()).collect();
    let [header, points] = ["include/eintr.h", "tests/c/points.c"].map(read);
    for call in public::calls() {
        let name = call.name.as_str();
        let alone = name.rsplit(':').next().unwrap();
        let is_called = is_in(&window, name) || is_in(&window, alone);
        let in_c = |text: &str| is_in(text, &format!("eintr_{alone}"));
        let needs = |there: bool, without: &[&[&str]], what: &str| {
            let is_listed = without.concat().contains(&name);
            assert!(there != is_listed, "{name}: {what}, and listed as without: {is_listed}");
        };
        needs(is_called, &[IN_ANOTHERS_WINDOW, DOES_NOT_WAIT], "a row of the window's");
        if !NOT_IN_C.contains(&name) {
            assert!(in_c(&header), "{name}: the header has it");
            needs(in_c(&points), &[DOES_NOT_WAIT], "a point in C");
        }
    }
}
