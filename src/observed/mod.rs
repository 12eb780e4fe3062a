//! What happens to tasks, told to the program: [`by`] calls a closure for each thing that happens, [`counts()`] has numbers for
//! metrics, and with the feature `tracing`, `to_tracing` makes spans and events of it.
//!
//! # Who runs it, and when
//!
//! | | on the thread | when |
//! |---|---|---|
//! | [`Begun`](What::Begun) | of the task | the task has begun, and runs nothing yet |
//! | [`Asked`](What::Asked) | that asks, or one of [`termination`](crate::termination)'s | the task has been told, and its [hooks](crate::with_hook) have run |
//! | [`Raised`](What::Raised) | of the task | for each request once: where a checkpoint or a call of ours raises it; where it was a wait of [`sync`](crate::sync), or somebody else's call that was cut short, at the next of these, or at the task's end |
//! | [`Ended`](What::Ended) | of the task | the task has ended |
//! | [`Stuck`](What::Stuck) | that waits | an [`Interrupter::wait_finished`](crate::Interrupter::wait_finished), a [`Request::wait`](crate::Request::wait) or a [`Group::stop`](crate::Group::stop) has waited for the task in vain |
//!
//! Never in a signal handler, and never with a lock of ours held (those of the program's own that its thread holds there, it holds): it may lock, allocate, write to a log, look for
//! [reports](crate::report()), and interrupt tasks. It runs under a [mask](crate::mask()): what it calls is not refused because the thread is
//! interrupted. What happens on its thread meanwhile is counted, and not told. A panic in it is told by the panic hook, and ends
//! nothing. If it blocks, then the thread that it runs on, and who waits for that; no other. Of several threads it hears in whatever order they come to it,
//! so of a `Raised` perhaps before the `Asked`.
//!
//! A deadline is no request: what has passed its [`timeout`](crate::timeout) is told by the error that this returns. A task that is dropped
//! unrun neither begins nor ends here, nor does one end here whose thread is ended in its middle without unwinding.
//!
//! # What it costs
//!
//! A program that does not ask for it pays for an addition to a number with each task, nothing with a checkpoint or a call.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use crate::hook::list;
use crate::interrupted::Interrupted;
use crate::task::counts;
use crate::task::node::{self, Node};

#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "tracing")]
pub use self::tracing::to_tracing;

/// Something that happens to a task.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Happening<'a> {
    /// The task's number: the one that a [`Report`](crate::Report) shows, and that [`find`](crate::find) takes.
    pub task: u64,
    /// The task's name.
    pub name: Option<&'a str>,
    /// What it is.
    pub what: What<'a>,
}

/// What happens to a task. [Where and when](self#who-runs-it-and-when) it is told stands at the module.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum What<'a> {
    /// It begins.
    Begun,
    /// It is asked to stop, with that.
    Asked(&'a Interrupted),
    /// It feels that request: an error was handed out, or a call was cut short.
    Raised(&'a Interrupted),
    /// It has ended; what it has felt last, if anything.
    Ended(Option<&'a Interrupted>),
    /// Somebody has waited for it in vain. The [`Report`](crate::Report), as a text.
    Stuck(&'a dyn fmt::Display),
}

impl fmt::Debug for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => f.write_str("Begun"),
            Self::Asked(cause) => f.debug_tuple("Asked").field(cause).finish(),
            Self::Raised(cause) => f.debug_tuple("Raised").field(cause).finish(),
            Self::Ended(cause) => f.debug_tuple("Ended").field(cause).finish(),
            Self::Stuck(report) => write!(f, "Stuck({report})"),
        }
    }
}

/// Has a closure called for all that happens to tasks, from now on and for ever. There is one such closure in a program: who wants
/// two registers one that calls both.
///
/// # Examples
///
/// ```
/// use eintr::observed::{self, What};
///
/// observed::by(|happening| {
///     if let What::Stuck(report) = happening.what {
///         eprintln!("an interrupt did not get through: {report}");
///     }
/// })?;
/// # Ok::<(), observed::AlreadyObserved>(())
/// ```
///
/// # Errors
///
/// [`AlreadyObserved`], if there is one.
pub fn by(
    observer: impl Fn(&Happening<'_>) + Send + Sync + 'static,
) -> Result<(), AlreadyObserved> {
    OBSERVER.set(Box::new(observer)).map_err(|_| AlreadyObserved(()))
}

/// There is a closure already that [is told](by).
#[derive(Debug)]
pub struct AlreadyObserved(());

impl fmt::Display for AlreadyObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something else observes the tasks already")
    }
}

impl Error for AlreadyObserved {}

/// How often something has happened to tasks since the process began. A child of a fork counts on from where its parent was.
///
/// ```
/// let before = eintr::observed::counts();
/// let (task, interrupter) = eintr::task();
/// interrupter.interrupt();
/// assert!(task.run(eintr::checkpoint).is_err());
/// let now = eintr::observed::counts();
/// assert!(now.asked > before.asked && now.raised > before.raised && now.finished > before.finished);
/// ```
pub fn counts() -> Counts {
    Counts {
        asked: counts::ASKED.load(Relaxed),
        raised: counts::RAISED.load(Relaxed),
        finished: counts::FINISHED.load(Relaxed),
        stuck: counts::STUCK.load(Relaxed),
    }
}

/// Numbers that only grow, for metrics. See [`counts()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests to tasks that had not ended: one to a group is one to each member.
    pub asked: u64,
    /// Those that were felt, each once. (Two without a reason of their own are one to the task.)
    pub raised: u64,
    /// Tasks that have run and ended.
    pub finished: u64,
    /// Waits in vain for a task to stop, each [`Stuck`](What::Stuck) task of a group's by itself.
    pub stuck: u64,
}

type Observer = Box<dyn Fn(&Happening<'_>) + Send + Sync>;

static OBSERVER: OnceLock<Observer> = OnceLock::new();

thread_local! {
    /// The observer runs on this thread.
    static OBSERVING: Cell<bool> = const { Cell::new(false) };
}

/// Whether anybody is told.
#[inline]
pub(crate) fn is_on() -> bool {
    OBSERVER.get().is_some()
}

/// Tells, if anybody is told. With no lock of ours held, and what follows a change of the thread's word done.
#[inline]
pub(crate) fn tell(node: &Node, what: What<'_>) {
    if let Some(observer) = OBSERVER.get() {
        tell_to(observer, node, what);
    }
}

#[cold]
fn tell_to(observer: &Observer, node: &Node, what: What<'_>) {
    if OBSERVING.replace(true) {
        return;
    }
    let name = node.name();
    let happening = Happening { task: node.id(), name: name.as_deref(), what };
    // The payload is not even dropped: its destructor might panic.
    let _ = list::run_masked(|| observer(&happening)).map_err(std::mem::forget);
    OBSERVING.set(false);
}

/// Tells of what this thread's tasks have felt.
pub(crate) fn tell_raised() {
    if is_on() {
        node::all_here().iter().for_each(|node| tell_raised_of(node));
    }
}

/// Tells that a task has ended.
#[inline]
pub(crate) fn tell_end(node: &Node) {
    if is_on() {
        tell_raised_of(node);
        tell(node, What::Ended(node.raised().as_ref()));
    }
}

fn tell_raised_of(node: &Node) {
    if let Some(raised) = node.take_untold() {
        tell(node, What::Raised(&raised));
    }
}
