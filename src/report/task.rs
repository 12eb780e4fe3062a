//! [`Report`]: where a task is.

use std::fmt;
use std::time::Duration;

use super::kernel;
use super::thread::ThreadReport;
use crate::group::members::Asked;
use crate::kernel::clock::Moment;
use crate::signal::ours;

/// Where a task is, and what has become of the requests to it. A snapshot: by the time it is read,
/// the task may have moved on.
///
/// A thread that was asked and goes on, because its loop swallows errors or sleeps and looks, is
/// shown in the call that is cut short, whatever it does at the moment, and its stack (in a
/// [dump](crate::report()), and in the report of who [waits](crate::Interrupter::wait_finished) in
/// vain) is that of this call. [`cure`](Report::cure) says what to change, and where:
///
/// ```text
/// acceptor (tid 4242): retrying accept4 of fd 3 (TCP listener 127.0.0.1:80), cut short 311 times in a row for 3.1s,
///     asked 3.1s ago, raised 0 times, refused 311 times
///     cure: eintr::checkpoint()? in that loop, which swallows its errors: app::serve at src/main.rs:42
/// ```
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
    /// How often a syscall of its was cut short: refused, or told EINTR, or a sleep that ended early.
    pub refused: u64,
    /// Whether a [mask](crate::mask()) stands between.
    pub masked: bool,
    /// Whether the program has replaced our handler by one of its own since: nothing can be
    /// interrupted then.
    pub handler_replaced: bool,
    pub(crate) asked: Asked,
}

/// How long ago that was, or up to a tick of the kernel's clock more.
fn ago(tick: Moment) -> Duration {
    Moment::now().since(tick)
}

impl Report {
    /// Of a task, or of a group.
    pub(crate) fn of(asked: &Asked) -> Self {
        let figures = asked.figures();
        let thread = figures.tid.and_then(kernel::look);
        // The kernel was asked about a number. If the task has left that thread meanwhile, the
        // number may be another's.
        let thread = thread.filter(|_| asked.figures().tid == figures.tid);
        let thread = thread.map(|thread| match &figures.retried {
            Some(retried) if thread.is_retrying(retried) => {
                thread.retrying(retried, || asked.figures().retried)
            }
            _ => thread,
        });
        Self {
            task: figures.id,
            name: figures.name.as_deref().map(String::from),
            started: figures.started,
            finished: figures.finished,
            thread: thread.map(Box::new),
            pending_for: figures.pending_since.map(ago),
            raised: figures.raises,
            last_raised: figures.raised_at.map(ago),
            refused: figures.refused,
            masked: figures.masked,
            handler_replaced: ours::is_replaced(),
            asked: asked.clone(),
        }
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
