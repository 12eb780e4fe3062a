//! Whether a thread would notice a signal of ours: not one whose syscall the kernel restarts.

use crate::report::call::Call;
use crate::report::socket::has_timeout;
use crate::report::syscall_name;
use crate::report::thread::ThreadReport;

/// Whether it would. A call of ours goes on by itself.
pub(super) fn would_notice(thread: &ThreadReport) -> bool {
    let is_ended = |call| is_ended_by_a_signal(call, thread.fd);
    !thread.is_in_own_call() && thread.call.as_ref().is_some_and(is_ended)
}

/// Whether a signal ends a plain syscall, or cuts its result short, though its handler asks for the
/// restart of what it interrupts (signal(7)). One that we do not know may be such a one.
fn is_ended_by_a_signal(call: &Call, fd: Option<i32>) -> bool {
    let Some(name) = syscall_name::of(call.number) else { return true };
    let [_, operation, third, fourth, ..] = call.arguments;
    let wants_all = |flags| flags & libc::MSG_WAITALL as usize != 0;
    let is_limited = || fd.is_some_and(has_timeout);
    match name {
        "futex" => waits(operation) && fourth != 0,
        "futex_waitv" => fourth != 0,
        "recvfrom" => wants_all(fourth) || is_limited(),
        "recvmsg" => wants_all(third) || is_limited(),
        "accept" | "accept4" | "connect" | "read" | "readv" | "recvmmsg" => is_limited(),
        _ => ENDED.contains(&name),
    }
}

/// Whether a futex operation waits, with its time as the fourth argument. (Those of priority
/// inheritance go on after a signal.)
fn waits(operation: usize) -> bool {
    let operation = operation as i32 & libc::FUTEX_CMD_MASK;
    matches!(operation, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAIT_REQUEUE_PI)
}

const ENDED: &[&str] = &[
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "nanosleep",
    "clock_nanosleep",
    "restart_syscall",
    "rt_sigtimedwait",
    "rt_sigsuspend",
    "pause",
    "semop",
    "semtimedop",
    "msgrcv",
    "msgsnd",
    "io_getevents",
    "io_uring_enter",
    // What has been written by then is the result.
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "sendfile",
    "splice",
    "tee",
    "vmsplice",
    "copy_file_range",
];
