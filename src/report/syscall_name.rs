//! Names for the syscalls in which threads are found.

use libc::c_long;

macro_rules! names {
    ($($constant:ident $number:literal $name:literal,)*) => {
        /// The name of a syscall that both architectures have, by its number here.
        #[cfg(not(target_arch = "x86_64"))]
        fn here(number: c_long) -> Option<&'static str> {
            match number {
                $(libc::$constant => Some($name),)*
                _ => None,
            }
        }

        /// The same by its number on x86_64.
        fn on_x86_64(number: c_long) -> Option<&'static str> {
            match number {
                $($number => Some($name),)*
                _ => None,
            }
        }

        #[cfg(target_arch = "x86_64")]
        const _: () = { $(assert!(libc::$constant == $number);)* };
    };
}

/// The name of a syscall, if it is one in which a thread may be found waiting.
#[cfg(target_arch = "x86_64")]
pub(super) fn of(number: c_long) -> Option<&'static str> {
    on_x86_64(number).or(match number {
        libc::SYS_open => Some("open"),
        libc::SYS_poll => Some("poll"),
        libc::SYS_select => Some("select"),
        libc::SYS_epoll_wait => Some("epoll_wait"),
        libc::SYS_pause => Some("pause"),
        libc::SYS_vfork => Some("vfork"),
        _ => None,
    })
}

/// The name of a syscall, if it is one in which a thread may be found waiting. A user-mode emulator
/// shows us the numbers of the kernel that it runs on.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn of(number: c_long) -> Option<&'static str> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/arch");
    if kernel.is_ok_and(|kernel| kernel.trim() == "x86_64") {
        on_x86_64(number)
    } else {
        here(number)
    }
}

names! {
    SYS_read 0 "read",
    SYS_readv 19 "readv",
    SYS_pread64 17 "pread64",
    SYS_preadv 295 "preadv",
    SYS_preadv2 327 "preadv2",
    SYS_write 1 "write",
    SYS_writev 20 "writev",
    SYS_pwrite64 18 "pwrite64",
    SYS_pwritev 296 "pwritev",
    SYS_pwritev2 328 "pwritev2",
    SYS_splice 275 "splice",
    SYS_tee 276 "tee",
    SYS_vmsplice 278 "vmsplice",
    SYS_sendfile 40 "sendfile",
    SYS_copy_file_range 326 "copy_file_range",
    SYS_accept 43 "accept",
    SYS_accept4 288 "accept4",
    SYS_connect 42 "connect",
    SYS_recvfrom 45 "recvfrom",
    SYS_recvmsg 47 "recvmsg",
    SYS_recvmmsg 299 "recvmmsg",
    SYS_sendto 44 "sendto",
    SYS_sendmsg 46 "sendmsg",
    SYS_sendmmsg 307 "sendmmsg",
    SYS_shutdown 48 "shutdown",
    SYS_openat 257 "openat",
    SYS_openat2 437 "openat2",
    SYS_close 3 "close",
    SYS_flock 73 "flock",
    SYS_fcntl 72 "fcntl",
    SYS_ioctl 16 "ioctl",
    SYS_fsync 74 "fsync",
    SYS_fdatasync 75 "fdatasync",
    SYS_sync 162 "sync",
    SYS_syncfs 306 "syncfs",
    SYS_getdents64 217 "getdents64",
    SYS_statfs 137 "statfs",
    SYS_unlinkat 263 "unlinkat",
    SYS_ftruncate 77 "ftruncate",
    SYS_fallocate 285 "fallocate",
    SYS_wait4 61 "wait4",
    SYS_waitid 247 "waitid",
    SYS_nanosleep 35 "nanosleep",
    SYS_clock_nanosleep 230 "clock_nanosleep",
    SYS_ppoll 271 "ppoll",
    SYS_pselect6 270 "pselect6",
    SYS_epoll_pwait 281 "epoll_pwait",
    SYS_epoll_pwait2 441 "epoll_pwait2",
    SYS_rt_sigtimedwait 128 "rt_sigtimedwait",
    SYS_rt_sigsuspend 130 "rt_sigsuspend",
    SYS_semop 65 "semop",
    SYS_semtimedop 220 "semtimedop",
    SYS_msgrcv 70 "msgrcv",
    SYS_msgsnd 69 "msgsnd",
    SYS_mq_timedreceive 243 "mq_timedreceive",
    SYS_mq_timedsend 242 "mq_timedsend",
    SYS_io_getevents 208 "io_getevents",
    SYS_io_uring_enter 426 "io_uring_enter",
    SYS_getrandom 318 "getrandom",
    SYS_futex 202 "futex",
    SYS_futex_waitv 449 "futex_waitv",
    SYS_restart_syscall 219 "restart_syscall",
    SYS_sched_yield 24 "sched_yield",
    SYS_mmap 9 "mmap",
    SYS_munmap 11 "munmap",
    SYS_madvise 28 "madvise",
    SYS_msync 26 "msync",
    SYS_clone 56 "clone",
    SYS_clone3 435 "clone3",
    SYS_execve 59 "execve",
    SYS_exit 60 "exit",
    SYS_exit_group 231 "exit_group",
}
