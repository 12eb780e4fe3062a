//! A process for each case: for tests of what a process has only one of, and for those that must
//! see one die.
//!
//! The test binary runs itself again, with the case's name in the environment: there the case runs,
//! here its end is checked. A case that came to its end says so, so that a misspelt name cannot
//! pass.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use crate::{patience, skipped_under_emulation, watched};

const CASE: &str = "EINTR_CASE";

/// Runs a case, of the same name as its test, in a process of its own, which must survive it.
pub fn alone(name: &str, case: impl FnOnce()) {
    if let Some(output) = run(name, case) {
        assert!(output.status.success() && ended(&output, name), "{}", told(name, &output));
    }
}

/// As [`alone`], and the process must die by that signal before the case has ended.
pub fn dies_by(signal: i32, name: &str, case: impl FnOnce()) {
    if let Some(output) = run(name, case) {
        let died = output.status.signal() == Some(signal);
        assert!(died && !ended(&output, name), "{}", told(name, &output));
    }
}

/// Whether there is Syscall User Dispatch for a case. The case's own process is not asked, where
/// the library is not in use yet: there the answer was yes.
pub fn has_dispatch(name: &str) -> bool {
    is_case(name) || crate::has_dispatch(name)
}

fn is_case(name: &str) -> bool {
    env::var(CASE).is_ok_and(|case| case == name)
}

/// The process's output; none in that process itself, or where it cannot be had.
fn run(name: &str, case: impl FnOnce()) -> Option<Output> {
    if is_case(name) {
        limit_life();
        watched(name, case);
        println!("{}", last_words(name));
        return None;
    }
    let mut command = itself()?;
    command.args(["--exact", name, "--nocapture"]).env(CASE, name).stdin(Stdio::null());
    Some(command.output().expect("the test binary can be run again"))
}

/// For a process whose watchdog may be stuck too, or which has none: the kernel ends it.
pub fn limit_life() {
    // SAFETY: no pointers.
    unsafe { libc::alarm(patience().as_secs() as u32 * 3 / 2) };
}

/// This program, to be run again. The kernel does not know how to run another machine's: the runner
/// of the target does.
pub fn itself() -> Option<Command> {
    let program = fs::canonicalize(env::current_exe().unwrap()).unwrap();
    let target = env::consts::ARCH.to_uppercase();
    let runner = env::var(format!("CARGO_TARGET_{target}_UNKNOWN_LINUX_GNU_RUNNER"));
    let Ok(runner) = runner else {
        let skipped = skipped_under_emulation("a process of its own", "no runner is named");
        return (!skipped).then(|| Command::new(program));
    };
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().expect("the runner has a name"));
    command.args(words).arg(program);
    Some(command)
}

fn last_words(name: &str) -> String {
    format!("case {name} has ended")
}

fn ended(output: &Output, name: &str) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(&last_words(name))
}

fn told(name: &str, output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{name}: {}\n{out}\n{err}", output.status)
}
