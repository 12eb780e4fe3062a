//! Sockets.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`super`].

#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint, c_void};

use libc::{mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec};

use super::{Errno, border, borrowed, done};
use crate::calls::net::connect::connect_raw;
use crate::calls::socket_time::{Began, Way, complete_in_time};
use crate::kernel::RawAddress;
use crate::thread::call;

/// A call on a socket, which is its first argument. Once the socket's own time was broken into, it is told not
/// to wait, by that argument which has its flags; accept has no such flag.
///
/// # Safety
///
/// As the syscall.
unsafe fn on_socket<const N: usize>(
    way: Way,
    number: libc::c_long,
    arguments: [usize; N],
    flags: Option<usize>,
) -> Result<usize, Errno> {
    let fd = borrowed(arguments[0] as c_int)?;
    Ok(complete_in_time(fd, way, Began::now(), |extra| {
        let mut arguments = arguments;
        if let Some(flags) = flags {
            arguments[flags] |= extra as usize;
        }
        // SAFETY: the caller's promise, unchanged but for the flag.
        unsafe { call(number, arguments) }
    })?)
}

/// Exports such calls. The arguments that one lacks at the end are 0, or null.
macro_rules! on_socket {
    ($(
        $page:literal $name:ident($($argument:ident: $kind:ty),*) -> $result:ty
            = $way:ident $number:ident $(, flags $flags:literal)?;
    )*) => {$(
        #[doc = $page]
        ///
        /// # Safety
        ///
        /// As the page says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            let flags = None $(.or(Some($flags)))?;
            border(-1, || {
                let arguments = [$($argument as usize),*];
                // SAFETY: the caller's promise.
                let result = unsafe { on_socket(Way::$way, libc::$number, arguments, flags) }?;
                Ok(result as $result)
            })
        }
    )*};
}

on_socket! {
    "accept(2)" eintr_accept(
        fd: c_int, address: *mut sockaddr, length: *mut socklen_t
    ) -> c_int = In SYS_accept4;
    "accept4(2)" eintr_accept4(
        fd: c_int, address: *mut sockaddr, length: *mut socklen_t, flags: c_int
    ) -> c_int = In SYS_accept4;
    "recv(2)" eintr_recv(
        fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int
    ) -> ssize_t = In SYS_recvfrom, flags 3;
    "recvfrom(2)" eintr_recvfrom(
        fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int, address: *mut sockaddr,
        address_length: *mut socklen_t
    ) -> ssize_t = In SYS_recvfrom, flags 3;
    "recvmsg(2)" eintr_recvmsg(
        fd: c_int, message: *mut msghdr, flags: c_int
    ) -> ssize_t = In SYS_recvmsg, flags 2;
    "send(2)" eintr_send(
        fd: c_int, buffer: *const c_void, length: size_t, flags: c_int
    ) -> ssize_t = Out SYS_sendto, flags 3;
    "sendto(2)" eintr_sendto(
        fd: c_int, buffer: *const c_void, length: size_t, flags: c_int, address: *const sockaddr,
        address_length: socklen_t
    ) -> ssize_t = Out SYS_sendto, flags 3;
    "sendmsg(2)" eintr_sendmsg(
        fd: c_int, message: *const msghdr, flags: c_int
    ) -> ssize_t = Out SYS_sendmsg, flags 2;
    "recvmmsg(2)" eintr_recvmmsg(
        fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int, timeout: *mut timespec
    ) -> c_int = In SYS_recvmmsg, flags 3;
    "sendmmsg(2)" eintr_sendmmsg(
        fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int
    ) -> c_int = Out SYS_sendmmsg, flags 3;
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
