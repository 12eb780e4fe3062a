//! [`ScopedChild`]: a child process that ends with its scope.
//!
//! A thread of the scope waits for it, and so is interrupted with the scope, whatever its body is
//! doing. (Rejected: leaving it to the body's next look, or to the scope's end. A body that is
//! stuck in something else, or that waits for what the child is to write, would never come to it.)

use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use super::{Scope, ScopedJoinHandle, TryScope};
use crate::calls::process;
use crate::{Builder, Error, Interrupter, Request, checkpoint, mask};

/// How long a child may take to end when it is asked, unless it is told otherwise.
const GRACE: Duration = Duration::from_secs(5);

/// A child process that belongs to a [`scope`](crate::scope()). Dropped, it is left to the scope's
/// end, which waits for it.
pub struct ScopedChild<'scope> {
    /// Its standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    id: u32,
    interrupter: Interrupter,
    grace: Arc<Mutex<Duration>>,
    /// The thread that waits for it; none when its result has been fetched.
    minder: Option<ScopedJoinHandle<'scope, io::Result<ExitStatus>>>,
    status: Option<ExitStatus>,
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a child process that belongs to the scope: the scope ends after it. If the scope is
    /// interrupted, the child is asked to end (SIGTERM), after a [grace](ScopedChild::set_grace)
    /// killed, and reaped. A thread of the scope's sees to that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Command;
    /// use std::time::Duration;
    ///
    /// let late = eintr::within(Duration::from_millis(50), || {
    ///     eintr::scope(|s| s.command(Command::new("sleep").arg("1000"))?.wait())
    /// });
    /// assert!(late.expired); // and no `sleep` is left behind
    /// # Ok::<(), eintr::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`], with no child started; or why it, or the thread, could not be.
    ///
    /// See [`process::status`](process::status()) for a child that is waited for on the spot.
    pub fn command(&'scope self, command: &mut Command) -> Result<ScopedChild<'scope>, Error> {
        ScopedChild::start(self, command)
    }
}

impl<'scope, E: Send> TryScope<'scope, '_, E> {
    /// Starts a child process that belongs to the scope. See [`Scope::command`]. How it ends is not
    /// an error by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`], with no child started; or why it, or the thread, could not be.
    pub fn command(&'scope self, command: &mut Command) -> Result<ScopedChild<'scope>, Error> {
        self.scope.command(command)
    }
}

impl<'scope> ScopedChild<'scope> {
    fn start(scope: &'scope Scope<'scope, '_>, command: &mut Command) -> Result<Self, Error> {
        checkpoint()?;
        // Half of a start is none.
        let mut child = mask(|| command.spawn()).map_err(Error::Io)?;
        let id = child.id();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let grace = Arc::new(Mutex::new(GRACE));
        let child = Arc::new(Mutex::new(child));
        let minded = (child.clone(), grace.clone());
        let builder = Builder::new().name(format!("child {id}"));
        let minder = scope.spawn_with(builder, move || mind(&minded.0, &minded.1));
        // Without a thread nobody would end it.
        let minder =
            minder.inspect_err(|_| drop(process::end(&mut lock(&child), Duration::ZERO)))?;
        let interrupter = minder.interrupter();
        let minder = Some(minder);
        Ok(Self { stdin, stdout, stderr, id, interrupter, grace, minder, status: None })
    }

    /// The kernel's id. Once the child has ended, it may be another's.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sets how long it may take to end when the scope is interrupted: first it is asked (SIGTERM),
    /// then, when that time is over, killed. 5 seconds, unless it is set; zero kills it at once
    /// after asking, and [`Duration::MAX`] never.
    pub fn set_grace(&self, grace: Duration) {
        *lock(&self.grace) = grace;
    }

    /// Waits for it to end. Its standard input is closed first, if it is still here. May be asked
    /// again later.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`], or the kernel's: ECHILD if it was reaped elsewhere.
    ///
    /// # Interruption
    ///
    /// On `Interrupted` the child may be ending, if it was the scope that was interrupted, or what
    /// is around it.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        drop(self.stdin.take());
        if let Some(minder) = &self.minder {
            minder.wait()?;
        }
        if let Some(minder) = self.minder.take() {
            let status = minder.join().unwrap_or_else(|_| Err(gone())).map_err(Error::Io)?;
            self.status = Some(status);
        }
        self.status.ok_or_else(|| Error::Io(gone()))
    }

    /// A handle that ends this child, as an interrupt of the scope would.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Ends this child, and nothing else of the scope's: asks it, and kills it after the grace.
    /// Returns at once.
    pub fn interrupt(&self) -> Request {
        self.interrupter.interrupt()
    }
}

/// Waits for a child, or ends it.
fn mind(child: &Mutex<Child>, grace: &Mutex<Duration>) -> io::Result<ExitStatus> {
    let mut child = lock(child);
    match process::wait(&mut child) {
        Err(Error::Interrupted(_)) => {
            let grace = *lock(grace);
            process::end(&mut child, grace)
        }
        waited => Ok(waited?),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> io::Error {
    io::Error::from_raw_os_error(libc::ECHILD)
}

impl fmt::Debug for ScopedChild<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedChild")
            .field("id", &self.id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
