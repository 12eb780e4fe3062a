//! Where a task is: what the asker is shown when nothing comes back, and [`report()`], the thread
//! dump.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;
use crate::sys::clock::Moment;
use crate::sys::{ours, roll};

mod cure;
mod kernel;
#[cfg(feature = "stacks")]
mod snapshot;
mod socket;
#[cfg(feature = "stacks")]
mod stack;
#[cfg(not(feature = "stacks"))]
#[path = "no_stack.rs"]
mod stack;
mod stragglers;
mod syscall_name;
mod thread;
mod waits_on;

use stack::Dump;
#[cfg(feature = "stacks")]
pub use stack::{Frame, Stack};
pub use stragglers::{Panicked, Stragglers};
pub use thread::{ThreadReport, ThreadState};

/// Where a task is, and what has become of the requests to it. A snapshot: by the time it is read,
/// the task may have moved on.
///
/// # Examples
///
/// ```
/// let worker = eintr::Builder::new()
///     .name("napper".into())
///     .spawn(|| std::thread::park_timeout(std::time::Duration::from_millis(50)))?;
/// println!("{}", worker.interrupter().report());
/// // napper (tid 4242): sleeping in futex, not asked
/// # worker.join().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The task's number, unique in the process.
    pub task: u64,
    /// The task's name.
    pub name: Option<String>,
    /// Whether the task has begun.
    pub started: bool,
    /// Whether the task has ended.
    pub finished: bool,
    /// The thread that runs it.
    pub thread: Option<Box<ThreadReport>>,
    /// How long the oldest request has been pending, or up to a tick of the kernel's clock more (1
    /// to 10 ms): an asker does not stop to read the exact time.
    pub pending_for: Option<Duration>,
    /// How often an error was handed out to the task.
    pub raised: u64,
    /// How long ago that was last, or up to a tick more: at a checkpoint, or a call of ours. (One that has nothing to
    /// raise leaves no trace: it is one load and a branch.)
    pub last_raised: Option<Duration>,
    /// How often a syscall of its was refused.
    pub refused: u64,
    /// Whether a [mask](crate::mask()) stands between.
    pub masked: bool,
    /// Whether the program has replaced our handler by one of its own since: nothing can be
    /// interrupted then.
    pub handler_replaced: bool,
}

/// Where all tasks are that run in this process, in the order in which they were made: a daemon's
/// thread dump.
///
/// With the feature `stacks`, which is on by default, each thread's stack is in the report of the
/// innermost task on it. That costs the thread one signal. It does not notice: no call that the
/// kernel restarts is ended by it, none of ours, and a thread that sits in a plain call that would
/// be (a sleep, a poll, a write that has got half way; see
/// [signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html)) is not signalled, unless it is
/// interrupted anyway. One that comes to such a call in that very moment, or is just leaving it,
/// may see it return early, once.
///
/// A thread that does not answer (state D, our signal blocked) is told from outside, without its
/// stack. So this does not hang: all threads together hold it up for a second at most. In a
/// process that has changed its user, the kernel shows less of a thread, unless it is made
/// "dumpable" again by
/// [prctl(2)](https://man7.org/linux/man-pages/man2/prctl.2.html).
///
/// # Examples
///
/// ```
/// let (task, _interrupter) = eintr::task();
/// task.name("main").run(|| {
///     for report in eintr::report() {
///         eprintln!("{report}");
///     }
/// });
/// ```
///
/// # Interruption
///
/// Not interruptible.
pub fn report() -> Vec<Report> {
    let mut dump = Dump::new();
    let mut innermost = Vec::new();
    let mut outer = Vec::new();
    for record in roll::records() {
        let mut tasks = Node::all_on(&record);
        innermost.extend(tasks.pop().map(|task| dump.look(&task)));
        outer.extend(tasks.iter().map(Report::of));
    }
    dump.end(innermost.iter_mut());
    let mut reports = innermost;
    reports.extend(outer);
    // What has ended since, or belongs to the process before a fork.
    reports.retain(|report| !report.finished);
    // One that runs on several threads is told once, with its stack if there is one.
    reports.sort_by_key(|report| report.task);
    reports.dedup_by_key(|report| report.task);
    reports
}

/// How long ago that was, or up to a tick of the kernel's clock more.
fn ago(tick: Moment) -> Duration {
    Moment::now().since(tick)
}

impl Report {
    pub(crate) fn of(node: &Arc<Node>) -> Self {
        let figures = node.figures();
        let thread = figures.tid.and_then(kernel::look);
        // The kernel was asked about a number. If the task has left that thread meanwhile, the
        // number may be another's.
        let thread = thread.filter(|_| node.figures().tid == figures.tid);
        Self {
            task: figures.id,
            name: figures.name.map(String::from),
            started: figures.started,
            finished: figures.finished,
            thread: thread.map(Box::new),
            pending_for: figures.pending_since.map(ago),
            raised: figures.raises,
            last_raised: figures.raised_at.map(ago),
            refused: figures.refused,
            masked: figures.masked,
            handler_replaced: ours::is_replaced(),
        }
    }

    /// The same with the thread's stack, for a task that does not come back: that costs its thread
    /// a signal.
    pub(crate) fn of_straggler(node: &Arc<Node>) -> Self {
        let mut dump = Dump::new();
        let mut report = dump.look(node);
        dump.end(std::iter::once(&mut report));
        report
    }

    /// The same for many tasks, whose threads together are not waited for much longer.
    pub(crate) fn of_stragglers(nodes: &[Arc<Node>]) -> Vec<Self> {
        let mut dump = Dump::new();
        let mut reports: Vec<_> = nodes.iter().map(|node| dump.look(node)).collect();
        dump.end(reports.iter_mut());
        reports
    }

    /// What can be done about it, for a task that was asked: another kind of lock, a checkpoint.
    /// None if nothing is known to help, or there is nothing to be cured.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (go, wait) = std::sync::mpsc::channel::<()>();
    /// let worker = eintr::spawn(move || wait.recv().is_err());
    /// if let eintr::Outcome::Stuck(report) = worker.interrupt().wait(Duration::from_millis(10)) {
    ///     // eintr::sync in place of that lock, condition variable or channel, ...
    ///     println!("{}", report.cure().unwrap_or("none that we know"));
    /// }
    /// drop(go);
    /// worker.join().unwrap();
    /// ```
    pub fn cure(&self) -> Option<&'static str> {
        cure::of(self)
    }

    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_thread = self.thread.as_ref().and_then(|thread| thread.name.as_ref());
        match self.name.as_ref().or(of_thread) {
            Some(name) => f.write_str(name),
            None => write!(f, "task {}", self.task),
        }
    }

    #[cfg(feature = "stacks")]
    fn write_stack(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(stack) = self.thread.as_ref().and_then(|thread| thread.stack.as_ref()) else {
            return Ok(());
        };
        f.write_str("\n    stack:")?;
        stack.to_string().lines().try_for_each(|line| write!(f, "\n      {line}"))
    }

    #[cfg(not(feature = "stacks"))]
    fn write_stack(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn write_requests(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pending_for {
            Some(time) => write!(f, ", asked {time:.1?} ago, raised {} times", self.raised)?,
            None if self.raised > 0 => write!(f, ", raised {} times", self.raised)?,
            None => f.write_str(", not asked")?,
        }
        if let Some(time) = self.last_raised {
            write!(f, ", last {time:.1?} ago")?;
        }
        if self.refused > 0 {
            write!(f, ", refused {} times", self.refused)?;
        }
        if self.masked {
            f.write_str(", masked")?;
        }
        if self.handler_replaced {
            f.write_str(", our signal's handler was replaced")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    /// The first line says it all; what follows, for a task that is stuck, is further in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_name(f)?;
        match &self.thread {
            Some(thread) => write!(f, " (tid {}): {thread}", thread.tid)?,
            None if self.finished => f.write_str(": finished")?,
            None if self.started => f.write_str(": running")?,
            None => f.write_str(": not started")?,
        }
        self.write_requests(f)?;
        if let Some(wchan) = self.thread.as_ref().and_then(|thread| thread.wchan.as_ref()) {
            write!(f, "\n    in the kernel: {wchan}")?;
        }
        if let Some(cure) = self.cure() {
            write!(f, "\n    cure: {cure}")?;
        }
        self.write_stack(f)
    }
}
