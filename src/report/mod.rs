//! Where a task is: what the asker is shown when nothing comes back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;
use crate::sys::install;

mod kernel;
mod stragglers;
mod syscall_name;

pub use kernel::ThreadState;
pub use stragglers::{Panicked, Stragglers};

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
    /// How long the oldest request has been pending.
    pub pending_for: Option<Duration>,
    /// How often an error was handed out to the task.
    pub raised: u64,
    /// How often a syscall of its was refused.
    pub refused: u64,
    /// Whether a [mask](crate::mask()) stands between.
    pub masked: bool,
    /// Whether the program has replaced our handler by one of its own since: nothing can be
    /// interrupted then.
    pub handler_replaced: bool,
}

/// The thread in a [`Report`], as the kernel sees it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ThreadReport {
    /// The kernel's id.
    pub tid: i32,
    /// The thread's name, of at most 15 bytes.
    pub name: Option<String>,
    /// What it is doing.
    pub state: Option<ThreadState>,
    /// The syscall it is in, by name; or by number, where this crate has no name for it.
    pub syscall: Option<String>,
    /// Whether it blocks our signal, so that its plain calls are not interrupted.
    pub blocks_signal: bool,
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
            pending_for: figures.pending_since.map(|since| since.elapsed()),
            raised: figures.raises,
            refused: figures.refused,
            masked: figures.masked,
            handler_replaced: install::is_replaced(),
        }
    }

    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_thread = self.thread.as_ref().and_then(|thread| thread.name.as_ref());
        match self.name.as_ref().or(of_thread) {
            Some(name) => f.write_str(name),
            None => write!(f, "task {}", self.task),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_name(f)?;
        match &self.thread {
            Some(thread) => write!(f, " (tid {}): {thread}", thread.tid)?,
            None if self.finished => f.write_str(": finished")?,
            None if self.started => f.write_str(": running")?,
            None => f.write_str(": not started")?,
        }
        match self.pending_for {
            Some(time) => write!(f, ", asked {time:.1?} ago, raised {} times", self.raised)?,
            None if self.raised > 0 => write!(f, ", raised {} times", self.raised)?,
            None => f.write_str(", not asked")?,
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

impl fmt::Display for ThreadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Some(state) => write!(f, "{state}")?,
            None => f.write_str("state unknown")?,
        }
        if let Some(syscall) = &self.syscall {
            write!(f, " in {syscall}")?;
        }
        if self.blocks_signal {
            f.write_str(", blocks our signal")?;
        }
        Ok(())
    }
}
