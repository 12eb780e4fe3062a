//! Reports as data: the names that programs rely on, and what stands under them.

use eintr::sync::{Mutex, RwLock};
use serde_json::{Value, json};
use test_support::child::alone;
use test_support::target::{own_read, pipe, target};
use test_support::{gettid, skipped_under_emulation, wait_until};

const FIELDS: [&str; 29] = [
    "age",
    "blocks_signal",
    "cure",
    "fd",
    "finished",
    "handler_replaced",
    "held_by",
    "last_raised",
    "made_at",
    "masked",
    "name",
    "pending_for",
    "processor_time",
    "raised",
    "reason",
    "refused",
    "remaining",
    "retries",
    "retrying_for",
    "stack",
    "started",
    "state",
    "syscall",
    "task",
    "task_age",
    "thread",
    "tid",
    "waits_on",
    "wchan",
];

fn fields(report: &Value) -> Vec<&str> {
    let mut fields: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    fields
}

#[test]
fn every_report_has_the_same_fields() {
    alone(|| {
        let (reader, writer) = pipe();
        let stuck = target(move || eintr::mask(|| own_read(reader))).blocked_in(libc::SYS_read);
        let (unrun, waiting) = eintr::task();
        stuck.thread.interrupter().interrupt_with("a \"reason\"\n");
        let dump = serde_json::to_value(eintr::dump()).unwrap();
        let mut names: Vec<_> = dump.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["deadlocks", "process", "program", "reports", "time", "version"]);
        let reports = dump["reports"].as_array().unwrap();
        assert!(reports.iter().all(|report| fields(report) == FIELDS), "{reports:?}");
        let not_started = serde_json::to_value(waiting.report()).unwrap();
        assert_eq!(fields(&not_started), FIELDS);
        assert!(not_started["tid"].is_null() && not_started["started"] == json!(false));

        let told = reports.iter().find(|report| report["tid"] == json!(stuck.tid)).unwrap();
        assert_eq!(told["task"], json!(stuck.thread.interrupter().id()));
        assert_eq!(told["reason"], json!("interrupted: a \"reason\"\n"));
        assert!(told["pending_for"].is_f64() && told["masked"] == json!(true), "{told}");
        assert!(told["task_age"].is_f64() && told["age"].is_f64(), "{told}");
        let own = reports.iter().find(|report| report["tid"] == json!(gettid())).unwrap();
        assert!(own["task"].is_null() && own["state"] == json!("running"), "{own}");
        // A line each.
        let line = serde_json::to_string(&waiting.report()).unwrap();
        assert!(!line.contains('\n'));
        drop((writer, unrun));
        let _ = stuck.result();
    });
}

/// The table that stands with `Report`.
#[test]
fn every_field_is_documented() {
    let source = include_str!("../../src/report/task.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("/// | `")?.split(" | ").next());
    let names = rows.flat_map(|row| row.split(", ")).map(|name| name.trim_matches('`'));
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    assert_eq!(names, FIELDS);
}

#[test]
fn a_holder_and_a_stack_are_objects() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        let lock = std::sync::Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        let wanted = lock.clone();
        let stuck = target(move || drop(wanted.lock())).blocked_in(libc::SYS_futex);
        let mut told = Value::Null;
        wait_until("all is told", || {
            let dump = serde_json::to_value(eintr::dump()).unwrap();
            let mut reports = dump["reports"].as_array().unwrap().iter();
            told = reports.find(|report| report["tid"] == json!(stuck.tid)).unwrap().clone();
            let is_held = told["held_by"]["thread"] == json!(gettid());
            is_held && (!cfg!(feature = "stacks") || told["stack"][0]["address"].is_u64())
        });
        assert_eq!(fields(&told["held_by"]), ["name", "thread"]);
        assert!(told["held_by"]["name"].is_string(), "{told}");
        assert_eq!(told["state"], json!("sleeping"));
        if cfg!(feature = "stacks") {
            let frame = ["address", "function", "location", "module", "offset"];
            assert_eq!(fields(&told["stack"][0]), frame);
        }
        drop(held);
        stuck.result();

        let lock = std::sync::Arc::new(RwLock::new(()));
        let held = lock.read().unwrap();
        let wanted = lock.clone();
        let stuck = target(move || drop(wanted.write())).blocked_in(libc::SYS_futex);
        let report = serde_json::to_value(stuck.thread.interrupter().report()).unwrap();
        assert_eq!(report["held_by"], json!({ "readers": 1, "name": null }));
        drop(held);
        stuck.result();

        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let stuck = target(move || child.wait().is_ok()).blocked_in(libc::SYS_wait4);
        let report = serde_json::to_value(stuck.thread.interrupter().report()).unwrap();
        assert_eq!(report["held_by"], json!({ "process": pid, "name": "sleep" }));
        // SAFETY: no pointers; the child is not reaped before this.
        unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
        assert!(stuck.result());
    });
}
