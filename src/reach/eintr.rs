//! Undoing the kernel's restart of a plain call (P11, S9).
//!
//! Our handler has `SA_RESTART`, for the sake of threads that nobody asked (P5). In an armed
//! thread, a call that waits is made to return EINTR all the same: the counter is moved past the
//! syscall instruction. An interrupted call and one that has not begun look the same there, so it
//! is done for calls of which both may fail with EINTR and nothing is lost. Not for `close` (the
//! descriptor would leak), not for any futex (a wake-up would be lost, and libc aborts), not for
//! `munmap`. Where a caller does more upon EINTR than to call again, a look tells the two apart.

use libc::{c_long, ucontext_t};

use super::instruction;
use super::table::{self, Undo};
use crate::arch;
use crate::kernel::{futex, memory, socket};

/// Lets the waiting syscall at which the context stands return EINTR; whether it does.
pub(crate) fn undo_restart(context: &mut ucontext_t) -> bool {
    let (number, arguments) = (arch::number(context), arch::arguments(context));
    let may_fail = || waits(number, &arguments) && instruction::is_at_syscall(context);
    let fails = may_fail() && tells_what_is_left(number, &arguments);
    if fails {
        arch::skip_syscall(context, -libc::EINTR as isize);
    }
    fails
}

/// Whether the context stands behind a call that a signal has cut short: it has returned EINTR. Not
/// behind a wait on a futex: most who wait so go on (S20). Nor behind a pause of ours, which goes on.
pub(crate) fn was_cut_short(context: &ucontext_t) -> bool {
    instruction::is_behind_interrupted_syscall(context)
        && !is_behind_futex_wait(context)
        && !arch::trapped_in_raw(context)
}

/// Where the number is gone, the arguments tell. (A poll of 128 descriptors looks the same.)
fn is_behind_futex_wait(context: &ucontext_t) -> bool {
    let [word, operation, ..] = arch::arguments(context);
    match arch::number_behind(context) {
        Some(number) => number == libc::SYS_futex,
        None => futex::is_private_wait(word, operation),
    }
}

/// Whether a syscall waits, and may fail with EINTR instead, as its row says.
fn waits(number: c_long, arguments: &[usize; 6]) -> bool {
    match table::row(number).map_or(Undo::Never, |row| row.undo) {
        Undo::Never => false,
        Undo::Always => true,
        Undo::IfOneOf(index, numbers) => numbers.contains(&(arguments[index] as i32)),
        Undo::IfAbove(index, limit) => arguments[index] > limit,
        Undo::IfConnecting(fd) => {
            let state = socket::tcp_state_of(arguments[fd]);
            state.is_none_or(|state| socket::TCP_CONNECTING.contains(&state))
        }
    }
}

/// A sleep that stands at its instruction has not begun. The kernel says how much is left of one
/// that it interrupts, for the caller to go on with: here, all of it. False if there is no place to
/// say so.
fn tells_what_is_left(number: c_long, arguments: &[usize; 6]) -> bool {
    let [asked, left] = match (number, arguments) {
        (libc::SYS_nanosleep, &[asked, left, ..]) => [asked, left],
        (libc::SYS_clock_nanosleep, &[_, flags, asked, left, ..])
            if flags as i32 & libc::TIMER_ABSTIME == 0 =>
        {
            [asked, left]
        }
        _ => return true,
    };
    left == 0
        || left == asked
        || memory::peek::<2>(asked).is_some_and(|time| memory::poke(left, &time))
}
