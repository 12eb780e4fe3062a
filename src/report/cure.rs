//! What can be done about a task that was asked and is still there.

use super::Report;
use super::thread::{ThreadReport, ThreadState};

/// The cure, where there is one to name.
pub(super) fn of(report: &Report) -> Option<&'static str> {
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
