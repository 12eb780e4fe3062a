//! Questions about sockets, asked without waiting.
//!
//! # Safety
//!
//! Each block hands the kernel a place of its own to write.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use libc::c_int;

use super::syscall;

/// The states of a TCP connection that is being made, as the kernel numbers them: `TCP_SYN_SENT`,
/// `TCP_SYN_RECV`, `TCP_NEW_SYN_RECV`.
pub(crate) const TCP_CONNECTING: [u8; 3] = [2, 3, 12];

/// The state of a TCP connection, by tcp(7); none if the socket is another protocol's.
pub(crate) fn tcp_state(fd: BorrowedFd<'_>) -> Option<u8> {
    tcp_state_of(fd.as_raw_fd() as usize)
}

/// The same of what may be no descriptor. Async-signal-safe.
pub(crate) fn tcp_state_of(fd: usize) -> Option<u8> {
    // The state is the first byte of `struct tcp_info`; emulators hand out no more than an integer
    // of it.
    let mut info = [0_u8; size_of::<c_int>()];
    let mut length = info.len() as libc::socklen_t;
    let [level, option] = [libc::IPPROTO_TCP as usize, libc::TCP_INFO as usize];
    let arguments = [fd, level, option, info.as_mut_ptr() as usize, &raw mut length as usize];
    // SAFETY: the kernel writes at most `length` bytes, and the length.
    unsafe { syscall(libc::SYS_getsockopt, arguments) }.ok()?;
    Some(info[0])
}

/// A number that the socket has under SOL_SOCKET; none if it is no socket. Async-signal-safe.
pub(crate) fn option(fd: usize, name: c_int) -> Option<c_int> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    let [level, name] = [libc::SOL_SOCKET as usize, name as usize];
    let arguments = [fd, level, name, &raw mut value as usize, &raw mut length as usize];
    // SAFETY: the kernel writes an integer and its length.
    unsafe { syscall(libc::SYS_getsockopt, arguments) }.ok()?;
    Some(value)
}
