//! Tests that own a process: the test binary starts itself again, for that one test.

use std::env;
use std::process::{Command, ExitStatus};

use crate::watched;

const ALONE: &str = "EINTR_ALONE";

/// Runs the test's body in a child process, which must end well; in the parent only that is looked
/// at.
pub fn alone(name: &str, body: impl FnOnce()) {
    ends_alone(name, body, |status, output| {
        // A name that is no test's would end well, too.
        assert!(status.success() && output.contains("1 passed"), "{status}\n{output}");
    });
}

/// The same, where the child's end is for `check` to judge.
pub fn ends_alone(name: &str, body: impl FnOnce(), check: impl FnOnce(ExitStatus, &str)) {
    if env::var_os(ALONE).is_some() {
        return watched(name, body);
    }
    if eintr::support().reach != eintr::Road::Exact {
        eprintln!("skipped: {name}: no Syscall User Dispatch here");
        return;
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    check(child.status, &output);
}
