//! `semop`.
//!
//! # Safety
//!
//! The kernel is handed operations and a time that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::time::Duration;

use crate::calls::Limit;
use crate::kernel::{address_of, timespec_of};
use crate::thread::call;
use crate::{Error, complete};

/// One change of one semaphore, for [`semop`].
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

/// Does all operations on the semaphores of a set, as soon as all of them can be done at once.
///
/// # Examples
///
/// ```
/// use eintr::ipc::{SemOp, semop};
///
/// let id = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
/// semop(id, &[SemOp::new(0, 1)], None)?;
/// semop(id, &[SemOp::new(0, -1)], None)?;
/// # unsafe { libc::semctl(id, 0, libc::IPC_RMID) };
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: EAGAIN if the time is up, EIDRM if the set was
/// removed meanwhile.
///
/// # Interruption
///
/// On `Interrupted` no semaphore was changed.
///
/// See [semtimedop(2)](https://man7.org/linux/man-pages/man2/semtimedop.2.html).
pub fn semop(id: i32, operations: &[SemOp], timeout: Option<Duration>) -> Result<(), Error> {
    let limit = Limit::new(timeout);
    let [address, count] = [operations.as_ptr() as usize, operations.len()];
    complete(|| {
        let time = limit.remaining().map(timespec_of);
        let arguments = [id as usize, address, count, address_of(&time)];
        // SAFETY: the kernel reads the operations and the time, which are borrowed.
        unsafe { call(libc::SYS_semtimedop, arguments) }.map(drop)
    })
}
