//! [`ThreadReport`], [`ThreadState`]: the thread in a report.

use std::fmt;

use super::call::Call;
use crate::thread::call;

/// The thread in a [`Report`](crate::Report), as the kernel sees it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ThreadReport {
    /// The kernel's id.
    pub tid: i32,
    /// The thread's name, of at most 15 bytes.
    pub name: Option<String>,
    /// What it is doing.
    pub state: Option<ThreadState>,
    /// The syscall it is in, by name; or by number, where this crate has no name for it.
    pub syscall: Option<String>,
    /// The descriptor that the syscall is about.
    pub fd: Option<i32>,
    /// What that descriptor is (a socket with its addresses, a pipe, a file), or else what the
    /// syscall waits for: a child with its name, a path.
    pub waits_on: Option<String>,
    /// The function of the kernel's in which it sleeps, where the kernel tells.
    pub wchan: Option<String>,
    /// Whether it blocks our signal, so that its plain calls are not interrupted.
    pub blocks_signal: bool,
    /// Its stack, in a [dump](crate::report()) and for a task that was asked in vain; none if it did
    /// not answer, or would have noticed.
    #[cfg(feature = "stacks")]
    pub stack: Option<super::Stack>,
    /// The syscall as it was found.
    pub(super) call: Option<Call>,
}

impl ThreadReport {
    /// Whether it is in a call of ours.
    pub(super) fn is_in_own_call(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call::is_own(call.pc))
    }
}

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
    pub(super) fn of(letter: char) -> Self {
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

impl fmt::Display for ThreadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Some(state) => write!(f, "{state}")?,
            None => f.write_str("state unknown")?,
        }
        if let Some(syscall) = &self.syscall {
            write!(f, " in {syscall}")?;
        }
        match (self.fd, &self.waits_on) {
            (Some(fd), Some(what)) => write!(f, " of fd {fd} ({what})")?,
            (Some(fd), None) => write!(f, " of fd {fd}")?,
            (None, Some(what)) => write!(f, " of {what}")?,
            (None, None) => {}
        }
        if self.blocks_signal {
            f.write_str(", blocks our signal")?;
        }
        Ok(())
    }
}
