//! Waiting for children.

use std::cell::Cell;

use eintr::process::{WaitId, WaitOptions};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus};
use nix::unistd::{ForkResult, Pid};

use super::{Case, equal};

thread_local! {
    /// A child that never ends.
    static LIVING: Pid = living();
    /// One that has ended, and that no trial has reaped yet.
    static DEAD: Cell<Option<Pid>> = const { Cell::new(None) };
}

/// There is a child that never ends.
pub fn stay() {
    LIVING.with(|_| ());
}

/// A child that does nothing.
pub fn living() -> Pid {
    fork(|| {
        loop {
            nix::unistd::pause();
        }
    })
}

/// A child process. It ends with this thread, at the latest.
fn fork(body: impl FnOnce()) -> Pid {
    // SAFETY: the child makes syscalls only.
    match unsafe { nix::unistd::fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::SIGKILL).unwrap();
            body();
            // SAFETY: it runs nothing of the parent's.
            unsafe { libc::_exit(3) }
        }
    }
}

/// Waits for a child's end, and leaves it to be waited for again.
pub fn look(child: Pid, flags: WaitPidFlag) -> nix::Result<WaitStatus> {
    nix::sys::wait::waitid(Id::Pid(child), flags | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
}

/// A child that has ended, or that does not.
pub fn waitid(ready: bool) -> Case {
    let child = if ready {
        DEAD.take().unwrap_or_else(|| fork(|| ()))
    } else {
        LIVING.with(|child| *child)
    };
    if ready {
        look(child, WaitPidFlag::empty()).unwrap();
    }
    Case {
        call: Box::new(move || {
            let waited = eintr::process::waitid(WaitId::Pid(child.as_raw()), WaitOptions::EXITED)?;
            Ok(waited.pid as u64)
        }),
        intact: Box::new(move |result| {
            if result.is_none() && ready {
                DEAD.set(Some(child));
            }
            is_as_told(child, ready, result)
        }),
    }
}

/// Whether a child is reaped if that was said, and only then.
pub fn is_as_told(child: Pid, ready: bool, result: Option<u64>) -> Result<(), String> {
    let left = look(child, WaitPidFlag::WNOHANG);
    match result {
        Some(pid) => {
            equal("the child", pid, child.as_raw() as u64)?;
            equal("after it was reaped", left, Err(Errno::ECHILD))
        }
        None if ready => equal("to be reaped", left, Ok(WaitStatus::Exited(child, 3))),
        None => equal("to be reaped", left, Ok(WaitStatus::StillAlive)),
    }
}
