//! Syscalls on semaphores and message queues.
//!
//! # Safety
//!
//! Each block hands the kernel operations, messages and times that are borrowed, or the block's
//! own, for the length of the call.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use libc::{c_int, c_long};

use crate::kernel::clock::wall_clock_in;
use crate::kernel::{address_of, timespec_of};
use crate::thread::{Outcome, call};

/// One change of one semaphore, for [`semop`](crate::ipc::semop).
///
/// Laid out as the kernel's `struct sembuf`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SemOp {
    semaphore: u16,
    change: i16,
    flags: i16,
}

const _: () = assert!(size_of::<SemOp>() == size_of::<libc::sembuf>());

impl SemOp {
    /// Of the semaphore with that index: adds a positive change; waits until it can subtract a
    /// negative one; with 0, waits until the value is 0.
    pub const fn new(semaphore: u16, change: i16) -> Self {
        Self { semaphore, change, flags: 0 }
    }

    /// The kernel takes the change back when the process ends (`SEM_UNDO`).
    pub const fn undo(self) -> Self {
        Self { flags: self.flags | libc::SEM_UNDO as i16, ..self }
    }

    /// Fails rather than waits (`IPC_NOWAIT`).
    pub const fn no_wait(self) -> Self {
        Self { flags: self.flags | libc::IPC_NOWAIT as i16, ..self }
    }
}

pub(crate) fn semop(id: i32, operations: &[SemOp], timeout: Option<Duration>) -> Outcome<()> {
    let timeout = timeout.map(timespec_of);
    let arguments =
        [id as usize, operations.as_ptr() as usize, operations.len(), address_of(&timeout)];
    // SAFETY: the kernel reads the operations and the time, which are borrowed.
    unsafe { call(libc::SYS_semtimedop, arguments) }.map(drop)
}

/// The type that precedes a message's text.
pub(crate) const TYPE_SIZE: usize = size_of::<c_long>();

/// Receives the type, and as much text as there is room for after it; the length of the text.
///
/// # Panics
///
/// If there is no room for the type.
pub(crate) fn msgrcv(id: i32, buffer: &mut [u8], which: c_long, flags: c_int) -> Outcome<usize> {
    let room = buffer.len().checked_sub(TYPE_SIZE).expect("room for a type");
    let address = buffer.as_mut_ptr() as usize;
    let arguments = [id as usize, address, room, which as usize, flags as usize];
    // SAFETY: the kernel writes the type and at most `room` bytes after it into the buffer.
    unsafe { call(libc::SYS_msgrcv, arguments) }
}

/// Sends a type with the text after it.
///
/// # Panics
///
/// If there is no type.
pub(crate) fn msgsnd(id: i32, message: &[u8]) -> Outcome<()> {
    let length = message.len().checked_sub(TYPE_SIZE).expect("a type");
    let arguments = [id as usize, message.as_ptr() as usize, length, 0];
    // SAFETY: the kernel reads the type and `length` bytes after it from the message.
    unsafe { call(libc::SYS_msgsnd, arguments) }.map(drop)
}

pub(crate) fn mq_receive(
    queue: BorrowedFd<'_>,
    buffer: &mut [u8],
    priority: &mut u32,
    timeout: Option<Duration>,
) -> Outcome<usize> {
    let until = timeout.map(wall_clock_in);
    let [address, priority] = [buffer.as_mut_ptr() as usize, &raw mut *priority as usize];
    let arguments =
        [queue.as_raw_fd() as usize, address, buffer.len(), priority, address_of(&until)];
    // SAFETY: the kernel writes into the buffer and the priority, and reads the time.
    unsafe { call(libc::SYS_mq_timedreceive, arguments) }
}

pub(crate) fn mq_send(
    queue: BorrowedFd<'_>,
    message: &[u8],
    priority: u32,
    timeout: Option<Duration>,
) -> Outcome<()> {
    let until = timeout.map(wall_clock_in);
    let [queue, address] = [queue.as_raw_fd() as usize, message.as_ptr() as usize];
    let arguments = [queue, address, message.len(), priority as usize, address_of(&until)];
    // SAFETY: the kernel reads the message and the time.
    unsafe { call(libc::SYS_mq_timedsend, arguments) }.map(drop)
}
