//! Syscalls on sockets.
//!
//! # Safety
//!
//! Each block hands the kernel buffers and addresses that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::c_int;

use crate::kernel::RawAddress;
use crate::thread::{Outcome, call};

pub(crate) mod message;

fn number(fd: BorrowedFd<'_>) -> usize {
    fd.as_raw_fd() as usize
}

/// A new connection, closed on exec, with its peer's address.
#[inline]
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Outcome<(OwnedFd, RawAddress)> {
    let mut peer = RawAddress::room();
    let [address, length] = peer.room_pointers();
    let arguments = [number(listener), address, length, libc::SOCK_CLOEXEC as usize];
    // SAFETY: the kernel writes an address and its length into the room that the length tells.
    let accepted = unsafe { call(libc::SYS_accept4, arguments) }?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok((unsafe { OwnedFd::from_raw_fd(accepted as c_int) }, peer))
}

pub(crate) fn connect(fd: BorrowedFd<'_>, address: &RawAddress) -> Outcome<()> {
    let [address, length] = address.pointer_and_length();
    // SAFETY: the kernel reads an address of that length, which is borrowed.
    unsafe { call(libc::SYS_connect, [number(fd), address, length]) }.map(drop)
}

#[inline]
pub(crate) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8], flags: c_int) -> Outcome<usize> {
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
    unsafe { call(libc::SYS_recvfrom, [number(fd), address, length, flags as usize, 0, 0]) }
}

#[inline]
pub(crate) fn recv_from(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: c_int,
) -> Outcome<(usize, RawAddress)> {
    let mut sender = RawAddress::room();
    let [name, name_length] = sender.room_pointers();
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    let arguments = [number(fd), address, length, flags as usize, name, name_length];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably,
    // and an address and its length into the room that the length tells.
    let received = unsafe { call(libc::SYS_recvfrom, arguments) }?;
    Ok((received, sender))
}

#[inline]
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    buffer: &[u8],
    flags: c_int,
    to: Option<&RawAddress>,
) -> Outcome<usize> {
    let [address, length] = [buffer.as_ptr() as usize, buffer.len()];
    let [name, name_length] = to.map_or([0, 0], RawAddress::pointer_and_length);
    let arguments = [number(fd), address, length, flags as usize, name, name_length];
    // SAFETY: the kernel reads at most `length` bytes from the buffer and an address of that
    // length, both borrowed.
    unsafe { call(libc::SYS_sendto, arguments) }
}
