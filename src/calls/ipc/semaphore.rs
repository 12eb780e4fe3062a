//! `semop`.

use std::time::Duration;

use super::syscalls;
use crate::calls::Limit;
use crate::{Error, complete};

pub use super::syscalls::SemOp;

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
    complete(|| syscalls::semop(id, operations, limit.remaining()))
}
