//! [`Group`]: tasks that come and go.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, thread};

use crate::entry::fork;
use crate::kernel::Moment;
use crate::task::node::{Nesting, Node, Progress};
use crate::{Builder, Interrupter, JoinHandle, Reason, Report, Request, Task, interrupter};

mod join_set;
pub(crate) mod members;
mod panicked;
mod stragglers;

use members::{Asked, Members, Panics};

pub use join_set::{Ended, JoinSet};
pub use panicked::Panicked;
pub use stragglers::Stragglers;

/// Tasks that come and go, and end together: a thread for each connection, for instance.
///
/// A handle, and cheap to clone. Members that have ended are forgotten, their panics told at the
/// [stop](Self::stop); a [`join_set`](Self::join_set) has each end seen, with what it returned. Dropping the last
/// handle changes nothing: the members go on.
///
/// Once [interrupted](Self::interrupt) or stopped, a group stays so. What is to run after that belongs to another
/// one: [`Group::new`] costs no more than its memory.
///
/// # Examples
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use std::time::Duration;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
///
/// let group = eintr::Group::new();
/// let connections = group.clone();
/// group.spawn(move || -> std::io::Result<()> {
///     loop {
///         let (connection, _peer) = listener.accept()?;
///         connections.spawn(move || std::io::copy(&mut &connection, &mut &connection));
///     }
/// });
/// let _client = TcpStream::connect(address)?;
///
/// // Both are stuck in plain calls of std's.
/// group.stop(Duration::from_secs(60)).unwrap();
/// assert!(group.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Group {
    /// Always one with members.
    members: Arc<Members>,
}

impl Group {
    /// A group without members.
    pub fn new() -> Self {
        fork::watch();
        Self { members: Members::new() }
    }

    /// Spawns a member: a managed thread, as [`spawn`](crate::spawn()) does.
    ///
    /// A panic of its is kept for [`stop`](Self::stop) to tell, and is seen by whoever joins it.
    ///
    /// # Panics
    ///
    /// If the system cannot create a thread; [`spawn_with`](Self::spawn_with) returns that as an
    /// error.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(Builder::new(), f).expect("failed to spawn thread")
    }

    /// Spawns a member that is like the builder says.
    ///
    /// ```
    /// use eintr::{Builder, Group};
    ///
    /// let group = Group::new();
    /// let worker = group.spawn_with(Builder::new().name("worker".into()), || 42)?;
    /// assert_eq!(worker.join().unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the system cannot create a thread.
    ///
    /// # Panics
    ///
    /// If the thread's name contains a null byte, as std's.
    #[track_caller]
    pub fn spawn_with<F, T>(&self, builder: Builder, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let go_on =
            |_, ended: thread::Result<T>| ended.unwrap_or_else(|panic| resume_unwind(panic));
        self.spawn_told(builder, f, go_on)
    }

    /// Spawns a member whose end is told, on its thread, when it is off the list.
    #[track_caller]
    fn spawn_told<T, U: Send + 'static>(
        &self,
        builder: Builder,
        f: impl FnOnce() -> T + Send + 'static,
        tell: impl FnOnce(Interrupter, thread::Result<T>) -> U + Send + 'static,
    ) -> io::Result<JoinHandle<U>> {
        let task = builder.task(Nesting::Root);
        let interrupter = task.interrupter();
        let member = Member { group: self.members.clone(), node: task.node().clone() };
        // Before it begins: it is born interrupted, if the group is.
        self.members.add(&Asked::Task(member.node.clone()));
        builder.start(task, move |task| {
            let ended = member.run(task, f);
            tell(interrupter, ended)
        })
    }

    /// Adds a task that is there already, or another group. It stays a member until it has ended.
    ///
    /// ```
    /// let (task, interrupter) = eintr::task();
    /// let group = eintr::Group::new();
    /// group.add(interrupter);
    /// group.interrupt();
    /// assert!(task.run(eintr::checkpoint).is_err());
    /// ```
    pub fn add(&self, interrupter: impl Into<Interrupter>) {
        let Interrupter(asked) = interrupter.into();
        if asked.id() != self.asked().id() {
            self.members.add(&asked);
        }
    }

    /// Asks all members to stop: each of them before any is waited for. It lasts: whoever becomes a
    /// member later is born interrupted, and no member can [take](crate::take) it.
    ///
    /// The request's [`wait`](Request::wait) waits for all of those that were members: it is
    /// `Raised` or `Finished` once each of them is one or the other, and otherwise tells of one
    /// that is not. For a group without members it is `NotStarted`.
    pub fn interrupt(&self) -> Request {
        self.interrupter().interrupt()
    }

    /// The interrupter of all members, also of those to come.
    ///
    /// It is finished while there are no members, and has raised what one of them has.
    ///
    /// ```no_run
    /// use eintr::{Group, termination};
    ///
    /// let group = Group::new();
    /// let _registration = termination::interrupt_on(&[15], &group)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.asked())
    }

    /// Asks all members to stop, and waits until they have ended, but no longer than the grace. Not
    /// interruptible.
    ///
    /// Members that come meanwhile are born interrupted, and waited for too. A member that calls
    /// this does not wait for itself. May be called again: for those that were still there, and for
    /// the panics that have come since.
    ///
    /// # Errors
    ///
    /// [`Stragglers`]: where those are that have not ended, and who has panicked.
    pub fn stop(&self, grace: Duration) -> Result<(), Stragglers> {
        let until = Moment::in_time(grace);
        self.interrupter().ask(Reason::Requested);
        let mut stuck = Vec::new();
        // They may have spawned others while they were ending.
        while stuck.is_empty() {
            let tasks = self.others();
            if tasks.is_empty() {
                break;
            }
            stuck.extend(tasks.into_iter().filter(|task| !ends(task, until)));
        }
        let mut reports = Report::of_stragglers(&stuck);
        // They may have come to it since.
        reports.retain(|report| !report.finished);
        for report in &reports {
            if let Some(Asked::Task(task)) = &report.asked {
                interrupter::tell_stuck(task, report, grace);
            }
        }
        let panics = self.members.take_panics();
        let is_clean = reports.is_empty() && panics.first.is_empty();
        if is_clean { Ok(()) } else { Err(Stragglers { reports, panics }) }
    }

    /// The members that have not ended; those of groups in it are members as well.
    ///
    /// ```
    /// let group = eintr::Group::new();
    /// let worker = group.spawn(|| eintr::time::sleep(std::time::Duration::MAX));
    /// assert_eq!(group.members(), [worker.interrupter()]);
    /// group.interrupt();
    /// assert!(worker.join().unwrap().is_err());
    /// ```
    pub fn members(&self) -> Vec<Interrupter> {
        let mut tasks = self.asked().tasks();
        tasks.retain(|task| !task.is_finished());
        tasks.into_iter().map(|task| Interrupter(Asked::Task(task))).collect()
    }

    /// How many members have not ended.
    pub fn len(&self) -> usize {
        self.members().len()
    }

    /// Whether all members have ended.
    pub fn is_empty(&self) -> bool {
        self.interrupter().is_finished()
    }

    fn asked(&self) -> Asked {
        Asked::Group(self.members.clone())
    }

    /// The members that have not ended and do not run here.
    fn others(&self) -> Vec<Arc<Node>> {
        let mut tasks = self.asked().tasks();
        tasks.retain(|task| {
            let progress = task.wait_for(None, Moment::LONG_AGO, |_| true);
            !matches!(progress, Progress::Finished | Progress::Running { here: true, .. })
        });
        tasks
    }
}

/// Waits for a task's end; whether it has come to it by then.
fn ends(task: &Arc<Node>, until: Moment) -> bool {
    let finished = |progress: &Progress| matches!(progress, Progress::Finished);
    finished(&task.wait_for(None, until, finished))
}

/// A member that the group has spawned. Dropped with its thread's work done, or if there was no
/// thread to be had, it is off the list.
struct Member {
    group: Arc<Members>,
    node: Arc<Node>,
}

impl Member {
    fn run<T>(self, task: Task, f: impl FnOnce() -> T) -> thread::Result<T> {
        // The panic is noted before the task has ended, so that nobody who has waited for that
        // misses it.
        task.run(|| {
            catch_unwind(AssertUnwindSafe(f)).inspect_err(|payload| {
                let name = self.node.figures().name.as_deref().map(String::from);
                let message = message(&**payload);
                self.group.note_panic(Panicked { task: self.node.id(), name, message });
            })
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.group.forget(self.node.id());
    }
}

/// A panic's payload as text.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(not a text)").to_owned()
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Group> for Interrupter {
    fn from(group: Group) -> Self {
        group.interrupter()
    }
}

impl From<&Group> for Interrupter {
    fn from(group: &Group) -> Self {
        group.interrupter()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("members", &self.len())
            .field("interrupted", &self.members.is_latched())
            .finish_non_exhaustive()
    }
}
