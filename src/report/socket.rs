//! What a socket is, for a report: asked by number, for it is another thread's, which may close it
//! at any moment. Then another one's is told, or none.
//!
//! # Safety
//!
//! Each block hands the kernel an address or an option of its own to write.

#![allow(unsafe_code)]

use libc::c_int;

use crate::kernel::address::RawAddress;
use crate::kernel::memory;
use crate::kernel::raw::syscall;

/// A socket as it shows itself.
#[derive(Debug)]
pub(super) struct Socket {
    /// `SOCK_STREAM` and its kin.
    pub(super) kind: c_int,
    pub(super) listens: bool,
    pub(super) name: RawAddress,
    pub(super) peer: Option<RawAddress>,
    /// Who was at the other end when it was connected, of a Unix socket.
    pub(super) peer_process: Option<i32>,
}

/// The socket of that number; none if it is none.
pub(super) fn socket(fd: i32) -> Option<Socket> {
    Some(Socket {
        kind: option::<c_int>(fd, libc::SO_TYPE)?,
        listens: option::<c_int>(fd, libc::SO_ACCEPTCONN).is_some_and(|listens| listens != 0),
        name: address(fd, libc::SYS_getsockname)?,
        peer: address(fd, libc::SYS_getpeername),
        peer_process: option::<[c_int; 3]>(fd, libc::SO_PEERCRED)
            .map(|[pid, ..]| pid)
            .filter(|pid| *pid > 0),
    })
}

/// The address that a `connect` under way was given.
pub(super) fn asked_peer(at: usize, length: usize) -> Option<RawAddress> {
    let mut peer = RawAddress::room();
    let room = peer.bytes();
    if !memory::read(at, room.get_mut(..length)?) {
        return None;
    }
    peer.set_length(length as libc::socklen_t);
    Some(peer)
}

/// Whether it waits for a limited time only. (A call on such a socket is not restarted after a
/// signal.)
pub(super) fn has_timeout(fd: i32) -> bool {
    [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO].into_iter().any(|name| {
        let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let mut length = size_of::<libc::timeval>() as libc::socklen_t;
        let [time_at, length_at] = [&raw mut time as usize, &raw mut length as usize];
        let arguments = [fd as usize, libc::SOL_SOCKET as usize, name as usize, time_at, length_at];
        // SAFETY: the kernel writes a time and its length.
        let asked = unsafe { syscall(libc::SYS_getsockopt, arguments) };
        asked.is_ok() && (time.tv_sec, time.tv_usec) != (0, 0)
    })
}

fn option<T: Default>(fd: i32, name: c_int) -> Option<T> {
    let mut value = T::default();
    let mut length = size_of::<T>() as libc::socklen_t;
    let [value_at, length_at] = [&raw mut value as usize, &raw mut length as usize];
    let arguments = [fd as usize, libc::SOL_SOCKET as usize, name as usize, value_at, length_at];
    // SAFETY: the kernel writes integers, into as many, and their length.
    unsafe { syscall(libc::SYS_getsockopt, arguments) }.ok()?;
    Some(value)
}

fn address(fd: i32, number: libc::c_long) -> Option<RawAddress> {
    let mut address = RawAddress::room();
    let [at, length_at] = address.room_pointers();
    // SAFETY: the kernel writes an address and its length into the room that the length tells.
    unsafe { syscall(number, [fd as usize, at, length_at]) }.ok()?;
    Some(address)
}
