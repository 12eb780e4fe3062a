//! Files, pipes, terminals: reading, writing, opening, locking.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`super`].

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use libc::{c_short, iovec, off_t, size_t, ssize_t};

use super::plain::eintr_openat;
use super::{Errno, border, borrowed, done, plain};
use crate::calls::net::message::header;
use crate::calls::socket_time::{Began, Way, complete_in_time};
use crate::kernel::syscall;
use crate::thread::call;

/// A read or a write of what may be a socket with a timeout: `waiting` is made, or, once such a
/// socket was interrupted by a signal that is not ours, `hurried`, which does not wait.
///
/// # Safety
///
/// As the syscalls.
unsafe fn on_descriptor<const N: usize, const M: usize>(
    fd: c_int,
    way: Way,
    waiting: (libc::c_long, [usize; N]),
    hurried: (libc::c_long, [usize; M]),
) -> Result<ssize_t, Errno> {
    let fd = borrowed(fd)?;
    let done = complete_in_time(fd, way, Began::UNKNOWN, |extra| match extra {
        // SAFETY: the caller's promise, unchanged.
        0 => unsafe { call(waiting.0, waiting.1) },
        // SAFETY: as above.
        _ => unsafe { call(hurried.0, hurried.1) },
    })?;
    Ok(done as ssize_t)
}

/// read(2)
///
/// # Safety
///
/// As read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_read(fd: c_int, buffer: *mut c_void, count: size_t) -> ssize_t {
    let [number, address] = [fd as usize, buffer as usize];
    let waiting = (libc::SYS_read, [number, address, count]);
    let flags = libc::MSG_DONTWAIT as usize;
    let hurried = (libc::SYS_recvfrom, [number, address, count, flags, 0, 0]);
    // SAFETY: the caller's promise.
    border(-1, || unsafe { on_descriptor(fd, Way::In, waiting, hurried) })
}

/// write(2)
///
/// # Safety
///
/// As write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    let [number, address] = [fd as usize, buffer as usize];
    let waiting = (libc::SYS_write, [number, address, count]);
    let flags = libc::MSG_DONTWAIT as usize;
    let hurried = (libc::SYS_sendto, [number, address, count, flags, 0, 0]);
    // SAFETY: the caller's promise.
    border(-1, || unsafe { on_descriptor(fd, Way::Out, waiting, hurried) })
}

/// readv(2)
///
/// # Safety
///
/// As readv.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_readv(fd: c_int, buffers: *const iovec, count: c_int) -> ssize_t {
    let mut message = header(buffers, count as usize);
    let waiting = (libc::SYS_readv, [fd as usize, buffers as usize, count as usize]);
    let arguments = [fd as usize, &raw mut message as usize, libc::MSG_DONTWAIT as usize];
    // SAFETY: the caller's promise.
    border(-1, || unsafe { on_descriptor(fd, Way::In, waiting, (libc::SYS_recvmsg, arguments)) })
}

/// writev(2)
///
/// # Safety
///
/// As writev.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_writev(fd: c_int, buffers: *const iovec, count: c_int) -> ssize_t {
    let message = header(buffers, count as usize);
    let waiting = (libc::SYS_writev, [fd as usize, buffers as usize, count as usize]);
    let arguments = [fd as usize, &raw const message as usize, libc::MSG_DONTWAIT as usize];
    // SAFETY: the caller's promise.
    border(-1, || unsafe { on_descriptor(fd, Way::Out, waiting, (libc::SYS_sendmsg, arguments)) })
}

/// preadv2(2), or pwritev2(2). A socket that is not to wait is told so by a flag of these, too.
///
/// # Safety
///
/// As they.
unsafe fn at(
    way: Way,
    number: libc::c_long,
    fd: c_int,
    [buffers, count, offset, flags]: [usize; 4],
) -> ssize_t {
    let call = |more: c_int| {
        // The upper half of the offset counts where a word has 32 bits.
        (number, [fd as usize, buffers, count, offset, 0, flags | more as usize])
    };
    // SAFETY: the caller's promise.
    border(-1, || unsafe { on_descriptor(fd, way, call(0), call(libc::RWF_NOWAIT)) })
}

/// preadv2(2)
///
/// # Safety
///
/// As preadv2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_preadv2(
    fd: c_int,
    buffers: *const iovec,
    count: c_int,
    offset: off_t,
    flags: c_int,
) -> ssize_t {
    let arguments = [buffers as usize, count as usize, offset as usize, flags as usize];
    // SAFETY: the caller's promise.
    unsafe { at(Way::In, libc::SYS_preadv2, fd, arguments) }
}

/// pwritev2(2)
///
/// # Safety
///
/// As pwritev2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_pwritev2(
    fd: c_int,
    buffers: *const iovec,
    count: c_int,
    offset: off_t,
    flags: c_int,
) -> ssize_t {
    let arguments = [buffers as usize, count as usize, offset as usize, flags as usize];
    // SAFETY: the caller's promise.
    unsafe { at(Way::Out, libc::SYS_pwritev2, fd, arguments) }
}

/// open(2)
///
/// # Safety
///
/// `path` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_open(
    path: *const c_char,
    flags: c_int,
    mode: libc::mode_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { eintr_openat(libc::AT_FDCWD, path, flags, mode) }
}

/// flock(2). Unlocking works on an interrupted thread.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_flock(fd: c_int, operation: c_int) -> c_int {
    done(|| {
        if operation & !libc::LOCK_NB == libc::LOCK_UN {
            return crate::calls::fs::lock::funlock(borrowed(fd)?).map_err(Errno);
        }
        // SAFETY: no pointers.
        unsafe { plain(libc::SYS_flock, [fd as usize, operation as usize]) }.map(drop)
    })
}

/// fcntl(2) with `F_SETLKW` or `F_OFD_SETLKW`. Unlocking works on an interrupted thread.
///
/// # Safety
///
/// `lock` is a lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_fcntl_lock(
    fd: c_int,
    command: c_int,
    lock: *mut libc::flock,
) -> c_int {
    done(|| {
        let at_once = match command {
            libc::F_SETLKW => libc::F_SETLK,
            libc::F_OFD_SETLKW => libc::F_OFD_SETLK,
            _ => return Err(Errno(libc::EINVAL)),
        };
        // SAFETY: the caller's promise.
        let kind = unsafe { lock.as_ref() }.ok_or(Errno(libc::EFAULT))?.l_type;
        if kind == libc::F_UNLCK as c_short {
            let arguments = [fd as usize, at_once as usize, lock as usize];
            // SAFETY: the caller's promise.
            return unsafe { syscall(libc::SYS_fcntl, arguments) }.map_err(Errno);
        }
        // SAFETY: the caller's promise.
        unsafe { plain(libc::SYS_fcntl, [fd as usize, command as usize, lock as usize]) }
    })
}

/// tcdrain(3)
#[unsafe(no_mangle)]
pub extern "C" fn eintr_tcdrain(fd: c_int) -> c_int {
    done(|| Ok(crate::terminal::tcdrain(borrowed(fd)?)?))
}
