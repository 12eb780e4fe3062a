//! Semaphores and message queues.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`super`].

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_void};

use libc::{mqd_t, sembuf, size_t, ssize_t, timespec};

use super::files::plain_calls;
use super::{plain, span};
use crate::calls::Limit;
use crate::capi::border::{border, done};
use crate::complete;
use crate::kernel::{address_of, timespec_of};
use crate::thread::call;

plain_calls! {
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
}

/// mq_receive(3)
///
/// # Safety
///
/// As mq_receive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_mq_receive(
    queue: mqd_t,
    message: *mut c_char,
    size: size_t,
    priority: *mut c_uint,
) -> ssize_t {
    // SAFETY: the caller's promise.
    unsafe { eintr_mq_timedreceive(queue, message, size, priority, std::ptr::null()) }
}

/// mq_send(3)
///
/// # Safety
///
/// As mq_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_mq_send(
    queue: mqd_t,
    message: *const c_char,
    size: size_t,
    priority: c_uint,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { eintr_mq_timedsend(queue, message, size, priority, std::ptr::null()) }
}

/// semop(2)
///
/// # Safety
///
/// As semop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_semop(set: c_int, operations: *mut sembuf, count: size_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { eintr_semtimedop(set, operations, count, std::ptr::null()) }
}

/// semtimedop(2)
///
/// # Safety
///
/// As semtimedop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_semtimedop(
    set: c_int,
    operations: *mut sembuf,
    count: size_t,
    timeout: *const timespec,
) -> c_int {
    done(|| {
        // SAFETY: the caller's promise.
        let limit = Limit::new(unsafe { span(timeout) }?);
        Ok(complete(|| {
            let left = limit.remaining().map(timespec_of);
            let arguments = [set as usize, operations as usize, count, address_of(&left)];
            // SAFETY: the caller's promise; the time is ours.
            unsafe { call(libc::SYS_semtimedop, arguments) }
        })?)
    })
}
