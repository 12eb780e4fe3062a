//! Sockets.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`super`].

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use libc::{msghdr, size_t, sockaddr, socklen_t, ssize_t};

use super::borrowed;
use crate::calls::net::connect::connect_raw;
use crate::calls::socket_time::{Began, Way, complete_in_time};
use crate::capi::border::{Errno, border, done};
use crate::kernel::RawAddress;
use crate::thread::call;

/// A call on a socket, told by its flags not to wait once the socket's own time was broken into.
///
/// # Safety
///
/// As the syscall.
unsafe fn on_socket<const N: usize>(
    fd: c_int,
    way: Way,
    number: libc::c_long,
    arguments: impl Fn(usize) -> [usize; N],
) -> Result<usize, Errno> {
    let fd = borrowed(fd)?;
    // SAFETY: the caller's promise, unchanged.
    Ok(complete_in_time(fd, way, Began::now(), |extra| unsafe {
        call(number, arguments(extra as usize))
    })?)
}

/// accept(2)
///
/// # Safety
///
/// As accept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_accept(
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { eintr_accept4(fd, address, length, 0) }
}

/// accept4(2)
///
/// # Safety
///
/// As accept4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_accept4(
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
    flags: c_int,
) -> c_int {
    let arguments = [fd as usize, address as usize, length as usize, flags as usize];
    // SAFETY: the caller's promise.
    border(-1, || unsafe {
        // It has no flag not to wait.
        Ok(on_socket(fd, Way::In, libc::SYS_accept4, |_| arguments)? as c_int)
    })
}

/// connect(2)
///
/// # Safety
///
/// As connect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_connect(
    fd: c_int,
    address: *const sockaddr,
    length: socklen_t,
) -> c_int {
    done(|| {
        if address.is_null() {
            return Err(Errno(libc::EFAULT));
        }
        // SAFETY: the caller's promise: so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), length as usize) };
        let address = RawAddress::from_bytes(bytes).ok_or(Errno(libc::EINVAL))?;
        Ok(connect_raw(borrowed(fd)?, &address).map_err(|stopped| stopped.error)?)
    })
}

/// recv(2)
///
/// # Safety
///
/// As recv.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_recv(
    fd: c_int,
    buffer: *mut c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    unsafe { eintr_recvfrom(fd, buffer, length, flags, std::ptr::null_mut(), std::ptr::null_mut()) }
}

/// recvfrom(2)
///
/// # Safety
///
/// As recvfrom.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    length: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_length: *mut socklen_t,
) -> ssize_t {
    let arguments = |extra: usize| {
        let [address, address_length] = [address as usize, address_length as usize];
        [fd as usize, buffer as usize, length, flags as usize | extra, address, address_length]
    };
    // SAFETY: the caller's promise.
    border(-1, || unsafe { Ok(on_socket(fd, Way::In, libc::SYS_recvfrom, arguments)? as ssize_t) })
}

/// recvmsg(2)
///
/// # Safety
///
/// As recvmsg.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    let arguments = |extra: usize| [fd as usize, message as usize, flags as usize | extra];
    // SAFETY: the caller's promise.
    border(-1, || unsafe { Ok(on_socket(fd, Way::In, libc::SYS_recvmsg, arguments)? as ssize_t) })
}

/// send(2)
///
/// # Safety
///
/// As send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_send(
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    unsafe { eintr_sendto(fd, buffer, length, flags, std::ptr::null(), 0) }
}

/// sendto(2)
///
/// # Safety
///
/// As sendto.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sendto(
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_length: socklen_t,
) -> ssize_t {
    let arguments = |extra: usize| {
        let [address, address_length] = [address as usize, address_length as usize];
        [fd as usize, buffer as usize, length, flags as usize | extra, address, address_length]
    };
    // SAFETY: the caller's promise.
    border(-1, || unsafe { Ok(on_socket(fd, Way::Out, libc::SYS_sendto, arguments)? as ssize_t) })
}

/// sendmsg(2)
///
/// # Safety
///
/// As sendmsg.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let arguments = |extra: usize| [fd as usize, message as usize, flags as usize | extra];
    // SAFETY: the caller's promise.
    border(-1, || unsafe { Ok(on_socket(fd, Way::Out, libc::SYS_sendmsg, arguments)? as ssize_t) })
}
