//! A thread of this process as the kernel shows it under `/proc`.

use std::fs;
use std::time::Duration;

use super::call::Call;
use super::thread::{ThreadReport, ThreadState};
use super::{held_by, waits_on};
use crate::kernel::{clock, raw};
use crate::signal::ours;

/// Looks at a thread; none if there is no such thread (or no `/proc`).
pub(super) fn look(tid: i32) -> Option<ThreadReport> {
    let status = file(tid, "status")?;
    let field = |key: &str| {
        status.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
    };
    let blocked = field("SigBlk").and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0);
    let ours = ours::set();
    let line = line_of(tid);
    let call = line.as_deref().and_then(call);
    let waits_on = call.as_ref().map_or_else(Default::default, |call| waits_on::look(tid, call));
    let held_by = call.as_ref().and_then(|call| held_by::look(tid, call));
    let [age, processor_time] = times(tid).map_or([None; 2], |times| times.map(Some));
    Some(ThreadReport {
        #[cfg(feature = "stacks")]
        stack: None,
        tid,
        name: field("Name").map(str::to_owned),
        state: field("State").and_then(|state| state.chars().next()).map(ThreadState::of),
        syscall: call.as_ref().map(Call::name),
        fd: waits_on.fd,
        retries: 0,
        retrying_for: None,
        waits_on: waits_on.what,
        held_by,
        task_age: None,
        remaining: None,
        age,
        processor_time,
        wchan: file(tid, "wchan").filter(|name| !name.is_empty() && name != "0"),
        blocks_signal: blocked & ours != 0,
        comes_back: false,
        faults: line.is_some_and(|line| line.starts_with("-1 ")),
        locks_pthread_mutex: false,
        joins: call.as_ref().and_then(waits_on::joined).is_some(),
        call,
    })
}

fn file(tid: i32, name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/task/{tid}/{name}")).ok()
}

/// How long a thread is there, and the processor time that it has used: what the kernel counts in hundredths of a
/// second (proc_pid_stat(5)), whatever its own tick is.
fn times(tid: i32) -> Option<[Duration; 2]> {
    let stat = file(tid, "stat")?;
    // The name, which may hold anything, ends with the last parenthesis. The third field follows.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| {
        let ticks = fields.get(field - 3)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    };
    Some([clock::since_boot().saturating_sub(ticks(22)?), ticks(14)? + ticks(15)?])
}

/// The ids of all threads of the process.
pub(super) fn threads() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok()).collect()
}

/// The syscall in which a thread sleeps; none if it runs.
pub(super) fn call_of(tid: i32) -> Option<Call> {
    line_of(tid).as_deref().and_then(call)
}

/// What the kernel says of that. (The calling thread is in a `read`, to look at itself.)
fn line_of(tid: i32) -> Option<String> {
    let is_another = tid != raw::gettid();
    is_another.then(|| file(tid, "syscall"))?
}

/// What is in a line of `/proc/PID/task/TID/syscall`; none for a thread that runs or sleeps outside
/// of a syscall.
fn call(line: &str) -> Option<Call> {
    let mut words = line.split_whitespace();
    let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
    let mut words =
        words.map(|word| usize::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(0));
    let arguments = std::array::from_fn(|_| words.next().unwrap_or(0));
    // The stack pointer lies between.
    Some(Call { number, arguments, pc: words.nth(1).unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_understood() {
        let line = "0 0x7 0x7ffc 0x40 0x0 0x0 0x0 0x7ffcaa 0x7f00bb\n";
        let call = call(line).unwrap();
        assert_eq!((call.number, call.pc), (0, 0x7f00bb));
        assert_eq!(call.arguments, [7, 0x7ffc, 0x40, 0, 0, 0]);
        for line in ["running\n", "-1 0x7ffcaa 0x7f00bb\n", ""] {
            assert!(super::call(line).is_none(), "{line}");
        }
    }
}
