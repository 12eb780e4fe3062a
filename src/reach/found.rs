//! The plain call in which our signal has found a thread, on which dispatch has just begun. The kernel would make the call
//! again, dispatch would stop it, and the handler of SIGSYS would refuse it. To spare that way, it is refused here.
//!
//! Only what would wait is: a look says that nothing is there, or the call is made in a form that does not wait.
//! Everything else is stopped as ever, with the signals open: what is ready and may wait after all, and what
//! is run as asked.
//!
//! A register tells that the kernel was entered. It may be left over from the last time that the thread came by this
//! instruction; so it only says where to look. (A read that has not begun and never waits, of no bytes or of a listener,
//! is refused then like any other that takes nothing.)

use libc::{c_long, ucontext_t};

use super::table::{self, Answer, AtOnce, Unless};
use super::{answer, instruction};
use crate::arch;
use crate::kernel::descriptor;
use crate::thread::Block;
use crate::thread::retries::Call;
use crate::thread::wanted;

/// Answers the call that the kernel is about to make again, if it can be answered here; from our signal's handler, which
/// has just begun dispatch.
pub(crate) fn answer(block: &Block, context: &mut ucontext_t) {
    if !arch::was_entered(context) || !instruction::is_at_syscall(context) {
        return;
    }
    let number = arch::number(context);
    if let Some(result) = refusal(block, number, &arch::arguments(context)) {
        wanted::serve_at_call(block, number, context);
        arch::skip_syscall(context, result);
    }
}

/// What the call is told.
fn refusal(block: &Block, number: c_long, arguments: &[usize; 6]) -> Option<isize> {
    const DONTWAIT: usize = libc::MSG_DONTWAIT as usize;
    let row = table::row(number).filter(|row| row.answer == Answer::Refuse)?;
    let now = block.answering.counted_to.get();
    match row.at_once {
        Some(AtOnce::Read | AtOnce::ReadVector) => {
            // A file always has something to read; and libuv's lock is taken with our signal blocked.
            let may_hold = |unless: &Unless| {
                !matches!(unless, Unless::EndsByItself(..) | Unless::UvLock { .. })
            };
            let mut exceptions = row.unless.iter().filter(|unless| may_hold(unless));
            let is_refused = descriptor::is_silent(arguments[0], libc::POLLIN)
                && !exceptions.any(|unless| answer::holds(*unless, block, now, arguments));
            if !is_refused {
                return None;
            }
            block.retries.ask(Call::plain(number, arguments[0]), now);
            answer::unrun(block, row, arguments)
        }
        Some(AtOnce::Flag(_, DONTWAIT) | AtOnce::Reap | AtOnce::ReapById) => {
            answer::by_table(block, now, number, arguments).ok()
        }
        None if row.fd_at.is_some() => answer::by_table(block, now, number, arguments).ok(),
        _ => None,
    }
}
