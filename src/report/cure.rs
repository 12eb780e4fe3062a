//! What can be done about a task that was asked and is still there.

use super::task::Report;
use super::thread::{ThreadReport, ThreadState};

impl Report {
    /// What can be done about it, for a task that was asked: another kind of lock, a checkpoint.
    /// None if nothing is known to help, or there is nothing to be cured.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (go, wait) = std::sync::mpsc::channel::<()>();
    /// let worker = eintr::spawn(move || wait.recv().is_err());
    /// if let eintr::Outcome::Stuck(report) = worker.interrupt().wait(Duration::from_millis(10)) {
    ///     // eintr::sync in place of that lock, condition variable or channel, ...
    ///     println!("{}", report.cure().unwrap_or("none that we know"));
    /// }
    /// drop(go);
    /// worker.join().unwrap();
    /// ```
    pub fn cure(&self) -> Option<&'static str> {
        of(self)
    }
}

/// The cure, where there is one to name.
fn of(report: &Report) -> Option<&'static str> {
    let thread = report.thread.as_deref()?;
    report.pending_for?;
    Some(match (thread.state, thread.syscall.as_deref()) {
        (Some(ThreadState::Uninterruptible), _) => {
            "none: the kernel itself waits, for a disk or a server"
        }
        (Some(ThreadState::Stopped), _) => "SIGCONT, or the debugger's `continue`",
        _ if report.handler_replaced => "eintr::install, with a signal that nobody else handles",
        _ if report.masked => "none is needed: it is raised where the mask ends",
        (_, Some(syscall)) if syscall.starts_with("futex") && !thread.is_in_own_call() => {
            "eintr::sync in place of that lock, condition variable or channel, or eintr::with_hook"
        }
        _ if thread.blocks_signal => "let the thread unblock our signal, or come to a checkpoint",
        (Some(ThreadState::Running), None) => "eintr::checkpoint() in what it computes",
        (_, Some(syscall)) if is_event_loop(syscall) => {
            "wake the event loop by its own means, with eintr::with_hook"
        }
        (_, Some(syscall)) if syscall.starts_with("write") && is_standard_output(thread) => {
            "read what it writes: output is never refused"
        }
        _ => return None,
    })
}

fn is_event_loop(syscall: &str) -> bool {
    syscall.starts_with("epoll") || syscall == "io_uring_enter"
}

fn is_standard_output(thread: &ThreadReport) -> bool {
    matches!(thread.fd, Some(1 | 2))
}
