//! [`scope`], [`try_scope`] and [`try_scope_all`]: a body and the threads that it spawns, as one.
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

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread as std_thread;

use crate::entry::install;
use crate::inherited::Inheritance;
use crate::{Interrupter, Task, reach};

mod child;
mod handle;
mod keep;
mod shared;
mod spawn;

use keep::Keep;
use shared::{OnPanic, Shared};

pub use child::ScopedChild;
pub use handle::ScopedJoinHandle;
pub use spawn::{Scope, TryScope};

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
/// scope, so its join has an [`Interrupted`](crate::Interrupted): with `?` the body gives up as
/// well.
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
/// say that they were interrupted. ([`try_scope_all`] keeps them.)
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
    // The first has come before what it interrupts.
    try_scope_all(f).map_err(|mut errors| errors.swap_remove(0))
}

/// As [`try_scope`], and keeps all the errors, in the order in which they came: the first is the one that
/// interrupted the others.
///
/// # Examples
///
/// ```
/// let failed = eintr::try_scope_all(|s| {
///     for part in ["the disk", "the network"] {
///         s.spawn(move || Err::<(), _>(part));
///     }
///     Ok(())
/// });
/// assert_eq!(failed.unwrap_err().len(), 2);
/// ```
///
/// # Errors
///
/// Those of the body and of the threads. Never none: then it is `Ok`.
///
/// # Panics
///
/// As [`try_scope`].
#[track_caller]
pub fn try_scope_all<'env, F, T, E>(f: F) -> Result<T, Vec<E>>
where
    F: for<'scope> FnOnce(&'scope TryScope<'scope, 'env, E>) -> Result<T, E>,
    E: Send + 'env,
{
    let errors = Arc::new(Mutex::new(Vec::new()));
    let returned = run(|std, keep, shared| {
        let errors = keep.outer(errors.clone());
        let scope = keep.inner(TryScope { scope: keep.inner(Scope { std, shared }), errors });
        let returned = shared.body(|| f(scope));
        returned.map_err(|error| scope.fail(error))
    });
    let errors = mem::take(&mut *errors.lock().unwrap_or_else(PoisonError::into_inner));
    // Whoever fails leaves an error, the body too.
    returned.ok().filter(|_| errors.is_empty()).ok_or(errors)
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
    let node = task.node().clone();
    let inheritance = Inheritance::here().and(node.clone());
    let shared = Shared::new(node, inheritance, reach);
    let _running = task.begin();
    // (Not in a closure: a panic of std's is to name the caller.)
    keep::scope(|std, keep| {
        let shared = keep.outer(shared);
        body(std, keep, shared)
    })
}
