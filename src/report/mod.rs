//! Where a task is: what the requester is shown when nothing comes back, [`report()`] for all tasks, and [`dump()`], the
//! thread dump.

use std::sync::Arc;

use crate::group::members::Asked;
use crate::task::node::Node;
use crate::thread::all_threads;

mod call;
mod cure;
#[cfg(feature = "serde")]
mod data;
mod dump;
mod held_by;
mod kernel;
#[cfg(not(feature = "stacks"))]
mod no_stack;
#[cfg(feature = "stacks")]
pub(crate) mod snapshot;
mod socket;
#[cfg(feature = "stacks")]
mod stack;
mod task;
mod thread;
mod waits_on;

#[cfg(feature = "console")]
pub(crate) use dump::list;
pub use dump::{ThreadDump, dump};
pub use held_by::Holder;
#[cfg(not(feature = "stacks"))]
use no_stack::Dump;
#[cfg(feature = "stacks")]
use stack::dump::Dump;
#[cfg(feature = "stacks")]
pub use stack::{Frame, Stack};
pub use task::Report;
pub use thread::{ThreadReport, ThreadState};

/// Where all tasks are that run in this process, in the order in which they were made. (The thread
/// dump, with all other threads, is [`dump()`].)
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
    for record in all_threads::records() {
        let mut tasks = Node::all_on(&record);
        innermost.extend(tasks.pop().map(|task| dump.look(&task)));
        outer.extend(tasks.into_iter().map(|task| Report::of(&Asked::Task(task))));
    }
    dump.end(innermost.iter_mut());
    innermost.append(&mut outer);
    in_order(innermost)
}

/// The same without stacks: nobody is disturbed.
#[cfg(feature = "console")]
fn tasks() -> Vec<Report> {
    let records = all_threads::records();
    let tasks = records.iter().flat_map(|record| Node::all_on(record).into_iter().rev());
    in_order(tasks.map(|task| Report::of(&Asked::Task(task))).collect())
}

fn in_order(mut reports: Vec<Report>) -> Vec<Report> {
    // What has ended since, or belongs to the process before a fork.
    reports.retain(|report| !report.finished);
    // One that runs on several threads is told once, with its stack if there is one.
    reports.sort_by_key(|report| report.task);
    reports.dedup_by_key(|report| report.task);
    reports
}

/// A thread of this process, as the kernel shows it.
pub(crate) fn of_thread(tid: i32) -> Option<ThreadReport> {
    kernel::look(tid)
}

impl Report {
    /// With the thread's stack, for a task that does not come back: that costs its thread
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
}
