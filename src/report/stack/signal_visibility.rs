//! Whether a thread would notice a signal of ours: not one whose syscall the kernel restarts.

use crate::reach::table::Restarts;
use crate::report::call::Call;
use crate::report::socket::has_timeout;
use crate::report::thread::ThreadReport;

/// Whether it would. A call of ours goes on by itself.
pub(super) fn would_notice(thread: &ThreadReport) -> bool {
    let is_ended = |call| is_ended_by_a_signal(call, thread.fd);
    !thread.is_in_own_call() && thread.call.as_ref().is_some_and(is_ended)
}

/// Whether a signal ends a plain syscall, or cuts its result short, though its handler asks for the
/// restart of what it interrupts (signal(7)). One that we do not know may be such a one.
fn is_ended_by_a_signal(call: &Call, fd: Option<i32>) -> bool {
    let Some(row) = call.row() else { return true };
    let is_limited = || fd.is_some_and(has_timeout);
    match row.restarts {
        Restarts::Always => false,
        Restarts::Never | Restarts::IfNothingDone => true,
        Restarts::UnlessLimited => is_limited(),
        Restarts::UnlessAll(flags) => {
            call.arguments[flags] & libc::MSG_WAITALL as usize != 0 || is_limited()
        }
        Restarts::UnlessTimed(time) => {
            let waits = row.number != libc::SYS_futex || waits(call.arguments[1]);
            waits && call.arguments[time] != 0
        }
    }
}

/// Whether a futex operation waits, with its time as the fourth argument. (Those of priority
/// inheritance go on after a signal.)
fn waits(operation: usize) -> bool {
    let operation = operation as i32 & libc::FUTEX_CMD_MASK;
    matches!(operation, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAIT_REQUEUE_PI)
}
