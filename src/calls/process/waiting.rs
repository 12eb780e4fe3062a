//! `waitid` and `waitpid`.

use std::os::fd::{AsRawFd, BorrowedFd};

use bitflags::bitflags;
use libc::c_int;

use super::{Waited, syscalls};
use crate::{Error, complete};

/// Whom [`waitid`] waits for, among the children of this process.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum WaitId<'fd> {
    /// Anyone: not for a library, which would take children that others wait for.
    Any,
    /// The one with this id.
    Pid(i32),
    /// The one of this pidfd.
    PidFd(BorrowedFd<'fd>),
    /// Those in the process group of this id; 0 for this process's own.
    Group(i32),
}

bitflags! {
    /// What [`waitid`] and [`waitpid`] wait for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct WaitOptions: u32 {
        /// The end. [`waitpid`] always waits for that.
        const EXITED = libc::WEXITED as u32;
        /// Being stopped by a signal.
        const STOPPED = libc::WSTOPPED as u32;
        /// Going on after that.
        const CONTINUED = libc::WCONTINUED as u32;
        /// Leaves the child to be waited for again. [`waitid`] only.
        const NOWAIT = libc::WNOWAIT as u32;
        /// Whatever else the kernel knows.
        const _ = !0;
    }
}

/// Waits for a child to change.
///
/// Also for children that std knows nothing of; for one of std's, see [`wait`](super::wait).
///
/// # Examples
///
/// ```
/// use eintr::process::{WaitId, WaitOptions, WaitStatus, waitid};
///
/// let child = std::process::Command::new("false").spawn()?;
/// let waited = waitid(WaitId::Pid(child.id() as i32), WaitOptions::EXITED)?;
/// assert_eq!(waited.status, WaitStatus::Exited(1));
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: ECHILD if there is no such child, EINVAL if there
/// is nothing to wait for.
///
/// # Interruption
///
/// On `Interrupted` no child was reaped, and no change was taken.
///
/// See [waitid(2)](https://man7.org/linux/man-pages/man2/waitid.2.html).
pub fn waitid(id: WaitId<'_>, options: WaitOptions) -> Result<Waited, Error> {
    let (kind, id) = match id {
        WaitId::Any => (libc::P_ALL, 0),
        WaitId::Pid(pid) => (libc::P_PID, pid),
        WaitId::PidFd(fd) => (libc::P_PIDFD, fd.as_raw_fd()),
        WaitId::Group(group) => (libc::P_PGID, group),
    };
    let options = options.bits() as c_int;
    complete(|| syscalls::waitid(kind, id, options))
}

/// Waits for a child to end, or to change otherwise if that is among the options. `pid` is as in
/// the manual: a child's id; -1 for any (not for a library, which would take children that others
/// wait for); 0 for those in this process's group; -n for those in group n.
///
/// # Examples
///
/// ```
/// use eintr::process::{WaitOptions, WaitStatus, waitpid};
///
/// let child = std::process::Command::new("true").spawn()?;
/// let waited = waitpid(child.id() as i32, WaitOptions::empty())?;
/// assert_eq!(waited.status, WaitStatus::Exited(0));
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: ECHILD if there is no such child.
///
/// # Interruption
///
/// On `Interrupted` no child was reaped, and no change was taken.
///
/// See [waitpid(2)](https://man7.org/linux/man-pages/man2/waitpid.2.html).
pub fn waitpid(pid: i32, options: WaitOptions) -> Result<Waited, Error> {
    // Without EXITED, which this syscall does not know.
    let options = options.bits() as c_int & !(libc::WEXITED as c_int);
    complete(|| syscalls::wait4(pid, options))
}
