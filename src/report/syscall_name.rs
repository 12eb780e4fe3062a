//! Names for the syscalls in which threads are found.

use libc::c_long;

macro_rules! names {
    ($($(#[$cfg:meta])* $constant:ident $name:literal,)*) => {
        /// The name of a syscall, if it is one in which a thread may be found waiting.
        pub(super) fn of(number: c_long) -> Option<&'static str> {
            match number {
                $($(#[$cfg])* libc::$constant => Some($name),)*
                _ => None,
            }
        }
    };
}

names! {
    SYS_read "read",
    SYS_readv "readv",
    SYS_pread64 "pread64",
    SYS_preadv "preadv",
    SYS_preadv2 "preadv2",
    SYS_write "write",
    SYS_writev "writev",
    SYS_pwrite64 "pwrite64",
    SYS_pwritev "pwritev",
    SYS_pwritev2 "pwritev2",
    SYS_splice "splice",
    SYS_tee "tee",
    SYS_vmsplice "vmsplice",
    SYS_sendfile "sendfile",
    SYS_copy_file_range "copy_file_range",
    SYS_accept "accept",
    SYS_accept4 "accept4",
    SYS_connect "connect",
    SYS_recvfrom "recvfrom",
    SYS_recvmsg "recvmsg",
    SYS_recvmmsg "recvmmsg",
    SYS_sendto "sendto",
    SYS_sendmsg "sendmsg",
    SYS_sendmmsg "sendmmsg",
    SYS_shutdown "shutdown",
    SYS_openat "openat",
    SYS_openat2 "openat2",
    SYS_close "close",
    SYS_flock "flock",
    SYS_fcntl "fcntl",
    SYS_ioctl "ioctl",
    SYS_fsync "fsync",
    SYS_fdatasync "fdatasync",
    SYS_sync "sync",
    SYS_syncfs "syncfs",
    SYS_getdents64 "getdents64",
    SYS_statfs "statfs",
    SYS_unlinkat "unlinkat",
    SYS_ftruncate "ftruncate",
    SYS_fallocate "fallocate",
    SYS_wait4 "wait4",
    SYS_waitid "waitid",
    SYS_nanosleep "nanosleep",
    SYS_clock_nanosleep "clock_nanosleep",
    SYS_ppoll "ppoll",
    SYS_pselect6 "pselect6",
    SYS_epoll_pwait "epoll_pwait",
    SYS_epoll_pwait2 "epoll_pwait2",
    SYS_rt_sigtimedwait "rt_sigtimedwait",
    SYS_rt_sigsuspend "rt_sigsuspend",
    SYS_semop "semop",
    SYS_semtimedop "semtimedop",
    SYS_msgrcv "msgrcv",
    SYS_msgsnd "msgsnd",
    SYS_mq_timedreceive "mq_timedreceive",
    SYS_mq_timedsend "mq_timedsend",
    SYS_io_getevents "io_getevents",
    SYS_io_uring_enter "io_uring_enter",
    SYS_getrandom "getrandom",
    SYS_futex "futex",
    SYS_futex_waitv "futex_waitv",
    SYS_restart_syscall "restart_syscall",
    SYS_sched_yield "sched_yield",
    SYS_mmap "mmap",
    SYS_munmap "munmap",
    SYS_madvise "madvise",
    SYS_msync "msync",
    SYS_clone "clone",
    SYS_clone3 "clone3",
    SYS_execve "execve",
    SYS_exit "exit",
    SYS_exit_group "exit_group",
    #[cfg(target_arch = "x86_64")]
    SYS_open "open",
    #[cfg(target_arch = "x86_64")]
    SYS_poll "poll",
    #[cfg(target_arch = "x86_64")]
    SYS_select "select",
    #[cfg(target_arch = "x86_64")]
    SYS_epoll_wait "epoll_wait",
    #[cfg(target_arch = "x86_64")]
    SYS_pause "pause",
    #[cfg(target_arch = "x86_64")]
    SYS_vfork "vfork",
}
