//! What runs: [`Task`], [`spawn`], [`Builder`].

use std::panic::Location;
use std::sync::Arc;
use std::thread as std_thread;
use std::{fmt, io};

use crate::deadline::standing;
use crate::entry::{fork, install};
use crate::group::members::Asked;
use crate::hook::list::{self, MaskedHooks};
use crate::observed::{self, What};
use crate::reach::dispatch;
use crate::thread::{Stretch, ThreadRecord, backoff, block, registry, stretches};
use crate::{Interrupter, JoinHandle, after_change, unblocked};
use node::{Begun, Nesting, Node};

pub(crate) mod counts;
pub(crate) mod node;

/// A stretch of one thread's execution that can be interrupted.
///
/// Made anywhere, run on any thread: in a pool's job, in tokio's `spawn_blocking`, in `main`. (It
/// cannot span an `.await`.) A thread whose whole body is a task is made by [`spawn`].
///
/// Tasks nest: one that is made inside another and run there belongs to it, and is interrupted with
/// it. Run anywhere else, it stands for itself, and what the thread is otherwise doing is masked
/// for its time. So a pool that runs a stranger's job inside ours harms neither.
///
/// A task that is dropped without having run counts as ended.
///
/// # Examples
///
/// ```
/// let (task, interrupter) = eintr::task();
/// let pool = std::thread::spawn(move || task.run(|| eintr::time::sleep(std::time::Duration::MAX)));
/// interrupter.interrupt();
/// assert!(pool.join().unwrap().is_err());
/// ```
#[must_use = "a task that is dropped without being run counts as ended"]
pub struct Task {
    node: Arc<Node>,
    reach: bool,
}

/// Makes a task and its interrupter.
///
/// ```
/// let (task, interrupter) = eintr::task();
/// assert_eq!(task.run(|| 6 * 7), 42);
/// assert!(interrupter.is_finished());
/// ```
#[track_caller]
pub fn task() -> (Task, Interrupter) {
    let task = Task::new();
    let interrupter = task.interrupter();
    (task, interrupter)
}

impl Task {
    /// A task that belongs to the task that runs here, if it is run there too.
    #[track_caller]
    pub fn new() -> Self {
        Self::made_at(Some(Location::caller()))
    }

    pub(crate) fn made_at(place: Option<&'static Location<'static>>) -> Self {
        after_change::take_in_strays();
        Self::with(None, Node::nesting_here(), true, place)
    }

    /// A task that stands for itself wherever it is run.
    ///
    /// ```
    /// let (outer, interrupter) = eintr::task();
    /// outer.run(|| {
    ///     interrupter.interrupt();
    ///     assert!(eintr::Task::root().run(eintr::checkpoint).is_ok());
    ///     assert!(eintr::Task::new().run(eintr::checkpoint).is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn root() -> Self {
        Self::root_made_at(Some(Location::caller()))
    }

    pub(crate) fn root_made_at(place: Option<&'static Location<'static>>) -> Self {
        Self::with(None, Nesting::Root, true, place)
    }

    /// Gives it a name, for reports.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.node.set_name(name.into().into());
        self
    }

    /// Whether plain blocking calls inside it are refused while it is interrupted
    /// ([`reach`](crate::reach())). On, unless it is turned off.
    pub fn reach(mut self, on: bool) -> Self {
        self.reach = on;
        self
    }

    /// Another handle that interrupts it.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(Asked::Task(self.node.clone()))
    }

    /// A task that belongs to that one, on whatever thread both run.
    pub(crate) fn inside(outer: &Node, reach: bool) -> Self {
        Self::with(None, Nesting::Task(outer.id()), reach, None)
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    fn with(
        name: Option<Arc<str>>,
        nesting: Nesting,
        reach: bool,
        place: Option<&'static Location<'static>>,
    ) -> Self {
        fork::watch();
        Self { node: Node::new(name, nesting, place), reach }
    }

    /// Runs `f` as this task, on this thread.
    ///
    /// If the thread blocks our signal, or SIGSYS, it is unblocked for the task's time.
    ///
    /// # Panics
    ///
    /// Only if `f` does; the task has ended then too.
    #[track_caller]
    pub fn run<T>(self, f: impl FnOnce() -> T) -> T {
        let _running = self.begin();
        f()
    }

    /// Begins it on this thread; it ends where the result is dropped.
    #[track_caller]
    #[inline]
    pub(crate) fn begin(&self) -> Running {
        install::ensure();
        Running::begin(self.node.clone(), self.reach)
    }
}

impl Default for Task {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.node.give_up();
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.node.figures();
        f.debug_struct("Task")
            .field("id", &figures.id)
            .field("name", &figures.name)
            .finish_non_exhaustive()
    }
}

/// A task that runs, from its beginning to its end, be that a panic.
pub(crate) struct Running {
    node: Arc<Node>,
    record: Arc<ThreadRecord>,
    stretch: Stretch,
    begun: Begun,
    hooks: Option<MaskedHooks>,
}

impl Running {
    #[inline(never)] // See `stretches`.
    fn begin(node: Arc<Node>, reach: bool) -> Self {
        let record = registry::register();
        after_change::take_in_strays();
        let unblocked = unblocked::unblock_signals();
        unblocked::forget_lost_signal(&record);
        // Whether it hides what is outside is known only when it has begun.
        let mut hooks = list::mask();
        // With its reach, before the task begins: a request that is pending then is answered by a
        // handler that must know.
        let stretch = stretches::begin_task(Some(reach));
        unblocked::owe(stretch, unblocked);
        let begun = node.begin(&record);
        match begun {
            Begun::Root => standing::make_root(stretch),
            Begun::Nested => {}
            Begun::Not => stretches::unmake_task(stretch),
        }
        if begun != Begun::Root {
            list::unmask(hooks.take());
        }
        // A root masks what it runs inside.
        after_change::sync_to_word();
        if begun != Begun::Not {
            observed::tell(&node, What::Begun);
        }
        Self { node, record, stretch, begun, hooks }
    }
}

impl Drop for Running {
    #[inline(never)] // See `stretches`.
    fn drop(&mut self) {
        list::run_before_end();
        let Some(ended) = stretches::end(self.stretch) else {
            self.node.end_elsewhere(&self.record);
            observed::tell_end(&self.node);
            return stretches::tell_of_stray("a task");
        };
        if self.begun != Begun::Not {
            self.node.end(&self.record, ended.place(), stretches::masked_tasks());
            standing::show(ended);
        }
        list::unmask(self.hooks.take());
        backoff::end();
        after_change::sync_to_word();
        unblocked::undo(ended);
        if self.begun != Begun::Not {
            observed::tell_end(&self.node);
        }
    }
}

/// Spawns a managed thread: one whose whole body is a task. As [`std::thread::spawn`], and
/// interruptible.
///
/// # Examples
///
/// ```
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let server = eintr::spawn(move || -> Result<(), eintr::Error> {
///     loop {
///         let (_connection, _peer) = eintr::net::accept(&listener)?;
///     }
/// });
/// server.interrupt();
/// assert!(server.join().unwrap().is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// If the system cannot create a thread; [`Builder::spawn`] returns that as an error.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f).expect("failed to spawn thread")
}

/// What a managed thread is to be like, as [`std::thread::Builder`].
///
/// ```
/// let worker = eintr::Builder::new()
///     .name("worker".into())
///     .stack_size(64 * 1024)
///     .spawn(|| std::thread::current().name().map(str::to_owned))?;
/// assert_eq!(worker.join().unwrap().as_deref(), Some("worker"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "must be spawned"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
    reach: bool,
}

impl Default for Builder {
    #[track_caller]
    fn default() -> Self {
        Self { name: None, stack_size: None, reach: true }
    }
}

impl Builder {
    /// A thread with no name and std's stack size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the thread, and its task.
    pub fn name(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the size of its stack, in bytes.
    pub fn stack_size(mut self, size: usize) -> Self {
        self.stack_size = Some(size);
        self
    }

    /// Whether plain blocking calls of the thread are refused while it is interrupted
    /// ([`reach`](crate::reach())). On, unless it is turned off.
    pub fn reach(mut self, on: bool) -> Self {
        self.reach = on;
        self
    }

    /// Spawns the thread. The task stands for itself: it inherits nothing.
    ///
    /// # Errors
    ///
    /// If the system cannot create a thread.
    ///
    /// # Panics
    ///
    /// If the name contains a null byte, as std's.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let task = self.task(Nesting::Root);
        self.start(task, |task| task.run(f))
    }

    /// The task that the thread's whole body is to be; inside of another, if one has begun there before.
    #[track_caller]
    pub(crate) fn task(&self, nesting: Nesting) -> Task {
        let name = self.name.as_deref().map(Arc::from);
        Task::with(name, nesting, self.reach, Some(Location::caller()))
    }

    /// Spawns the thread, which is to run that task.
    #[track_caller]
    pub(crate) fn start<F, T>(self, task: Task, run: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce(Task) -> T + Send + 'static,
        T: Send + 'static,
    {
        install::ensure();
        let interrupter = task.interrupter();
        let thread = self.into_std().spawn(move || {
            let value = run(task);
            // Before std and libc unmap stacks of theirs, for which threads wait for each other: the
            // next one has it meanwhile.
            block::with(dispatch::give_up_stack);
            value
        })?;
        Ok(JoinHandle { thread, interrupter })
    }

    /// The thread as std knows it.
    pub(crate) fn into_std(self) -> std_thread::Builder {
        let mut builder = std_thread::Builder::new();
        if let Some(name) = self.name {
            builder = builder.name(name);
        }
        if let Some(size) = self.stack_size {
            builder = builder.stack_size(size);
        }
        builder
    }
}
