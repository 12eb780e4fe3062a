//! Calls that are run as asked do not wait long (S18).
//!
//! That a call ends by itself is a guess: some files of procfs wait, an open waits for a lease, an
//! ioctl for a frame. So while such calls are made the thread's timer runs, from 100 ms after the
//! thread was reached. Its shot interrupts the call, and the kernel is about to make it again; if
//! the last shot has found the same one, it is ended here: nothing has happened. That it would not
//! wait, for which the table has excepted it, was a guess, and wrong.
//!
//! One that has begun and one that has not look alike but for a register, by which the machine
//! tells: an mmap that was never made must not be told that it was interrupted. Where no register does, it
//! is ended only if the thread has slept since it was found first.
//!
//! The timer is set when a call is run and it stands still, with back-off: so at most once in a
//! millisecond, and not for each call. It takes as long as to stop one at the kernel's entry.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use libc::{c_long, ucontext_t};

use super::table::{self, Unless};
use super::{answer, dispatch};
use crate::arch;
use crate::kernel::clock::Moment;
use crate::kernel::process;
use crate::thread::block::Block;
use crate::thread::repeat_timer;
use crate::thread::retries::Call;

/// Nothing is ended sooner after the thread was reached.
const AT_FIRST: Duration = Duration::from_millis(100);
/// Nor sooner after it was found.
const AT_LEAST: Duration = Duration::from_millis(1);

/// What is never to be told EINTR: its caller takes it for done, or for not done, or is not there
/// any more. And futexes, which have a rule of their own (S20).
const NEVER_ENDED: &[c_long] = &[
    libc::SYS_close,
    libc::SYS_close_range,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_dup3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(not(target_arch = "riscv64"))]
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
];

/// To be called where a call is to be run as asked.
pub(crate) fn begin(block: &Block, number: c_long) {
    let runs = &block.answering.runs;
    runs.count.fetch_add(1, Relaxed);
    if !NEVER_ENDED.contains(&number) && !runs.is_watched.swap(true, Relaxed) {
        let at_first = block.answering.since.get().after(AT_FIRST).since(Moment::now_in_handler());
        repeat_timer::repeat_after(block, at_first);
    }
}

/// Ends the call that our signal has interrupted, if it has waited long enough: what it is told. From the
/// handler.
pub(crate) fn end(block: &Block, context: &ucontext_t) -> Option<isize> {
    let runs = &block.answering.runs;
    let was_watched = runs.is_watched.swap(false, Relaxed);
    let Some(number) = arch::number_made_again(context) else {
        // Such a call may lie below a handler of the application's, and goes on after that.
        if was_watched && dispatch::is_wanted(block) {
            runs.is_watched.store(true, Relaxed);
            repeat_timer::repeat(block);
        }
        return None;
    };
    if NEVER_ENDED.contains(&number) || !dispatch::is_wanted(block) {
        return None;
    }
    let now = Moment::now_in_handler();
    let count = runs.count.load(Relaxed);
    let is_known = runs.found.load(Relaxed) == count;
    let found_at = if is_known { runs.found_at.get() } else { now };
    let sleeps = if arch::RUNS_THERE { 0 } else { process::sleeps() };
    let is_over = now.since(found_at) >= AT_LEAST
        && now.since(block.answering.since.get()) >= AT_FIRST
        && (arch::RUNS_THERE || sleeps != runs.sleeps.load(Relaxed));
    if let Some(told) =
        is_over.then(|| told(block, now, number, &arch::arguments(context))).flatten()
    {
        return Some(told);
    }
    // It is asked about once more, and counted.
    runs.found.store(count.wrapping_add(1), Relaxed);
    runs.found_at.set(found_at);
    runs.sleeps.store(sleeps, Relaxed);
    None
}

/// What a call is told that has waited; none if it is to wait.
fn told(block: &Block, now: Moment, number: c_long, arguments: &[usize; 6]) -> Option<isize> {
    let interrupted = -libc::EINTR as isize;
    let Some(row) = table::row(number) else { return Some(interrupted) };
    let is_a_guess = |unless: &Unless| {
        use Unless::{Dying, ExecReport, ExecStatus, StandardOutput};
        !matches!(unless, StandardOutput(_) | Dying(_) | ExecStatus { .. } | ExecReport { .. })
    };
    let mut kept = row.unless.iter().filter(|unless| !is_a_guess(unless));
    if kept.any(|unless| answer::holds(*unless, block, now, arguments)) {
        return None;
    }
    block.retries.ask(Call::plain(number, arguments[0]), now);
    Some(answer::unrun(block, row, arguments).unwrap_or(interrupted))
}
