//! Running a command to its end: [`status`] and [`output`].
//!
//! std's two do not suit a thread that is interrupted: `Command::status` leaves its child behind,
//! running or a zombie, and `Command::output` panics, for it unwraps what its reads say.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use super::child::wait;
use super::end::{end, end_meanwhile};
use crate::calls::event::{Events, PollFd, poll};
use crate::calls::io::read;
use crate::{Error, checkpoint, mask};

/// Runs a command and waits for it, as [`Command::status`]. If this thread is interrupted, the
/// child is asked to end (SIGTERM); if it is still there when the grace is over, it is killed; and
/// it is reaped in any case.
///
/// The thread that is interrupted is held up by that, at most for about so long as the grace: with
/// [`Duration::MAX`] for as long as the child takes. With none at all the child is asked and killed
/// at once. A deadline ([`timeout`](crate::timeout())) ends the child in the same way. The child's
/// own children are for it to end.
///
/// # Examples
///
/// ```
/// use std::process::Command;
/// use std::time::Duration;
///
/// let grace = Duration::from_secs(5);
/// assert!(eintr::process::status(&mut Command::new("true"), grace)?.success());
///
/// let stuck = eintr::timeout(Duration::from_millis(20), || {
///     eintr::process::status(Command::new("sleep").arg("1000"), grace)
/// });
/// assert!(stuck.is_err()); // and no `sleep` is left behind
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`]; that of [`Command::spawn`]; or the kernel's: ECHILD if the child was
/// reaped elsewhere (or if SIGCHLD is ignored), EPERM if this thread was interrupted and the child,
/// which runs as somebody else, may not be signalled. It is left behind then.
///
/// # Interruption
///
/// On `Interrupted` the command was not started, or its child has ended and was reaped. If it had
/// ended by itself before it was asked, its status is returned.
///
/// See [wait(2)](https://man7.org/linux/man-pages/man2/wait.2.html) and
/// [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html).
pub fn status(command: &mut Command, grace: Duration) -> Result<ExitStatus, Error> {
    let mut child = spawn(command)?;
    wait(&mut child).or_else(|error| {
        if let Some(status) = has_ended(&mut child) {
            return Ok(status);
        }
        Err(told(error, end(&mut child, grace)))
    })
}

/// Runs a command and collects what it writes, as [`Command::output`]. If this thread is
/// interrupted, the child is ended as by [`status`].
///
/// The standard output and error are always captured, and stay set to [`Stdio::piped`] in the
/// command. The standard input is what was set for it, else this process's own: where the command
/// might read, [`Stdio::null`] is to be set.
///
/// It ends when both are at their end, which children of the child may put off, and the child has
/// ended.
///
/// # Examples
///
/// ```
/// use std::process::{Command, Stdio};
/// use std::time::Duration;
///
/// let mut command = Command::new("echo");
/// command.arg("hello").stdin(Stdio::null());
/// let output = eintr::process::output(&mut command, Duration::from_secs(5))?;
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// As [`status`].
///
/// # Interruption
///
/// On `Interrupted` the command was not started, or its child has ended and was reaped. What had
/// been read by then is given up; what the child writes on its way out is read, so that it is not
/// held up, and given up too.
///
/// See [wait(2)](https://man7.org/linux/man-pages/man2/wait.2.html) and
/// [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html).
pub fn output(command: &mut Command, grace: Duration) -> Result<Output, Error> {
    let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let mut pipes = Pipes::of(&mut child);
    let ended = pipes.read_to_end().and_then(|()| wait(&mut child)).or_else(|error| {
        if pipes.are_at_their_end() {
            if let Some(status) = has_ended(&mut child) {
                return Ok(status);
            }
        }
        let ended = end_meanwhile(&mut child, grace, |pidfd| pipes.drain_until(pidfd));
        Err(told(error, ended))
    });
    let [stdout, stderr] = pipes.bytes;
    Ok(Output { status: ended?, stdout, stderr })
}

/// Starts the command, unless this thread is interrupted. What interrupts it meanwhile waits: half
/// of a start is none.
fn spawn(command: &mut Command) -> Result<Child, Error> {
    checkpoint()?;
    mask(|| command.spawn()).map_err(Error::Io)
}

/// The status of a child that has ended by itself.
fn has_ended(child: &mut Child) -> Option<ExitStatus> {
    mask(|| child.try_wait()).ok().flatten()
}

/// Why the call fails: because the child could not be ended, if it could not.
fn told(error: Error, ended: io::Result<ExitStatus>) -> Error {
    match ended {
        Err(left_behind) if left_behind.raw_os_error() == Some(libc::EPERM) => {
            Error::Io(left_behind)
        }
        _ => error,
    }
}

/// A child's standard output and error, and what was read from them.
struct Pipes {
    /// Those that are not at their end, and whose bytes they are.
    open: Vec<(OwnedFd, usize)>,
    bytes: [Vec<u8>; 2],
    buffer: Box<[u8]>,
}

/// What a pipe holds by default.
const CHUNK: usize = 64 * 1024;

impl Pipes {
    fn of(child: &mut Child) -> Self {
        let stdout = child.stdout.take().map(|stdout| (OwnedFd::from(stdout), 0));
        let stderr = child.stderr.take().map(|stderr| (OwnedFd::from(stderr), 1));
        let open = stdout.into_iter().chain(stderr).collect();
        Self { open, bytes: [Vec::new(), Vec::new()], buffer: vec![0; CHUNK].into() }
    }

    fn are_at_their_end(&self) -> bool {
        self.open.is_empty()
    }

    fn read_to_end(&mut self) -> Result<(), Error> {
        while !self.are_at_their_end() {
            self.read_ready(None)?;
        }
        Ok(())
    }

    /// Reads and forgets what comes, until the child has ended. Where that cannot be seen, the
    /// pipes are closed: what has inherited them may keep them open for longer than the child.
    fn drain_until(&mut self, pidfd: Option<&OwnedFd>) {
        let Some(pidfd) = pidfd else { return self.open.clear() };
        while !self.are_at_their_end() && !self.read_ready(Some(pidfd)).unwrap_or(true) {
            self.bytes.iter_mut().for_each(Vec::clear);
        }
    }

    /// Waits until something can be read, and reads that; whether the process of the pidfd has
    /// ended.
    fn read_ready(&mut self, pidfd: Option<&OwnedFd>) -> Result<bool, Error> {
        let fds = self.open.iter().map(|(fd, _)| fd).chain(pidfd);
        let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, Events::IN)).collect();
        poll(&mut fds, None)?;
        let ready: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for index in (0..self.open.len()).rev().filter(|index| ready[*index]) {
            let (fd, whose) = &self.open[index];
            match read(fd, &mut self.buffer)? {
                0 => drop(self.open.swap_remove(index)),
                length => self.bytes[*whose].extend_from_slice(&self.buffer[..length]),
            }
        }
        Ok(pidfd.is_some() && ready.last() == Some(&true))
    }
}
