//! `waitid` and `waitpid`.
//!
//! # Safety
//!
//! Each block hands the kernel a record of its own to write.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use bitflags::bitflags;
use libc::{c_int, siginfo_t};

use super::Waited;
use crate::thread::{Outcome, call};
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
    complete(|| wait_for(kind, id, options))
}

/// waitid, which tells a change by a siginfo.
pub(super) fn wait_for(kind: libc::idtype_t, id: i32, options: c_int) -> Outcome<Waited> {
    // SAFETY: a siginfo is plain numbers, and all zeros is one.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    let [kind, id, address] = [kind as usize, id as usize, &raw mut info as usize];
    // SAFETY: the kernel writes a siginfo; there is no rusage.
    unsafe { call(libc::SYS_waitid, [kind, id, address, options as usize, 0]) }?;
    // SAFETY: the kernel filled in a child's siginfo.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(Waited::from_change(pid, info.si_code, status))
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
    complete(|| {
        // As `WIFEXITED` and its kin decode it.
        let mut status: c_int = 0;
        let arguments = [pid as usize, &raw mut status as usize, options as usize, 0];
        // SAFETY: the kernel writes the status; there is no rusage.
        let pid = unsafe { call(libc::SYS_wait4, arguments) }?;
        Ok(Waited::from_encoded(pid as i32, status))
    })
}
