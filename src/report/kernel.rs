//! A thread of this process as the kernel shows it under `/proc`.

use std::fmt;
use std::fs;

use super::{ThreadReport, syscall_name};
use crate::sys::install;

/// What the kernel says that a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadState {
    /// On a CPU, or waiting for one.
    Running,
    /// In a wait that a signal ends.
    Sleeping,
    /// In a wait that nothing ends but its completion (state D): a disk, a dead NFS server. Nobody
    /// can reach it.
    Uninterruptible,
    /// Stopped, by a signal or a debugger.
    Stopped,
    /// Ending.
    Dead,
    /// Another letter of proc(5)'s.
    Other(char),
}

impl ThreadState {
    fn of(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' => Self::Sleeping,
            'D' => Self::Uninterruptible,
            'T' | 't' => Self::Stopped,
            'Z' | 'X' => Self::Dead,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ThreadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Sleeping => f.write_str("sleeping"),
            Self::Uninterruptible => {
                f.write_str("in uninterruptible sleep (state D: nobody can reach it)")
            }
            Self::Stopped => f.write_str("stopped"),
            Self::Dead => f.write_str("dead"),
            Self::Other(letter) => write!(f, "in state {letter}"),
        }
    }
}

/// Looks at a thread; none if there is no such thread (or no `/proc`).
pub(super) fn look(tid: i32) -> Option<ThreadReport> {
    let file = |name: &str| fs::read_to_string(format!("/proc/self/task/{tid}/{name}")).ok();
    let status = file("status")?;
    let field = |key: &str| {
        status.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
    };
    let blocked = field("SigBlk").and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0);
    let ours = install::installed_signal().map_or(0, |number| 1 << (number - 1));
    Some(ThreadReport {
        tid,
        name: field("Name").map(str::to_owned),
        state: field("State").and_then(|state| state.chars().next()).map(ThreadState::of),
        syscall: file("syscall").as_deref().and_then(syscall),
        blocks_signal: blocked & ours != 0,
    })
}

/// The name of the syscall in a line of `/proc/PID/task/TID/syscall`; none for a thread that runs
/// or sleeps outside of one.
fn syscall(line: &str) -> Option<String> {
    let number = line.split_whitespace().next()?.parse().ok().filter(|number| *number >= 0)?;
    Some(match syscall_name::of(number) {
        Some(name) => name.to_owned(),
        None => format!("syscall {number}"),
    })
}
