//! Calls that are one syscall, with the arguments that C hands over.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`calls`](super).

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_void};

use libc::{iovec, mqd_t, off_t, pid_t, rusage, sembuf, siginfo_t, size_t, ssize_t, timespec};

use super::{border, plain};

/// Exports them. The arguments that one lacks at the end are 0, or null.
macro_rules! plain {
    ($(
        $page:literal $name:ident($($argument:ident: $kind:ty),*) -> $result:ty = $number:ident;
    )*) => {$(
        #[doc = $page]
        ///
        /// # Safety
        ///
        /// As the page says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            border(-1, || {
                // SAFETY: the caller's promise.
                let result = unsafe { plain(libc::$number, [$($argument as usize),*]) }?;
                Ok(result as $result)
            })
        }
    )*};
}

plain! {
    "pread(2)" eintr_pread(
        fd: c_int, buffer: *mut c_void, count: size_t, offset: off_t
    ) -> ssize_t = SYS_pread64;
    "pwrite(2)" eintr_pwrite(
        fd: c_int, buffer: *const c_void, count: size_t, offset: off_t
    ) -> ssize_t = SYS_pwrite64;
    "splice(2)" eintr_splice(
        reader: c_int, from: *mut i64, writer: c_int, to: *mut i64, length: size_t, flags: c_uint
    ) -> ssize_t = SYS_splice;
    "sendfile(2)" eintr_sendfile(
        writer: c_int, reader: c_int, from: *mut off_t, length: size_t
    ) -> ssize_t = SYS_sendfile;
    "tee(2)" eintr_tee(
        reader: c_int, writer: c_int, length: size_t, flags: c_uint
    ) -> ssize_t = SYS_tee;
    "vmsplice(2)" eintr_vmsplice(
        fd: c_int, buffers: *const iovec, count: size_t, flags: c_uint
    ) -> ssize_t = SYS_vmsplice;
    "copy_file_range(2)" eintr_copy_file_range(
        reader: c_int, from: *mut i64, writer: c_int, to: *mut i64, length: size_t, flags: c_uint
    ) -> ssize_t = SYS_copy_file_range;
    "getrandom(2)" eintr_getrandom(
        buffer: *mut c_void, count: size_t, flags: c_uint
    ) -> ssize_t = SYS_getrandom;
    "openat(2)" eintr_openat(
        directory: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t
    ) -> c_int = SYS_openat;
    "msgrcv(2)" eintr_msgrcv(
        queue: c_int, message: *mut c_void, size: size_t, kind: c_long, flags: c_int
    ) -> ssize_t = SYS_msgrcv;
    "msgsnd(2)" eintr_msgsnd(
        queue: c_int, message: *const c_void, size: size_t, flags: c_int
    ) -> c_int = SYS_msgsnd;
    "mq_timedreceive(3)" eintr_mq_timedreceive(
        queue: mqd_t, message: *mut c_char, size: size_t, priority: *mut c_uint,
        until: *const timespec
    ) -> ssize_t = SYS_mq_timedreceive;
    "mq_timedsend(3)" eintr_mq_timedsend(
        queue: mqd_t, message: *const c_char, size: size_t, priority: c_uint, until: *const timespec
    ) -> c_int = SYS_mq_timedsend;
    "mq_receive(3)" eintr_mq_receive(
        queue: mqd_t, message: *mut c_char, size: size_t, priority: *mut c_uint
    ) -> ssize_t = SYS_mq_timedreceive;
    "mq_send(3)" eintr_mq_send(
        queue: mqd_t, message: *const c_char, size: size_t, priority: c_uint
    ) -> c_int = SYS_mq_timedsend;
    "semop(2)" eintr_semop(
        set: c_int, operations: *mut sembuf, count: size_t
    ) -> c_int = SYS_semtimedop;
    "wait4(2)" eintr_wait4(
        pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage
    ) -> pid_t = SYS_wait4;
    "waitpid(2)" eintr_waitpid(
        pid: pid_t, status: *mut c_int, options: c_int
    ) -> pid_t = SYS_wait4;
    "waitid(2)" eintr_waitid(
        kind: c_uint, id: libc::id_t, info: *mut siginfo_t, options: c_int
    ) -> c_int = SYS_waitid;
}
