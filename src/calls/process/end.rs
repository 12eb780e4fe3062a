//! Ending a child that is not waited for any longer: it is asked, after a grace killed, and reaped.
//!
//! SIGTERM is sent first and SIGKILL only when the grace is over. Both go by pidfd, which is opened
//! before std is asked whether the child is still there: a child that is there then was there when
//! the pidfd was opened, so that no stranger who has its number by now is hit. Where there are no
//! pidfds (before Linux 5.3, a sandbox, no descriptor left) the number has to do: it is the child's
//! as long as nobody else in the process reaps children that are not its own.
//!
//! # Safety
//!
//! Each block hands the kernel numbers only.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use libc::c_int;

use super::wait;
use crate::kernel::syscall;
use crate::{Error, mask, within};

/// Ends a child, whatever this thread is interrupted by meanwhile, and returns what it ended with.
/// [`Duration::MAX`] leaves it all the time that it takes.
///
/// An error means that it was reaped elsewhere (ECHILD), or that it may not be signalled (EPERM: it
/// runs as somebody else), and has been left alone then.
pub(crate) fn end(child: &mut Child, grace: Duration) -> io::Result<ExitStatus> {
    end_meanwhile(child, grace, |_| {})
}

/// As [`end`]. During the grace `meanwhile` is run first, on whose pidfd it sees the child's end: it
/// is to return by then, or when it is interrupted.
pub(super) fn end_meanwhile(
    child: &mut Child,
    grace: Duration,
    meanwhile: impl FnOnce(Option<&OwnedFd>),
) -> io::Result<ExitStatus> {
    mask(|| {
        let pidfd = pidfd_open(child.id()).ok();
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        send(child, pidfd.as_ref(), libc::SIGTERM)?;
        let ended = within(grace, || {
            meanwhile(pidfd.as_ref());
            wait(child)
        });
        match ended.value {
            Err(Error::Interrupted(_)) => {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
                send(child, pidfd.as_ref(), libc::SIGKILL)?;
                Ok(wait(child)?)
            }
            ended => Ok(ended?),
        }
    })
}

/// Sends a child a signal, which it had not been reaped before. One that has ended meanwhile is not
/// an error.
fn send(child: &Child, pidfd: Option<&OwnedFd>, signal: c_int) -> io::Result<()> {
    let by_pidfd = pidfd.map(|pidfd| pidfd_send_signal(pidfd, signal));
    match by_pidfd {
        Some(Ok(()) | Err(libc::ESRCH)) => Ok(()),
        // Not allowed at all, or not in this way: the other one tells.
        Some(Err(_)) | None => match kill(child.id(), signal) {
            Ok(()) | Err(libc::ESRCH) => Ok(()),
            Err(errno) => Err(io::Error::from_raw_os_error(errno)),
        },
    }
}

/// A descriptor of a process, which stays that process's when its number is another's. It is closed
/// on exec, and ready to be read once the process has ended.
fn pidfd_open(pid: u32) -> Result<OwnedFd, i32> {
    // SAFETY: no pointers.
    let fd = unsafe { syscall(libc::SYS_pidfd_open, [pid as usize, 0]) }?;
    // SAFETY: it is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Signals the process of a pidfd.
fn pidfd_send_signal(pidfd: &OwnedFd, signal: c_int) -> Result<(), i32> {
    let arguments = [pidfd.as_raw_fd() as usize, signal as usize, 0, 0];
    // SAFETY: a null pointer stands for what `kill` would tell.
    unsafe { syscall(libc::SYS_pidfd_send_signal, arguments) }.map(drop)
}

/// Signals the process that has that number.
fn kill(pid: u32, signal: c_int) -> Result<(), i32> {
    // SAFETY: no pointers.
    unsafe { syscall(libc::SYS_kill, [pid as usize, signal as usize]) }.map(drop)
}
