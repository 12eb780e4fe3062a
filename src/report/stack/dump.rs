//! Whose stack is taken for a report.
//!
//! A thread's stack costs it one signal. That ends no call that the kernel restarts, and none of
//! ours; but a plain sleep or poll would return EINTR, and a thread that nobody has asked is not to
//! notice (P5). So a thread that sits in such a call, and is not armed, keeps its stack to itself.
//! (One that comes to such a call between the look and the signal, or is just leaving it, may see an
//! EINTR once. Rejected: the stack of every thread, which a program that sleeps in C code would pay
//! for; and stacks on demand alone, which are not there when they are needed.)

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame::Address;
use super::names::Names;
use super::unwind::Unwinder;
use super::{Stack, modules, signal_visibility};
use crate::group::members::Asked;
use crate::report::task::Report;
use crate::report::thread::ThreadState;
use crate::report::{kernel, snapshot};
use crate::task::node::Node;

/// How long a thread is given to answer.
const ANSWER: Duration = Duration::from_millis(100);
/// How long all threads together may keep a dump waiting.
const ANSWERS: Duration = Duration::from_secs(1);

/// How often a thread is looked at that moves on under the eyes of the reporter.
const LOOKS: usize = 3;

/// A dump: the stacks that were taken, and what they were unwound by.
pub(crate) struct Dump {
    until: Instant,
    unwinder: Option<Unwinder>,
    taken: Vec<(u64, Vec<Address>)>,
}

impl Dump {
    pub(crate) fn new() -> Self {
        Self { until: Instant::now() + ANSWERS, unwinder: None, taken: Vec::new() }
    }

    /// The report on a task, whose thread's stack is taken.
    pub(crate) fn look(&mut self, task: &Arc<Node>) -> Report {
        let asked = Asked::Task(task.clone());
        let mut report = Report::of(&asked);
        for _ in 0..LOOKS {
            if !has_moved_on(&report) {
                break;
            }
            report = Report::of(&asked);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        let limit = left.min(ANSWER);
        let record = may_be_signalled(&report).then(|| task.record()).flatten();
        let comes_back = report.thread.as_ref().is_some_and(|thread| thread.comes_back);
        let snapshot = record.and_then(|record| {
            let take = |at_call, limit| snapshot::take(&record, task, at_call, limit);
            comes_back.then(|| take(true, left / 2)).flatten().or_else(|| take(false, limit))
        });
        if let Some(snapshot) = snapshot {
            let unwinder = self.unwinder.get_or_insert_with(Unwinder::new);
            let addresses = unwinder.unwind(&snapshot);
            // The innermost function makes the syscall.
            let caller = addresses.get(1).map(|address| address.looked_up);
            if caller.is_some_and(|caller| modules::is_in_mutex_lock(&unwinder.modules, caller)) {
                report.thread.iter_mut().for_each(|thread| thread.locks_pthread_mutex());
            }
            self.taken.push((report.task, addresses));
        }
        report
    }

    /// Puts the stacks into the reports.
    pub(crate) fn end<'a>(self, reports: impl Iterator<Item = &'a mut Report>) {
        let Some(unwinder) = self.unwinder else { return };
        let addresses = self.taken.iter().flat_map(|(_, addresses)| addresses).copied().collect();
        let names = Arc::new(Names::new(unwinder.modules, addresses));
        let mut taken: BTreeMap<_, _> = self.taken.into_iter().collect();
        for report in reports {
            if let (Some(thread), Some(addresses)) =
                (&mut report.thread, taken.remove(&report.task))
            {
                thread.stack = Some(Stack { addresses, names: names.clone() });
            }
        }
    }
}

fn has_moved_on(report: &Report) -> bool {
    let thread = report.thread.as_ref().filter(|thread| thread.retrying_for.is_none());
    thread.is_some_and(|thread| kernel::call_of(thread.tid) != thread.call)
}

/// Whether its thread would answer, and would not notice.
fn may_be_signalled(report: &Report) -> bool {
    use ThreadState::{Retrying, Running, Sleeping};
    let Some(thread) = &report.thread else { return false };
    let answers = matches!(thread.state, Some(Running | Sleeping | Retrying))
        && !thread.blocks_signal
        && !report.handler_replaced;
    let is_armed = report.pending_for.is_some() && !report.masked;
    answers && (is_armed || !signal_visibility::would_notice(thread) && !has_moved_on(report))
}
