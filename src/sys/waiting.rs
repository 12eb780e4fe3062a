//! Undoing the kernel's restart of a plain call (P11, S9).
//!
//! Our handler has `SA_RESTART`, for the sake of threads that nobody asked (P5). In an armed
//! thread, a call that waits is made to return EINTR all the same: the counter is moved past the
//! syscall instruction. An interrupted call and one that has not begun look the same there, so it
//! is done for calls of which both may fail with EINTR and nothing is lost. Not for `close` (the
//! descriptor would leak), not for any futex (a wake-up would be lost, and libc aborts), not for
//! `munmap`. Where a caller does more upon EINTR than to call again, a look tells the two apart.

use libc::{c_long, ucontext_t};

use super::{arch, ask, instruction, socket};

/// Lets the waiting syscall at which the context stands return EINTR.
pub(super) fn undo_restart(context: &mut ucontext_t) {
    let (number, arguments) = (arch::number(context), arch::arguments(context));
    let may_fail = || waits(number, &arguments) && instruction::is_at_syscall(context);
    if may_fail() && tells_what_is_left(number, &arguments) {
        arch::skip_syscall(context, -libc::EINTR as isize);
    }
}

/// Whether a syscall waits, and may fail with EINTR instead.
fn waits(number: c_long, arguments: &[usize; 6]) -> bool {
    let second = arguments[1];
    match number {
        libc::SYS_fcntl => matches!(second as i32, libc::F_SETLKW | libc::F_OFD_SETLKW),
        // tcdrain, and the same under its own name.
        libc::SYS_ioctl => matches!(second as libc::Ioctl, libc::TCSBRK | TCSBRKP),
        // The kernel goes on with an interrupted one, and the caller polls for its end. Of one that
        // has not begun a poll says that it is done.
        libc::SYS_connect => {
            let state = socket::tcp_state_of(arguments[0]);
            state.is_none_or(|state| socket::TCP_CONNECTING.contains(&state))
        }
        // So few bytes never fail with EINTR, and callers rely on that.
        libc::SYS_getrandom => second > 256,
        _ => WAITING.contains(&number) || waits_here_only(number),
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
    left == 0 || left == asked || ask::peek::<2>(asked).is_some_and(|time| ask::poke(left, &time))
}

const TCSBRKP: libc::Ioctl = 0x5425;

/// Each is in signal(7)'s list of calls that `SA_RESTART` restarts, or returns EINTR whatever the
/// flag says and may stand at its instruction not yet begun.
pub(crate) const WAITING: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_sendfile,
    libc::SYS_copy_file_range,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_flock,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_timedsend,
    libc::SYS_io_getevents,
];

/// Those that x86_64 alone still has.
#[cfg(target_arch = "x86_64")]
fn waits_here_only(number: c_long) -> bool {
    matches!(
        number,
        libc::SYS_open | libc::SYS_poll | libc::SYS_select | libc::SYS_epoll_wait | libc::SYS_pause
    )
}

#[cfg(not(target_arch = "x86_64"))]
fn waits_here_only(_number: c_long) -> bool {
    false
}
