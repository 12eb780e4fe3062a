//! What a [`Task`](crate::Task), its [`Interrupter`](crate::Interrupter)s and its
//! [`Request`](crate::Request)s share.
//!
//! What always holds, outside of a node's lock:
//!
//! 1. Locks are taken in one order: the fork gate, a node, a record's two; of several records' in the order of
//!    their addresses. So there is no circle.
//! 2. Nothing of the user's runs under any of them, and nothing is allocated or freed: what may be the
//!    last count of something is handed out and dropped after, or declared before the gate is taken.
//! 3. `phase` is `Running(record)` while a frame of that record's stack is the task's. Both change under the
//!    node's lock, so a request finds a thread with the frame, or none. (A thread that ends without unwinding
//!    gives its frames up first, and then the tasks.)
//! 4. The ids of requests ascend, and so do those that are pending. `raised_up_to` never falls: a request
//!    is raised once and for all.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::life::{Life, Pending, Phase, Sharers};
use super::counts;
use crate::interrupted::Interrupted;
use crate::kernel::clock::Moment;
use crate::thread::block::Refusals;
use crate::thread::fork_gate::{self, Gate};
use crate::thread::number;
use crate::thread::record::{Floor, RoomToCopy, RoomToEnter};
use crate::thread::target::{Task, ThreadRecord};

mod life;
mod progress;
mod raise;
mod request;

pub(crate) use self::progress::{Figures, Progress};
pub(crate) use self::raise::{all_here, cause, current, raise, refused_for, take};
pub(crate) use self::request::Armed;

/// What a task's handles share: its requests, whether it has begun or ended, and where it runs.
pub(crate) struct Node {
    id: u64,
    nesting: Nesting,
    /// The process that the task belongs to, counted in forks: a child has the tasks of the thread
    /// that forked, no others.
    generation: AtomicU32,
    refusals: Refusals,
    /// Where the program made it, if that is known.
    place: Option<&'static Location<'static>>,
    life: Mutex<Life>,
}

/// Where a task may nest: where its parent is innermost, on the thread that it was created on.
/// Elsewhere it is a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    /// Never.
    Root,
    /// Inside the task of that id.
    Task(u64),
    /// Where no task runs, on the thread of that number.
    Thread(u64),
}

/// What an ended task no longer needs. It holds reasons of the user's, and perhaps the last count
/// of things of ours.
struct Leftovers {
    _phase: Phase,
    _pending: VecDeque<Pending>,
    _raised: Option<Interrupted>,
    _frame: Option<Arc<dyn Task>>,
}

/// How a task has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It stands for itself, with what lies below it masked.
    Root,
    Nested,
    /// It belongs to the process before a fork, and cannot.
    Not,
}

/// A number that no other task has, nor a group.
pub(crate) fn fresh_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

impl Node {
    pub(crate) fn new(
        name: Option<Arc<str>>,
        nesting: Nesting,
        place: Option<&'static Location<'static>>,
    ) -> Arc<Self> {
        // There is rarely a second request. The first finds its room here, and the requester does not
        // stop to make it.
        let pending = VecDeque::with_capacity(1);
        let id = fresh_id();
        Arc::new(Self {
            id,
            nesting,
            generation: AtomicU32::new(fork_gate::generation()),
            refusals: Refusals::of(id),
            place,
            life: Mutex::new(Life {
                name,
                phase: Phase::NotStarted,
                began: None,
                sharers: None,
                pending,
                undelivered: None,
                last_id: 0,
                raised_up_to: 0,
                told_up_to: 0,
                raised: None,
                raises: 0,
                raised_at: None,
                refused: 0,
            }),
        })
    }

    /// Where a task that is created here may nest.
    pub(crate) fn nesting_here() -> Nesting {
        match current() {
            Some(parent) => Nesting::Task(parent.id),
            None => Nesting::Thread(number::number()),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        let mut name = Some(name);
        let gate = fork_gate::gate();
        if let Some(mut life) = self.life(&gate) {
            std::mem::swap(&mut life.name, &mut name);
        }
    }

    /// The generation is right and the lock is held; the gate proves that no fork can see it held.
    fn life(&self, _gate: &Gate) -> Option<MutexGuard<'_, Life>> {
        let native = self.generation.load(Ordering::Relaxed) == fork_gate::generation();
        native.then(|| {
            let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
            life.notice(self.refusals.count.load(Ordering::Acquire));
            life
        })
    }

    // The task's own thread.

    /// The task begins on this thread, whose record that is.
    pub(crate) fn begin(self: &Arc<Self>, record: &Arc<ThreadRecord>) -> Begun {
        let task: Arc<dyn Task> = self.clone();
        fork_gate::with_room(|gate, room: &mut RoomToEnter<dyn Task>| {
            let root = match self.nesting {
                Nesting::Root => true,
                Nesting::Task(parent) => record.innermost().is_none_or(|task| task.id() != parent),
                Nesting::Thread(owner) => owner != number::number() || record.innermost().is_some(),
            };
            let Some(mut life) = self.life(gate) else { return Ok(Begun::Not) };
            // Under our lock: a requester finds either no thread yet, or the frame in place.
            record.enter(&task, !life.pending.is_empty(), root, room)?;
            life.phase = Phase::Running(record.clone());
            life.began = Some(Moment::last_tick());
            Ok(if root { Begun::Root } else { Begun::Nested })
        })
    }

    /// The task ends on the thread where it began. `place` is where it stands among the tasks there; those below
    /// `floor` are masked from then on.
    pub(crate) fn end(self: &Arc<Self>, record: &ThreadRecord, place: usize, floor: Floor) {
        let gate = fork_gate::gate();
        let leave = || record.leave(place, floor);
        // An older generation's task cannot have begun here; its frame is taken off all the same.
        let left = self.life(&gate).map(|life| self.finish(life, leave));
        let frame = left.is_none().then(leave);
        drop(gate);
        drop((left, frame));
    }

    /// The task ends, and not on the thread where it began, whose record that is. That one takes it
    /// off when it comes by.
    pub(crate) fn end_elsewhere(&self, record: &ThreadRecord) {
        let gate = fork_gate::gate();
        let clear = || {
            record.clear(self);
            None
        };
        let left = self.life(&gate).map(|life| self.finish(life, clear));
        drop(gate);
        drop(left);
    }

    /// The task, which runs, begins on another thread as well, whose record that is.
    pub(crate) fn begin_shared(self: &Arc<Self>, record: &Arc<ThreadRecord>) {
        // For the case that this is the first sharer.
        let mut sharers = Some(Box::<Sharers>::default());
        let task: Arc<dyn Task> = self.clone();
        fork_gate::with_room(|gate, (to_enter, to_add): &mut (RoomToEnter<dyn Task>, _)| {
            let mut life = self.life(gate);
            if let Some(life) = &mut life {
                if life.sharers.is_none() {
                    std::mem::swap(&mut life.sharers, &mut sharers);
                }
                let is_owner =
                    matches!(&life.phase, Phase::Running(owner) if Arc::ptr_eq(owner, record));
                if let Some(sharers) = life.sharers.as_mut().filter(|_| !is_owner) {
                    sharers.add(record, to_add)?;
                }
            }
            let pending = life.as_ref().is_some_and(|life| !life.pending.is_empty());
            // Under our lock, as in `begin`.
            record.enter(&task, pending, false, to_enter)
        });
    }

    /// It ends there, as in [`end`](Self::end).
    pub(crate) fn end_beside(&self, record: &Arc<ThreadRecord>, place: usize, floor: Floor) {
        let gate = fork_gate::gate();
        let mut life = self.life(&gate);
        let frame = record.leave(place, floor);
        // A pool may run one job inside of another.
        let goes_on = record.runs(self);
        if let Some(sharers) = life.as_mut().and_then(|life| life.sharers.as_mut()) {
            if !goes_on {
                sharers.remove(record);
            }
        }
        drop(life);
        drop(gate);
        drop(frame);
    }

    /// The task is given up unrun, unless it was run.
    pub(crate) fn give_up(&self) {
        self.finish_if(|phase| matches!(phase, Phase::NotStarted));
    }

    fn finish_if(&self, is_over: impl FnOnce(&Phase) -> bool) {
        let gate = fork_gate::gate();
        let life = self.life(&gate).filter(|life| is_over(&life.phase));
        let left = life.map(|life| self.finish(life, || None));
        drop(gate);
        drop(left);
    }

    /// Ends it; `leave` takes it off its thread under the lock. What is left over is to be dropped
    /// where no lock is held.
    fn finish(
        &self,
        mut life: MutexGuard<'_, Life>,
        leave: impl FnOnce() -> Option<Arc<dyn Task>>,
    ) -> Leftovers {
        let phase = std::mem::replace(&mut life.phase, Phase::Finished);
        if matches!(phase, Phase::Running(_)) {
            counts::FINISHED.fetch_add(1, Ordering::Relaxed);
        }
        let last = life.last_raised().cloned();
        let raised = std::mem::replace(&mut life.raised, last);
        let pending = std::mem::take(&mut life.pending);
        life.clear_sharers(self);
        let frame = leave();
        self.changed(life);
        Leftovers { _phase: phase, _pending: pending, _raised: raised, _frame: frame }
    }

    /// The last interrupt that was handed out, if that is to be told still.
    pub(crate) fn take_untold(&self) -> Option<Interrupted> {
        let gate = fork_gate::gate();
        let mut life = self.life(&gate)?;
        let up_to = life.raised_up_to;
        let told = std::mem::replace(&mut life.told_up_to, up_to);
        (told < up_to).then(|| life.last_raised().cloned())?
    }

    /// The name, if it has one.
    pub(crate) fn name(&self) -> Option<Arc<str>> {
        let gate = fork_gate::gate();
        self.life(&gate)?.name.clone()
    }

    /// The last interrupt that was handed out.
    pub(crate) fn raised(&self) -> Option<Interrupted> {
        let gate = fork_gate::gate();
        self.life(&gate)?.last_raised().cloned()
    }

    /// Whether the task was asked by that number; none stands for one that came after its end.
    #[cfg(feature = "capi")]
    pub(crate) fn had_request(&self, id: Option<u64>) -> bool {
        let Some(id) = id else { return self.is_finished() };
        self.has_no_life_or(|life| id <= life.last_id)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.has_no_life_or(|life| matches!(life.phase, Phase::Finished))
    }

    fn has_no_life_or(&self, is_so: impl FnOnce(&Life) -> bool) -> bool {
        let gate = fork_gate::gate();
        self.life(&gate).is_none_or(|life| is_so(&life))
    }

    /// The tasks that run on the thread of that record, outermost first.
    pub(crate) fn all_on(record: &ThreadRecord) -> Vec<Arc<Self>> {
        let tasks = fork_gate::with_room(|_, room: &mut RoomToCopy<dyn Task>| record.tasks(room));
        tasks.into_iter().map(node_of).collect()
    }

    /// The record of the thread that runs it.
    pub(crate) fn record(&self) -> Option<Arc<ThreadRecord>> {
        let gate = fork_gate::gate();
        match &self.life(&gate)?.phase {
            Phase::Running(record) => Some(record.clone()),
            Phase::NotStarted | Phase::Finished => None,
        }
    }

    pub(crate) fn place(&self) -> Option<&'static Location<'static>> {
        self.place
    }

    /// Tells the waiters, and lets go of the lock before waking them.
    fn changed(&self, life: MutexGuard<'_, Life>) {
        drop(life);
        self.refusals.notify_waiters();
    }
}

impl Task for Node {
    fn id(&self) -> u64 {
        self.id
    }

    fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    fn adopt(&self, record: &Arc<ThreadRecord>) {
        self.generation.store(fork_gate::generation(), Ordering::Relaxed);
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::forget(life.sharers.take());
        if let Phase::Running(owner) = &mut life.phase {
            std::mem::forget(std::mem::replace(owner, record.clone()));
        }
    }

    fn give_up_on(&self, record: &Arc<ThreadRecord>) {
        self.finish_if(
            |phase| matches!(phase, Phase::Running(owner) if Arc::ptr_eq(owner, record)),
        );
        let gate = fork_gate::gate();
        let mut life = self.life(&gate);
        if let Some(sharers) = life.as_mut().and_then(|life| life.sharers.as_mut()) {
            sharers.remove(record);
        }
        drop(life);
        drop(gate);
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// A task that runs on a thread, as what it is.
pub(crate) fn node_of(task: Arc<dyn Task>) -> Arc<Node> {
    task.into_any().downcast().unwrap_or_else(|_| unreachable!("there are no other tasks"))
}
