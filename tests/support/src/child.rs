//! A process for each case: for tests of what a process has only one of, and for those that must
//! see one die.
//!
//! The test binary runs itself again, with the case's name in the environment: there the case runs,
//! here its end is checked. A case that came to its end says so: one that was not run cannot pass.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::{env, fs, thread};

use crate::{patience, skipped_under_emulation, watched};

const CASE: &str = "EINTR_CASE";

/// Runs a test's case in a process of its own, which must survive it.
pub fn alone(case: impl FnOnce()) {
    if let Some(output) = run(case) {
        assert!(output.status.success() && ended(&output), "{}", told(&output));
    }
}

/// As [`alone`], where there is Syscall User Dispatch.
pub fn alone_with_dispatch(case: impl FnOnce()) {
    if has_dispatch() {
        alone(case);
    }
}

/// As [`alone`], and the process must die by that signal before the case has ended.
pub fn dies_by(signal: i32, case: impl FnOnce()) {
    if let Some(output) = run(case) {
        let died = output.status.signal() == Some(signal);
        assert!(died && !ended(&output), "{}", told(&output));
    }
}

/// Whether there is Syscall User Dispatch for a case. The case's own process is not asked, where
/// the library is not in use yet: there the answer was yes.
pub fn has_dispatch() -> bool {
    is_case() || crate::has_dispatch(&test())
}

/// The test that runs on this thread: the harness names the thread so.
pub fn test() -> String {
    thread::current().name().expect("a test's own thread").to_owned()
}

fn is_case() -> bool {
    env::var(CASE).is_ok_and(|case| case == test())
}

/// The process's output; none in that process itself, or where it cannot be had.
fn run(case: impl FnOnce()) -> Option<Output> {
    if is_case() {
        limit_life();
        watched(&test(), case);
        println!("{}", last_words());
        return None;
    }
    let output = this_test()?.env(CASE, test()).output();
    Some(output.expect("the test binary can be run again"))
}

/// This test, to be run again.
pub fn this_test() -> Option<Command> {
    let mut command = itself()?;
    command.args(["--exact", &test(), "--nocapture"]).stdin(Stdio::null());
    Some(command)
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

fn last_words() -> String {
    format!("case {} has ended", test())
}

fn ended(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(&last_words())
}

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{}: {}\n{out}\n{err}", test(), output.status)
}
