//! What the threads of a scope inherit, and who runs a context: the tasks, deadlines and masks in
//! force where it began.
//!
//! Each heir has on its own stack what the giver has on its own, in the same order: a task on that
//! stack runs on the heirs as well, so that a request to it arms them all; a deadline is kept by each
//! with its own timer, at the same moment. What is masked there is left out. All that is said about
//! one thread (the outermost cause is raised first, a task takes only what was meant for it) then
//! holds on each by itself.
//!
//! (Rejected: a node for each thread, to which the tasks around it hand their requests on. A
//! request that is taken back would have to be found again in all of them; nobody could tell
//! whether it is the thread's own, or is to be raised before a deadline; and a request that an heir
//! has raised would not count as raised.)
//!
//! # Nobody is missed
//!
//! A task's list of threads is under its lock, as its requests are. Whoever asks it finds the
//! thread on the list, or the thread finds the request when it begins. The lock is let go before
//! signals are sent; that they go to threads that still run the task is due to the signal locks
//! ([`thread`](crate::thread)), which are held until then, all of them. They are taken in the order
//! of the records' addresses, under the task's lock, and nobody who has one waits for a task's
//! lock: so nobody waits in a circle.
//!
//! # Who was raised
//!
//! A deadline that was raised on an heir was raised inside of it as much as on the giver's own
//! thread, and its `timeout` is to know that. The giver lends its deadline, and the heir notes it
//! there ([`stretches`]).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::deadline::open::{self, Limit};
use crate::kernel::Moment;
use crate::reach::Reach;
use crate::task::node::{Node, node_of};
use crate::thread::record::RoomToCopy;
use crate::thread::stretches::{self, Deadline};
use crate::thread::target::Task;
use crate::thread::{Stretch, ThreadRecord, fork_gate, registry};
use crate::{Task as NewTask, after_change, rest, unblocked};

/// What is in force on a thread, for others.
pub(crate) struct Inheritance {
    /// Outermost first.
    causes: Vec<Cause>,
}

enum Cause {
    Task(Arc<Node>),
    Deadline {
        began: Moment,
        at: Moment,
        /// One of the heirs has raised it.
        raised: Arc<AtomicBool>,
    },
}

impl Inheritance {
    /// What is in force here.
    pub(crate) fn here() -> Self {
        after_change::take_in_strays();
        let (tasks, masked) = registry::registered().map_or_else(Default::default, |record| {
            fork_gate::with_room(|_, room: &mut RoomToCopy<dyn Task>| record.unmasked(room))
        });
        let mut causes = Vec::new();
        let mut tasks =
            tasks.into_iter().map(|task| Cause::Task(node_of(task))).enumerate().peekable();
        for (Deadline { began, at, tasks_outside, .. }, raised) in stretches::lend_deadlines() {
            let is_outside = |(index, _): &(usize, _)| masked + index < tasks_outside;
            while let Some((_, task)) = tasks.next_if(is_outside) {
                causes.push(task);
            }
            causes.push(Cause::Deadline { began, at, raised });
        }
        causes.extend(tasks.map(|(_, task)| task));
        Self { causes }
    }

    /// A task that has begun since, inside of all that.
    pub(crate) fn and(mut self, task: Arc<Node>) -> Self {
        self.causes.push(Cause::Task(task));
        self
    }

    /// The innermost task.
    pub(crate) fn task(&self) -> Option<&Arc<Node>> {
        self.causes.iter().rev().find_map(|cause| match cause {
            Cause::Task(node) => Some(node),
            Cause::Deadline { .. } => None,
        })
    }

    /// Runs `f` on this thread, where nothing else is in force, with all of it in force, and as that
    /// task inside. (Deadlines alone are kept inside of it: as nobody's it is a root, and would hide
    /// them.)
    pub(crate) fn run<T>(&self, reach: bool, task: Option<NewTask>, f: impl FnOnce() -> T) -> T {
        let _reach = Reach::set(reach);
        let record = registry::register();
        let unblocked = unblocked::unblock_signals();
        let value = match task {
            Some(task) if self.task().is_none() => {
                task.run(|| run(&self.causes, &record, || caught(f)))
            }
            Some(task) => run(&self.causes, &record, || caught(|| task.run(f))),
            None => run(&self.causes, &record, || caught(f)),
        };
        after_change::sync_to_word();
        rest::block_again(unblocked);
        value.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

fn caught<T>(f: impl FnOnce() -> T) -> thread::Result<T> {
    catch_unwind(AssertUnwindSafe(f))
}

/// `f` does not panic: its caller catches that.
fn run<T>(causes: &[Cause], record: &Arc<ThreadRecord>, f: impl FnOnce() -> T) -> T {
    match causes.split_first() {
        None => f(),
        Some((Cause::Task(node), inner)) => {
            let _beside = Beside::begin(node, record);
            run(inner, record, f)
        }
        Some((Cause::Deadline { began, at, raised }, inner)) => {
            let body = || run(inner, record, f);
            let (value, was_raised) = open::run(Limit::begun(*began, *at), body);
            raised.fetch_or(was_raised, Ordering::Relaxed);
            value
        }
    }
}

/// A task that runs on this thread as well.
struct Beside<'a> {
    node: &'a Arc<Node>,
    record: &'a Arc<ThreadRecord>,
    stretch: Stretch,
}

impl<'a> Beside<'a> {
    fn begin(node: &'a Arc<Node>, record: &'a Arc<ThreadRecord>) -> Self {
        let stretch = stretches::begin_task(None);
        node.begin_shared(record);
        Self { node, record, stretch }
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        // On the thread's own stack, and so neither elsewhere nor out of turn.
        if let Some(ended) = stretches::end(self.stretch) {
            self.node.end_beside(self.record, ended.place(), stretches::masked_tasks());
        }
    }
}
