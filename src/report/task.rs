//! [`Report`]: where a task is.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::kernel;
use super::thread::ThreadReport;
use crate::group::members::Asked;
use crate::kernel::clock::Moment;
use crate::signal::ours;
use crate::{Interrupted, Reason};

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
///     task 7, made at src/main.rs:17, on thread acceptor, age 8.0s, processor time 10.0ms
///     cure: eintr::checkpoint()? in that loop, which swallows its errors: app::serve at src/main.rs:42
/// ```
///
/// # As data
///
/// With the feature `serde` a report is `Serialize`: one flat object. All fields are always there; what is not known is null,
/// and times are numbers of seconds. These names stay.
///
/// | field | what it is |
/// |---|---|
/// | `task`, `name` | the task's number and name; null and null for a thread without a task |
/// | `made_at` | where the program made the task: a file and a line |
/// | `tid`, `thread` | the thread's id and name; all that follows up to `remaining` is null without a thread |
/// | `state` | `running`, `sleeping`, `retrying`, `uninterruptible`, `stopped`, `dead`, or another letter of proc(5)'s |
/// | `syscall`, `fd`, `waits_on`, `wchan` | as in [`ThreadReport`] |
/// | `held_by` | who holds that: `{"thread": 4243, "name": "left"}`, `{"process": 77, "name": "postgres"}` or `{"readers": 3, "name": null}` |
/// | `retries`, `retrying_for`, `blocks_signal` | as there |
/// | `age`, `task_age`, `processor_time`, `remaining` | as there |
/// | `started`, `finished`, `pending_for`, `raised`, `last_raised`, `refused`, `masked`, `handler_replaced` | as here |
/// | `reason` | that of the oldest pending request, as a text |
/// | `cure` | what [`cure`](Report::cure) says |
/// | `stack` | the frames, innermost first: `function`, `location`, `module`, `offset`, `address` |
///
/// # Examples
///
/// ```
/// let worker = eintr::Builder::new()
///     .name("napper".into())
///     .spawn(|| std::thread::park_timeout(std::time::Duration::from_millis(50)))?;
/// println!("{}", worker.interrupter().report());
/// // napper (tid 4242): sleeping in futex, not asked
/// //     task 7, made at src/main.rs:3, on thread napper, age 12.0ms, processor time 0.0ns
/// # worker.join().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The task's number, unique in the process; 0 for a thread of a [dump](crate::dump())'s that runs none.
    pub task: u64,
    /// The task's name.
    pub name: Option<String>,
    /// Whether the task has begun.
    pub started: bool,
    /// Whether the task has ended.
    pub finished: bool,
    /// The thread that runs it.
    pub thread: Option<Box<ThreadReport>>,
    /// What the oldest pending request was made with.
    pub reason: Option<Interrupted>,
    /// How long the oldest request has been pending, or up to a tick of the kernel's clock more (1
    /// to 10 ms): a requester does not stop to read the exact time.
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
    pub(crate) asked: Option<Asked>,
}

/// The text without what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    let shown = |letter: char| match letter.is_control() {
        true => letter.escape_default().collect(),
        false => letter.to_string(),
    };
    text.chars().map(shown).collect()
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
        let thread = thread.map(|thread| ThreadReport {
            task_age: figures.began.map(ago),
            remaining: figures.deadline.map(|deadline| deadline.since(Moment::now())),
            ..thread
        });
        Self {
            task: figures.id,
            name: figures.name.as_deref().map(String::from),
            started: figures.started,
            finished: figures.finished,
            thread: thread.map(Box::new),
            reason: figures.pending,
            pending_for: figures.pending_since.map(ago),
            raised: figures.raises,
            last_raised: figures.raised_at.map(ago),
            refused: figures.refused,
            masked: figures.masked,
            handler_replaced: ours::is_replaced(),
            asked: Some(asked.clone()),
        }
    }

    /// Of a thread that runs no task, by what the kernel tells.
    pub(super) fn of_plain(thread: ThreadReport) -> Self {
        Self {
            task: 0,
            name: None,
            started: true,
            finished: false,
            thread: Some(Box::new(thread)),
            reason: None,
            pending_for: None,
            raised: 0,
            last_raised: None,
            refused: 0,
            masked: false,
            handler_replaced: false,
            asked: None,
        }
    }

    /// Where the program made the task: the call of [`task`](crate::task()), of a `spawn` ...; none for a
    /// [context](crate::context())'s, and for C's.
    pub fn made_at(&self) -> Option<&'static Location<'static>> {
        match self.asked.as_ref()? {
            Asked::Task(node) => node.place(),
            Asked::Group(_) => None,
        }
    }

    /// How long ago it was asked, and why.
    pub(super) fn write_asked(&self, f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
        write!(f, " {time:.1?} ago")?;
        match &self.reason {
            Some(reason) if !matches!(reason.reason(), Reason::Requested) => {
                write!(f, " ({})", plain(&reason.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// The name, or that there is none; and the thread's id.
    pub(super) fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.thread) {
            (Some(name), _) => f.write_str(&plain(name))?,
            (None, None) => write!(f, "task {}", self.task)?,
            (None, Some(_)) if self.asked.is_some() => write!(f, "unnamed task {}", self.task)?,
            (None, Some(thread)) => write!(f, "plain thread {}", thread.shown_name())?,
        }
        self.thread.as_ref().map_or(Ok(()), |thread| write!(f, " (tid {})", thread.tid))
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

    fn write_times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(thread) = &self.thread else { return Ok(()) };
        f.write_str("\n    ")?;
        if self.asked.is_some() {
            write!(f, "task {}", self.task)?;
            if let Some(place) = self.made_at() {
                write!(f, ", made at {}:{},", place.file(), place.line())?;
            }
            write!(f, " on thread {}, ", thread.shown_name())?;
        }
        let times = [
            ("age", thread.task_age.or(thread.age)),
            ("processor time", thread.processor_time),
            ("deadline in", thread.remaining),
        ];
        let known = times.into_iter().filter_map(|(what, time)| Some((what, time?)));
        for (i, (what, time)) in known.enumerate() {
            write!(f, "{}{what} {time:.1?}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }

    fn write_requests(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asked.is_none() {
            return Ok(());
        }
        match self.pending_for {
            Some(time) => {
                f.write_str(", asked")?;
                self.write_asked(f, time)?;
                write!(f, ", raised {} times", self.raised)?;
            }
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
            Some(thread) => write!(f, ": {thread}")?,
            None if self.finished => f.write_str(": finished")?,
            None if self.started => f.write_str(": running")?,
            None => f.write_str(": not started")?,
        }
        self.write_requests(f)?;
        self.write_times(f)?;
        if let Some(wchan) = self.thread.as_ref().and_then(|thread| thread.wchan.as_ref()) {
            write!(f, "\n    in the kernel: {wchan}")?;
        }
        if let Some(lock) = self.thread.as_ref().and_then(|thread| thread.lock_of_nobody()) {
            write!(f, "\n    held by: {lock} does not tell its owner")?;
        }
        if let Some(cure) = self.cure() {
            write!(f, "\n    cure: {cure}")?;
        }
        self.write_stack(f)
    }
}
