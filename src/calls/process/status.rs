//! What a child is said to have done.

use libc::c_int;

/// A child that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Waited {
    /// Its id. If it has ended and was reaped, the id may be another's from now on.
    pub pid: i32,
    /// What has become of it.
    pub status: WaitStatus,
}

/// What has become of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitStatus {
    /// It exited, with this code.
    Exited(c_int),
    /// It was ended by a signal.
    #[non_exhaustive]
    Signaled {
        /// The signal.
        signal: c_int,
        /// Whether it left a core.
        core_dumped: bool,
    },
    /// It was stopped by this signal, or, if it is traced, by what its tracer waits for.
    Stopped(c_int),
    /// It goes on after having been stopped.
    Continued,
}

impl Waited {
    /// From what `waitid` tells; the code is one of `CLD_EXITED` and its kin.
    pub(super) fn from_change(pid: i32, code: c_int, status: c_int) -> Self {
        let signal = status;
        let status = match code {
            libc::CLD_EXITED => WaitStatus::Exited(status),
            libc::CLD_KILLED => WaitStatus::Signaled { signal, core_dumped: false },
            libc::CLD_DUMPED => WaitStatus::Signaled { signal, core_dumped: true },
            libc::CLD_CONTINUED => WaitStatus::Continued,
            // CLD_STOPPED, CLD_TRAPPED
            _ => WaitStatus::Stopped(signal),
        };
        Self { pid, status }
    }

    /// From what `waitpid` tells.
    pub(super) fn from_encoded(pid: i32, status: c_int) -> Self {
        let status = if libc::WIFEXITED(status) {
            WaitStatus::Exited(libc::WEXITSTATUS(status))
        } else if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            WaitStatus::Signaled { signal, core_dumped: libc::WCOREDUMP(status) }
        } else if libc::WIFCONTINUED(status) {
            WaitStatus::Continued
        } else {
            WaitStatus::Stopped(libc::WSTOPSIG(status))
        };
        Self { pid, status }
    }
}
