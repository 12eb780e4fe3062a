//! Reach where there is no dispatch: the handler itself answers the plain call that its signal
//! found (S10).
//!
//! A call that the kernel restarts, or that has not begun, stands at its instruction with its
//! number: it is answered by the table, as if it had been trapped. A call that returned -EINTR (a
//! sleep, a poll) stands behind its instruction. On aarch64 the number is still in its register. On
//! x86_64 it is gone; there the requester looks at `/proc/self/task/TID/syscall` before it sends, and
//! the handler believes that if the counter, the stack pointer and the first arguments are those
//! that the requester saw. (The first two alone are not enough for the shots of the repeat timer, which
//! come later: glibc's `syscall`, and since 2.41 all its waiting calls, share one instruction, and
//! a poll and a sleep may stand there on the same stack. std panics if a sleep ends with an error
//! that is a poll's.) A deadline's signal has no such requester.
//!
//! It is second best for its window: a signal that comes just before the call is made good only by
//! the repeat timer.

use libc::ucontext_t;

use super::{allowance, answer, eintr, instruction, table};
use crate::arch;
use crate::kernel::Moment;
use crate::thread::Block;
use crate::thread::retries::Call;
use crate::thread::wanted;

/// Answers the plain call that the context stands at or behind, from the handler.
pub(crate) fn interrupt(block: &Block, context: &mut ucontext_t) {
    let now = Moment::now_in_handler();
    allowance::begin(block, now);
    if instruction::is_at_syscall(context) {
        answer_before(block, context, now);
    } else if instruction::is_behind_interrupted_syscall(context) {
        let number = arch::number_behind(context).or_else(|| block.proc_syscall.number_at(context));
        // It has waited, so no exception holds.
        let row = number.and_then(table::row);
        block.retries.ask(Call::plain(number.unwrap_or(0), arch::arguments(context)[0]), now);
        match row.and_then(|row| answer::unrun(block, row, &arch::arguments(context))) {
            Some(result) => arch::set_result(context, result),
            None if eintr::was_cut_short(context) => answer::note_cut_short(block),
            None => {}
        }
    }
}

fn answer_before(block: &Block, context: &mut ucontext_t, now: Moment) {
    let (number, arguments) = (arch::number(context), arch::arguments(context));
    if let Ok(result) = answer::by_table(block, now, number, &arguments) {
        wanted::serve_at_call(block, number, context);
        arch::skip_syscall(context, result);
    }
}
