//! [`JoinSet`]: members whose ends are seen.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};
use std::{fmt, io, thread};

use super::Group;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::{Builder, Interrupted, Interrupter};

/// Members of a [`Group`] whose ends are seen, one by one, each with its `Err` or its panic. Made by
/// [`Group::join_set`].
///
/// A handle, and cheap to clone: one thread may spawn, and another join. What nobody joins is kept until the
/// last handle is dropped; the members go on then, as any of the group's.
///
/// # Examples
///
/// ```
/// use std::io::{self, Read};
/// use std::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
///
/// let group = eintr::Group::new();
/// let set = group.join_set();
/// let connections = set.clone();
/// set.spawn(move || -> io::Result<()> {
///     loop {
///         let (mut connection, _peer) = listener.accept()?;
///         connections.spawn(move || connection.read_exact(&mut [0; 64]));
///     }
/// });
///
/// // It says nothing, and goes.
/// drop(TcpStream::connect(address)?);
/// let ended = set.join_next()?.expect("the listener is still there");
/// assert_eq!(ended.result.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
///
/// group.interrupt();
/// while let Some(ended) = set.join_next()? {
///     assert!(ended.member.raised().is_some());
/// }
/// # Ok::<(), io::Error>(())
/// ```
pub struct JoinSet<T> {
    group: Group,
    ends: Arc<Ends<T>>,
}

/// A member that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended<T> {
    /// Who it was: its number, its name, and [what it was interrupted for](Interrupter::raised).
    pub member: Interrupter,
    /// What it has returned, or what it has panicked with.
    pub result: thread::Result<T>,
}

struct Ends<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    expected: usize,
    ended: VecDeque<Ended<T>>,
}

/// An end that is to come, unless there was no thread to be had.
struct Expected<T>(Weak<Ends<T>>);

impl Group {
    /// A set of members whose ends are seen. There may be several, each with what its members return.
    pub fn join_set<T>(&self) -> JoinSet<T> {
        let state = State { expected: 0, ended: VecDeque::new() };
        let ends = Ends { state: Mutex::new(state), changed: Condvar::new() };
        JoinSet { group: self.clone(), ends: Arc::new(ends) }
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Spawns a member, as [`Group::spawn`].
    ///
    /// # Panics
    ///
    /// If the system cannot create a thread; [`spawn_with`](Self::spawn_with) returns that as an
    /// error.
    #[track_caller]
    pub fn spawn(&self, f: impl FnOnce() -> T + Send + 'static) -> Interrupter {
        self.spawn_with(Builder::new(), f).expect("failed to spawn thread")
    }

    /// Spawns a member that is like the builder says.
    ///
    /// # Errors
    ///
    /// If the system cannot create a thread.
    ///
    /// # Panics
    ///
    /// If the thread's name contains a null byte, as std's.
    #[track_caller]
    pub fn spawn_with(
        &self,
        builder: Builder,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Interrupter> {
        self.ends.locked().expected += 1;
        let expected = Expected(Arc::downgrade(&self.ends));
        // Off the group's list by then: who has seen the last end finds the group empty.
        let tell = move |member, result| expected.tell(Ended { member, result });
        Ok(self.group.spawn_told(builder, f, tell)?.interrupter())
    }

    /// Waits for the next member to end, and hands out its end: in the order in which they end, each once.
    /// `None` if all have ended, and were handed out.
    ///
    /// # Errors
    ///
    /// [`Interrupted`], if the waiting thread is.
    ///
    /// # Interruption
    ///
    /// No end was handed out, and no member is disturbed.
    pub fn join_next(&self) -> Result<Option<Ended<T>>, Interrupted> {
        let mut state = self.ends.locked();
        let wait = |state: &mut State<T>| state.ended.is_empty() && state.expected > 0;
        let _poison = self.ends.changed.wait_while_interruptible(&mut state, wait)?;
        Ok(state.ended.pop_front())
    }

    /// As [`join_next`](Self::join_next), without waiting; also for a thread that is interrupted.
    pub fn try_join_next(&self) -> Option<Ended<T>> {
        self.ends.locked().ended.pop_front()
    }
}

impl<T> Ends<T> {
    fn locked(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Expected<T> {
    fn tell(self, ended: Ended<T>) {
        // Where nobody can see it any more, it is dropped under no lock.
        if let Some(ends) = self.0.upgrade() {
            ends.locked().ended.push_back(ended);
        }
    }
}

impl<T> Drop for Expected<T> {
    fn drop(&mut self) {
        if let Some(ends) = self.0.upgrade() {
            ends.locked().expected -= 1;
            ends.changed.notify_all();
        }
    }
}

impl<T> Clone for JoinSet<T> {
    fn clone(&self) -> Self {
        Self { group: self.group.clone(), ends: self.ends.clone() }
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("group", &self.group).finish_non_exhaustive()
    }
}
