//! User-mode emulation (qemu-user): whether the tests run under it, and what they leave out then.
//!
//! What version 7.2, aarch64 on x86_64, does not do, found by asking each call of the points table:
//!
//! * sendfile, splice, tee and vmsplice run no `SA_RESTART` handler before they return;
//! * ptrace, preadv2, pwritev2, epoll_pwait2, io_uring and native AIO fail with ENOSYS, the prctl
//!   for Syscall User Dispatch with EINVAL;
//! * real-time signals 63 and 64 can be caught and not sent (EINVAL);
//! * a process has at most 32 timers of `timer_create`, and EAGAIN after that;
//! * a vfork child has a memory of its own;
//! * `/proc/self/stat` has a pid and a stack, no state; `/proc/self/task/TID/*` is the kernel's,
//!   with the kernel's syscall numbers;
//! * in a dynamically linked program `pthread_create` may hang: tests are linked statically.

use std::io::Write;
use std::{env, fs, io};

/// Whether another machine's kernel runs this program. `EINTR_EMULATED` says so where `/proc` does
/// not.
pub fn emulated() -> bool {
    let kernel = fs::read_to_string("/proc/sys/kernel/arch").unwrap_or_default();
    let foreign = !kernel.is_empty() && kernel.trim() != env::consts::ARCH;
    foreign || env::var_os("EINTR_EMULATED").is_some()
}

/// Says, past the test harness, what is left out under emulation and why; true there.
///
/// ```ignore
/// if skipped_under_emulation("splice", "its SA_RESTART handlers wait for the call to end") {
///     return;
/// }
/// ```
pub fn skipped_under_emulation(what: &str, why: &str) -> bool {
    if emulated() {
        let _ = writeln!(io::stderr(), "skipped under emulation: {what}: {why}");
    }
    emulated()
}

/// The number of a syscall on the machine whose kernel runs this program: `/proc` tells that one.
///
/// # Panics
///
/// Under emulation, if no test has waited in that syscall before: it lacks a row here.
pub fn kernels_number(syscall: i64) -> i64 {
    if !emulated() {
        return syscall;
    }
    let row = X86_64.iter().find(|(own, _)| *own == syscall);
    row.unwrap_or_else(|| panic!("syscall {syscall} lacks its number on x86_64")).1
}

/// The number that a syscall has on the emulated machine, and the number of what the emulator calls
/// for it on x86_64.
const X86_64: &[(i64, i64)] = &[
    (libc::SYS_read, 0),
    (libc::SYS_readv, 19),
    (libc::SYS_pread64, 17),
    (libc::SYS_preadv, 295),
    (libc::SYS_write, 1),
    (libc::SYS_writev, 20),
    (libc::SYS_pwrite64, 18),
    (libc::SYS_pwritev, 296),
    (libc::SYS_splice, 275),
    (libc::SYS_tee, 276),
    (libc::SYS_vmsplice, 278),
    (libc::SYS_sendfile, 40),
    (libc::SYS_copy_file_range, 326),
    (libc::SYS_accept, 288),
    (libc::SYS_accept4, 288),
    (libc::SYS_connect, 42),
    (libc::SYS_recvfrom, 45),
    (libc::SYS_recvmsg, 47),
    (libc::SYS_recvmmsg, 47),
    (libc::SYS_sendto, 44),
    (libc::SYS_sendmsg, 46),
    (libc::SYS_sendmmsg, 46),
    (libc::SYS_openat, 257),
    (libc::SYS_flock, 73),
    (libc::SYS_fcntl, 72),
    (libc::SYS_ioctl, 16),
    (libc::SYS_wait4, 61),
    (libc::SYS_waitid, 247),
    (libc::SYS_nanosleep, 35),
    (libc::SYS_clock_nanosleep, 230),
    (libc::SYS_ppoll, 271),
    (libc::SYS_pselect6, 270),
    (libc::SYS_epoll_pwait, 281),
    (libc::SYS_rt_sigtimedwait, 128),
    (libc::SYS_rt_sigsuspend, 130),
    (libc::SYS_semop, 220),
    (libc::SYS_semtimedop, 220),
    (libc::SYS_msgrcv, 70),
    (libc::SYS_msgsnd, 69),
    (libc::SYS_mq_timedreceive, 243),
    (libc::SYS_mq_timedsend, 242),
    (libc::SYS_getrandom, 318),
    (libc::SYS_futex, 202),
];
