//! [`scope`] and [`try_scope`]: a body and the threads that it spawns, as one.
//!
//! std's scope does the joining, and std's bounds say what may be borrowed and what must not
//! escape; ours adds a task that runs on all of its threads. What they inherit, and how they are
//! all reached, is in [`inherited`](crate::inherited).
//!
//! # It ends
//!
//! The join at the end waits for every thread, whatever happens: what they borrow must outlive
//! them. So nothing interrupts it, and it is for the threads to end. A body that panics interrupts
//! them, since nobody would tell them any more: a thread that waits for the body would wait for
//! ever, and so would the panic. A thread that panics does not interrupt the others in `scope`, as
//! in std's: whoever joins it may know what to do. In `try_scope` it does, for there it is a
//! failure like an error.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread as std_thread;

use crate::error::Error;
use crate::inherited::Inheritance;
use crate::interrupted::{Interrupted, Reason};
use crate::interrupter::{Interrupter, Request};
use crate::node::Node;
use crate::reach::{self, Reach};
use crate::sys::install;
use crate::sys::scoped::{self, Keep};
use crate::task::{Builder, Task};

mod child;
mod handle;

pub use child::ScopedChild;
pub use handle::ScopedJoinHandle;

/// Runs `f`, whose threads may borrow what it has borrowed, and returns when `f` and all of them
/// have ended. As [`std::thread::scope`]; and the whole is one task, whose
/// [`interrupter`](Scope::interrupter) reaches the body and every thread.
///
/// What is in force where `scope` is called is in force on each of its threads: the tasks around it
/// (who interrupts one of them interrupts the threads as well), the deadlines, and the masks. The
/// wait for the threads at the end cannot be interrupted.
///
/// # Examples
///
/// ```
/// use std::io;
/// use std::net::{SocketAddr, TcpListener, TcpStream};
/// use std::time::Duration;
///
/// /// Connects to all of them at once.
/// fn connect(addresses: &[SocketAddr]) -> Vec<io::Result<TcpStream>> {
///     eintr::scope(|s| {
///         let connect = |address| s.spawn(move || TcpStream::connect(address));
///         let threads: Vec<_> = addresses.iter().map(connect).collect();
///         threads.into_iter().map(|thread| thread.join().unwrap()).collect()
///     })
/// }
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let addresses = [listener.local_addr()?; 2];
/// // Those that have not answered by then have failed: the deadline is in force in each thread.
/// let connected = eintr::within(Duration::from_secs(60), || connect(&addresses));
/// assert!(connected.value.iter().all(Result::is_ok));
/// # Ok::<(), io::Error>(())
/// ```
///
/// A thread must not borrow what the body itself owns:
///
/// ```compile_fail,E0597
/// eintr::scope(|s| {
///     let local = String::from("gone before the threads are");
///     s.spawn(|| println!("{local}"));
/// });
/// ```
///
/// Nor may the scope, or what it has given out, leave it:
///
/// ```compile_fail
/// let handle = eintr::scope(|s| s.spawn(|| 42));
/// handle.join();
/// ```
///
/// ```compile_fail
/// let mut kept = None;
/// eintr::scope(|s| kept = Some(s));
/// ```
///
/// ```compile_fail
/// eintr::scope(|s| {
///     std::thread::spawn(move || s.spawn(|| ()));
/// });
/// ```
///
/// And what two threads share must be fit for that:
///
/// ```compile_fail,E0277
/// let cell = std::cell::Cell::new(0);
/// eintr::scope(|s| {
///     s.spawn(|| cell.set(1));
/// });
/// ```
///
/// # Panics
///
/// If `f` does, which interrupts the threads; or if a thread did that was not joined by hand.
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    run(|std, keep, shared| {
        let scope = keep.inner(Scope { std, shared });
        shared.body(|| f(scope))
    })
}

/// As [`scope`], for a body and threads that may fail: the first error interrupts all the others,
/// and is returned when they have ended.
///
/// A panic in it interrupts them too.
///
/// # Examples
///
/// ```
/// use std::io::{self, Read};
/// use std::os::unix::net::UnixStream;
///
/// let (silent, _peer) = UnixStream::pair()?;
/// let failed = eintr::try_scope(|s| {
///     s.spawn(|| (&silent).read(&mut [0; 64]));
///     s.spawn(|| Err::<(), _>(io::Error::other("no use")));
///     Ok(())
/// });
/// // Nobody has waited for the silent one.
/// assert_eq!(failed.unwrap_err().to_string(), "no use");
/// # Ok::<(), io::Error>(())
/// ```
///
/// What a thread has returned is had by joining it. One that failed has left its error with the
/// scope, so its join has an [`Interrupted`]: with `?` the body gives up as well.
///
/// ```
/// use std::time::Duration;
///
/// let [one, two] = [1, 2];
/// let sum = eintr::try_scope(|s| {
///     let one = s.spawn(|| Ok(one));
///     let two = s.spawn(|| Ok(two));
///     Ok::<_, eintr::Error>(one.join().unwrap()? + two.join().unwrap()?)
/// });
/// assert_eq!(sum?, 3);
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// As in a scope that cannot fail, nothing of the body's own may be borrowed:
///
/// ```compile_fail,E0597
/// let _ = eintr::try_scope(|s| {
///     let local = String::from("gone before the threads are");
///     s.spawn(|| Ok(drop(&local)));
///     Ok::<(), eintr::Error>(())
/// });
/// ```
///
/// # Errors
///
/// The first that the body or one of the threads has returned. The others are dropped: most of them
/// say that they were interrupted.
///
/// # Panics
///
/// If `f` does; or if a thread did that was not joined by hand.
#[track_caller]
pub fn try_scope<'env, F, T, E>(f: F) -> Result<T, E>
where
    F: for<'scope> FnOnce(&'scope TryScope<'scope, 'env, E>) -> Result<T, E>,
    E: Send + 'env,
{
    let first = Arc::new(Mutex::new(None));
    let returned = run(|std, keep, shared| {
        let first = keep.outer(first.clone());
        let scope = keep.inner(TryScope { scope: keep.inner(Scope { std, shared }), first });
        let returned = shared.body(|| f(scope));
        returned.map_err(|error| scope.fail(error))
    });
    let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (first, returned) {
        (Some(error), _) => Err(error),
        (None, Ok(value)) => Ok(value),
        (None, Err(_)) => unreachable!("whoever fails leaves an error"),
    }
}

/// What a [`scope`]'s body and threads spawn others with.
#[derive(Clone, Copy)]
pub struct Scope<'scope, 'env: 'scope> {
    std: &'scope std_thread::Scope<'scope, 'env>,
    shared: &'scope Shared,
}

/// What a [`try_scope`]'s body and threads spawn others with.
pub struct TryScope<'scope, 'env: 'scope, E> {
    scope: &'scope Scope<'scope, 'env>,
    first: &'scope Mutex<Option<E>>,
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a thread of the scope. Its body is a task of its own inside of the scope's.
    ///
    /// # Panics
    ///
    /// If the system cannot create a thread; [`spawn_with`](Self::spawn_with) returns that as an
    /// error.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(Builder::new(), f).expect("failed to spawn thread")
    }

    /// Spawns a thread of the scope that is like the builder says. (Its plain calls are not reached
    /// if the builder says so, nor if those of the scope's caller are not.)
    ///
    /// # Errors
    ///
    /// If the system cannot create a thread.
    ///
    /// # Panics
    ///
    /// If the thread's name contains a null byte, as std's.
    pub fn spawn_with<F, T>(
        &'scope self,
        builder: Builder,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let shared = self.shared;
        let task = builder.task_inside(&shared.node);
        let interrupter = task.interrupter();
        let reach = shared.reach;
        let task = if reach { task } else { task.reach(false) };
        let body = move || {
            let _reach = Reach::set(reach);
            let run = || catch_unwind(AssertUnwindSafe(|| task.run(f)));
            shared.inheritance.run(run).unwrap_or_else(|payload| resume_unwind(payload))
        };
        let thread = builder.into_std().spawn_scoped(self.std, body)?;
        Ok(ScopedJoinHandle::new(thread, interrupter))
    }

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
    /// let late = eintr::timeout(Duration::from_millis(50), || {
    ///     eintr::scope(|s| s.command(Command::new("sleep").arg("1000"))?.wait())
    /// });
    /// assert!(late.is_err()); // and no `sleep` is left behind
    /// # Ok::<(), eintr::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`], with no child started; or why it, or the thread, could not be.
    ///
    /// See [`process::status`](crate::process::status) for a child that is waited for on the spot.
    pub fn command(&'scope self, command: &mut Command) -> Result<ScopedChild<'scope>, Error> {
        ScopedChild::start(self, command)
    }

    /// The interrupter of the whole scope: of its body and of all its threads, also of those to
    /// come. It is finished when all of them have ended.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.shared.node.clone())
    }

    /// Asks the whole scope to stop. See [`Interrupter::interrupt`].
    pub fn interrupt(&self) -> Request {
        self.interrupter().interrupt()
    }
}

impl<'scope, E: Send> TryScope<'scope, '_, E> {
    /// Spawns a thread of the scope. Its error interrupts the others.
    ///
    /// # Panics
    ///
    /// If the system cannot create a thread; [`spawn_with`](Self::spawn_with) returns that as an
    /// error.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, Result<T, Interrupted>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(Builder::new(), f).expect("failed to spawn thread")
    }

    /// Spawns a thread of the scope that is like the builder says. See [`Scope::spawn_with`].
    ///
    /// # Errors
    ///
    /// If the system cannot create a thread.
    ///
    /// # Panics
    ///
    /// If the thread's name contains a null byte, as std's.
    pub fn spawn_with<F, T>(
        &'scope self,
        builder: Builder,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, Result<T, Interrupted>>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        self.scope.spawn_with(builder, move || {
            let _guard = OnPanic(self.scope.shared);
            f().map_err(|error| self.fail(error))
        })
    }

    /// Starts a child process that belongs to the scope. See [`Scope::command`]. How it ends is not
    /// an error by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`], with no child started; or why it, or the thread, could not be.
    pub fn command(&'scope self, command: &mut Command) -> Result<ScopedChild<'scope>, Error> {
        self.scope.command(command)
    }

    /// The interrupter of the whole scope. See [`Scope::interrupter`].
    pub fn interrupter(&self) -> Interrupter {
        self.scope.interrupter()
    }

    /// Asks the whole scope to stop. See [`Interrupter::interrupt`].
    pub fn interrupt(&self) -> Request {
        self.scope.interrupt()
    }

    /// Leaves an error, if it is the first one.
    fn fail(&self, error: E) -> Interrupted {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        // The next ones are dropped where the lock is not held.
        let _next = if first.is_none() { first.replace(error) } else { Some(error) };
        drop(first);
        self.scope.shared.stop()
    }
}

/// What all of a scope have in common.
struct Shared {
    /// The scope's task.
    node: Arc<Node>,
    /// What its threads are to have in force. That task is the innermost of it.
    inheritance: Inheritance,
    reach: bool,
    /// What the rest has been interrupted with, if a part of the scope has failed.
    stopped: OnceLock<Interrupted>,
}

/// Runs the body as a task, in a scope of std's.
#[track_caller]
fn run<'env, T>(
    body: impl for<'scope> FnOnce(
        &'scope std_thread::Scope<'scope, 'env>,
        Keep<'scope, 'env>,
        &'scope Shared,
    ) -> T,
) -> T {
    install::ensure();
    // As everywhere, unless the caller is a task that has it off.
    let reach = Interrupter::current().is_none() || reach::is_on();
    let task = Task::new().reach(reach);
    let node = task.interrupter().0;
    let inheritance = Inheritance::here().and(node.clone());
    let shared = Shared { node, inheritance, reach, stopped: OnceLock::new() };
    let settled = Settled(Arc::new(shared));
    task.run(|| {
        scoped::scope(|std, keep| {
            let shared = keep.outer(settled.0.clone());
            body(std, keep, shared)
        })
    })
}

/// When all have ended, also by a panic, the caller is told what they have raised.
struct Settled(Arc<Shared>);

impl Drop for Settled {
    fn drop(&mut self) {
        self.0.inheritance.settle();
    }
}

impl Shared {
    fn body<T>(&self, f: impl FnOnce() -> T) -> T {
        let _guard = OnPanic(self);
        f()
    }

    /// Interrupts all of the scope, once.
    fn stop(&self) -> Interrupted {
        let stopped = self.stopped.get_or_init(|| {
            let text: Box<dyn StdError + Send + Sync> = "another part of the scope failed".into();
            Interrupted::new(Reason::Custom(text.into()))
        });
        self.node.request_once(stopped);
        stopped.clone()
    }
}

/// Interrupts all of the scope if a panic comes by.
struct OnPanic<'a>(&'a Shared);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std_thread::panicking() {
            self.0.stop();
        }
    }
}

impl<E> Clone for TryScope<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for TryScope<'_, '_, E> {}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("task", &self.shared.node.id()).finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for TryScope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryScope")
            .field("task", &self.scope.shared.node.id())
            .finish_non_exhaustive()
    }
}
