//! Waiting for a child of std's.

use std::process::{Child, ExitStatus};

use super::waiting::wait_for;
use crate::thread::{Outcome, Stop};
use crate::{Error, checkpoint, complete};

/// Waits for a child to end, as [`Child::wait`]: its standard input is closed first, and it may be
/// asked again later.
///
/// # Examples
///
/// ```
/// use std::process::Command;
///
/// let mut child = Command::new("sleep").arg("1000").spawn()?;
/// let waiter = eintr::spawn(move || (eintr::process::wait(&mut child), child));
/// waiter.interrupt();
/// let (waited, mut child) = waiter.join().unwrap();
/// assert!(waited.is_err());
///
/// child.kill()?; // it is still there
/// assert!(!eintr::process::wait(&mut child)?.success());
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error.
///
/// # Interruption
///
/// On `Interrupted` the child was neither reaped nor disturbed, unless by its standard input's end:
/// that was closed if the call began to wait.
///
/// See [wait(2)](https://man7.org/linux/man-pages/man2/wait.2.html).
pub fn wait(child: &mut Child) -> Result<ExitStatus, Error> {
    // Only std knows whether it has reaped the child: then its id may be another's by now, and must
    // not be waited for. So std is asked first, and is the one to reap. (Rejected: reaping in one
    // syscall of ours; the Child would not know, and kill or wait for whoever has the id next.)
    loop {
        if let Some(status) = complete(|| look(child))? {
            return Ok(status);
        }
        let ended = libc::WEXITED | libc::WNOWAIT;
        complete(|| wait_for(libc::P_PID, child.id() as i32, ended))?;
    }
}

/// Asks std. Its call is a plain one, which an interrupt that lands just before it makes fail with
/// EINTR (P11).
fn look(child: &mut Child) -> Outcome<Option<ExitStatus>> {
    if checkpoint::is_interrupted() {
        return Err(Stop::Cancelled);
    }
    drop(child.stdin.take());
    child.try_wait().map_err(|error| Stop::Errno(error.raw_os_error().unwrap_or(libc::EINVAL)))
}
