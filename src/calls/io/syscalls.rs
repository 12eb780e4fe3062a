//! Syscalls on file descriptors.
//!
//! Inlined, for of all that a call of ours adds to the syscall a second return after it is the
//! dearest: the kernel leaves the processor without a prediction for it.
//!
//! # Safety
//!
//! Each block hands the kernel buffers that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::thread::{Outcome, call};

fn number(fd: BorrowedFd<'_>) -> usize {
    fd.as_raw_fd() as usize
}

#[inline]
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Outcome<usize> {
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
    unsafe { call(libc::SYS_read, [number(fd), address, length]) }
}

#[inline]
pub(crate) fn write(fd: BorrowedFd<'_>, buffer: &[u8]) -> Outcome<usize> {
    let [address, length] = [buffer.as_ptr() as usize, buffer.len()];
    // SAFETY: the kernel reads at most `length` bytes from the buffer, which is borrowed.
    unsafe { call(libc::SYS_write, [number(fd), address, length]) }
}

#[inline]
pub(crate) fn readv(fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> Outcome<usize> {
    let [address, count] = [buffers.as_mut_ptr() as usize, buffers.len()];
    // SAFETY: an `IoSliceMut` is an iovec of a buffer that is borrowed mutably; there are `count`.
    unsafe { call(libc::SYS_readv, [number(fd), address, count]) }
}

#[inline]
pub(crate) fn writev(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> Outcome<usize> {
    let [address, count] = [buffers.as_ptr() as usize, buffers.len()];
    // SAFETY: an `IoSlice` is an iovec of a buffer that is borrowed; there are `count`.
    unsafe { call(libc::SYS_writev, [number(fd), address, count]) }
}

#[inline]
pub(crate) fn pread(fd: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Outcome<usize> {
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
    unsafe { call(libc::SYS_pread64, [number(fd), address, length, offset as usize]) }
}

#[inline]
pub(crate) fn pwrite(fd: BorrowedFd<'_>, buffer: &[u8], offset: u64) -> Outcome<usize> {
    let [address, length] = [buffer.as_ptr() as usize, buffer.len()];
    // SAFETY: the kernel reads at most `length` bytes from the buffer, which is borrowed.
    unsafe { call(libc::SYS_pwrite64, [number(fd), address, length, offset as usize]) }
}

/// An offset as preadv2 has it: -1 stands for the descriptor's own position.
fn at(offset: Option<u64>) -> usize {
    offset.map_or(usize::MAX, |offset| offset as usize)
}

pub(crate) fn preadv2(
    fd: BorrowedFd<'_>,
    buffers: &mut [IoSliceMut<'_>],
    offset: Option<u64>,
    flags: i32,
) -> Outcome<usize> {
    let [address, count] = [buffers.as_mut_ptr() as usize, buffers.len()];
    let arguments = [number(fd), address, count, at(offset), 0, flags as usize];
    // SAFETY: as for `readv`.
    unsafe { call(libc::SYS_preadv2, arguments) }
}

pub(crate) fn pwritev2(
    fd: BorrowedFd<'_>,
    buffers: &[IoSlice<'_>],
    offset: Option<u64>,
    flags: i32,
) -> Outcome<usize> {
    let [address, count] = [buffers.as_ptr() as usize, buffers.len()];
    let arguments = [number(fd), address, count, at(offset), 0, flags as usize];
    // SAFETY: as for `writev`.
    unsafe { call(libc::SYS_pwritev2, arguments) }
}

pub(crate) fn tee(
    reader: BorrowedFd<'_>,
    writer: BorrowedFd<'_>,
    length: usize,
    flags: u32,
) -> Outcome<usize> {
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_tee, [number(reader), number(writer), length, flags as usize]) }
}

pub(crate) fn vmsplice(
    pipe: BorrowedFd<'_>,
    buffers: &[IoSlice<'_>],
    flags: u32,
) -> Outcome<usize> {
    let [address, count] = [buffers.as_ptr() as usize, buffers.len()];
    // SAFETY: as for `writev`. What the pipe keeps are the pages, of which the kernel counts itself an owner.
    unsafe { call(libc::SYS_vmsplice, [number(pipe), address, count, flags as usize]) }
}

/// Where the kernel finds an offset and leaves it moved on; null stands for the descriptor's own
/// position.
fn position(offset: Option<&mut u64>) -> usize {
    offset.map_or(0, |offset| &raw mut *offset as usize)
}

pub(crate) fn splice(
    reader: BorrowedFd<'_>,
    from: Option<&mut u64>,
    writer: BorrowedFd<'_>,
    to: Option<&mut u64>,
    length: usize,
    flags: u32,
) -> Outcome<usize> {
    let [from, to] = [from, to].map(position);
    let arguments = [number(reader), from, number(writer), to, length, flags as usize];
    // SAFETY: the kernel reads and writes the offsets, as 64-bit integers that are borrowed
    // mutably.
    unsafe { call(libc::SYS_splice, arguments) }
}

pub(crate) fn sendfile(
    writer: BorrowedFd<'_>,
    reader: BorrowedFd<'_>,
    from: Option<&mut u64>,
    length: usize,
) -> Outcome<usize> {
    let arguments = [number(writer), number(reader), position(from), length];
    // SAFETY: the kernel reads and writes the offset, a 64-bit integer that is borrowed mutably.
    unsafe { call(libc::SYS_sendfile, arguments) }
}

pub(crate) fn copy_file_range(
    reader: BorrowedFd<'_>,
    from: Option<&mut u64>,
    writer: BorrowedFd<'_>,
    to: Option<&mut u64>,
    length: usize,
) -> Outcome<usize> {
    let [from, to] = [from, to].map(position);
    let arguments = [number(reader), from, number(writer), to, length];
    // SAFETY: the kernel reads and writes the offsets, as 64-bit integers that are borrowed
    // mutably.
    unsafe { call(libc::SYS_copy_file_range, arguments) }
}

pub(crate) fn getrandom(buffer: &mut [u8]) -> Outcome<usize> {
    let [address, length] = [buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most `length` bytes into the buffer, which is borrowed mutably.
    unsafe { call(libc::SYS_getrandom, [address, length, 0]) }
}
