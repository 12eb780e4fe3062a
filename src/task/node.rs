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
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::counts;
use crate::deadline::standing;
use crate::interrupted::{Interrupted, Reason};
use crate::kernel::clock::Moment;
use crate::kernel::futex;
use crate::room::{Full, MakeRoom, Room};
use crate::signal::ours;
use crate::thread::block::Refusals;
use crate::thread::fork_gate::{self, Gate};
use crate::thread::record::{Delivery, Floor, RoomToCopy, RoomToEnter};
use crate::thread::retries::Retried;
use crate::thread::target::{Task, ThreadRecord};
use crate::thread::{backoff, hook_queue, number, registry};

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

struct Life {
    name: Option<Arc<str>>,
    phase: Phase,
    began: Option<Moment>,
    /// The other threads that it runs on: those of scopes inside of it.
    sharers: Option<Box<Sharers>>,
    /// The oldest first. Ids ascend.
    pending: VecDeque<Pending>,
    /// Why the thread could not be told of the last of them.
    undelivered: Option<io::Error>,
    last_id: u64,
    /// Every request up to this one has been raised.
    raised_up_to: u64,
    /// And the program has been told so, if it wants to hear it.
    told_up_to: u64,
    /// The last one that was raised and is not pending any more.
    raised: Option<Interrupted>,
    raises: u64,
    raised_at: Option<Moment>,
    /// Refusals that `raised` and `raised_up_to` know of.
    refused: u64,
}

#[derive(Clone)]
enum Phase {
    NotStarted,
    Running(Arc<ThreadRecord>),
    Finished,
}

/// Threads in the order of their addresses, which is the order in which a requester takes their locks:
/// two that ask two tasks on the same threads do not wait for each other.
#[derive(Default)]
struct Sharers {
    records: Vec<Arc<ThreadRecord>>,
}

struct Pending {
    id: u64,
    interrupted: Interrupted,
    since: Moment,
    /// It was meant for the group that the task is in, so the task cannot take it.
    by_group: bool,
}

/// Room for one more request.
type RoomToNote = Room<VecDeque<Pending>>;

/// Threads that requests have armed, if there are hooks at all: a requester that holds no lock of ours is to run
/// them.
#[derive(Default)]
#[must_use = "their hooks are to be run"]
pub(crate) struct Armed(Vec<Arc<ThreadRecord>>);

impl Armed {
    fn add(&mut self, record: Arc<ThreadRecord>) {
        if hook_queue::in_use() {
            self.0.push(record);
        }
    }

    pub(crate) fn threads(&self) -> &[Arc<ThreadRecord>] {
        &self.0
    }
}

/// What an ended task no longer needs. It holds reasons of the user's, and perhaps the last count
/// of things of ours.
struct Leftovers {
    _phase: Phase,
    _pending: VecDeque<Pending>,
    _raised: Option<Interrupted>,
    _frame: Option<Arc<dyn Task>>,
}

/// A task's state, as its waiters ask for it.
pub(crate) enum Progress {
    /// The request was handed out as an error.
    Raised,
    /// The task has ended.
    Finished,
    /// The task has not begun.
    NotStarted,
    /// The task runs.
    Running {
        /// On the asking thread itself.
        here: bool,
        /// With a mask between.
        masked: bool,
        /// And its thread could not be told.
        undelivered: Option<io::Error>,
    },
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

/// The numbers of a task's that a report shows.
pub(crate) struct Figures {
    pub(crate) id: u64,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) started: bool,
    pub(crate) finished: bool,
    pub(crate) masked: bool,
    /// When it began.
    pub(crate) began: Option<Moment>,
    /// The first deadline that stands on its thread.
    pub(crate) deadline: Option<Moment>,
    pub(crate) pending_since: Option<Moment>,
    pub(crate) pending: Option<Interrupted>,
    pub(crate) raises: u64,
    pub(crate) raised_at: Option<Moment>,
    pub(crate) refused: u64,
    pub(crate) tid: Option<i32>,
    pub(crate) retried: Option<Retried>,
}

/// How long a waiting requester leaves a thread alone that could not be told.
const NOTIFY_AGAIN: Duration = Duration::from_millis(10);

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

    /// Hands out the oldest request. Whoever has seen the word finds it: it was noted before, under this lock
    /// (E3 of `thread/README.md`).
    fn raise(&self, gate: &Gate) -> Option<Interrupted> {
        let mut life = self.life(gate)?;
        let (id, interrupted) = {
            let oldest = life.pending.front()?;
            (oldest.id, oldest.interrupted.clone())
        };
        life.note_raised(id);
        life.raises += 1;
        life.raised_at = Some(Moment::last_tick());
        self.changed(life);
        Some(interrupted)
    }

    /// Hands out the oldest request and forgets it. It counts as raised. Also the one that was
    /// raised and forgotten before it, perhaps the last of a reason of the user's: to be dropped
    /// where no lock is held.
    fn take(
        self: &Arc<Self>,
        record: &ThreadRecord,
        gate: &Gate,
    ) -> Option<(Interrupted, Option<Interrupted>)> {
        if self.life(gate)?.pending.iter().any(|pending| pending.by_group) {
            return None;
        }
        let interrupted = self.raise(gate)?;
        let mut life = self.life(gate)?;
        // It shares its reason with what is handed out, so this is not the last of it.
        life.pending.pop_front();
        self.refusals.taken.fetch_add(1, Ordering::Relaxed);
        if life.pending.is_empty() {
            record.clear(&**self);
            life.clear_sharers(self);
        }
        let before = life.raised.replace(interrupted.clone());
        Some((interrupted, before))
    }

    // The requesters.

    /// Asks. The request's id, or none if the task has ended. The hooks of the threads that it has armed
    /// are left to the caller.
    pub(crate) fn request(
        self: &Arc<Self>,
        interrupted: &Interrupted,
        armed: &mut Armed,
    ) -> Option<u64> {
        self.note(interrupted, false, armed)
    }

    /// Whether it has been asked with that interrupt, and it is pending.
    pub(crate) fn is_asked_with(&self, interrupted: &Interrupted) -> bool {
        let gate = fork_gate::gate();
        self.life(&gate).is_some_and(|life| {
            life.pending.iter().any(|pending| pending.interrupted.is(interrupted))
        })
    }

    /// The same for a group that the task is in.
    pub(crate) fn request_by_group(
        self: &Arc<Self>,
        interrupted: &Interrupted,
        armed: &mut Armed,
    ) -> Option<u64> {
        self.note(interrupted, true, armed)
    }

    fn note(
        self: &Arc<Self>,
        interrupted: &Interrupted,
        by_group: bool,
        armed: &mut Armed,
    ) -> Option<u64> {
        self.notify(armed, |life, room| {
            if matches!(life.phase, Phase::Finished) {
                return Ok(None);
            }
            let coalesced = match interrupted.reason() {
                Reason::Requested => life.pending.iter().position(Pending::is_plain),
                _ => None,
            };
            let index = match coalesced {
                Some(index) => index,
                None => life.push(interrupted, room)?,
            };
            let pending = &mut life.pending[index];
            pending.by_group |= by_group;
            Ok(Some(pending.id))
        })
        .inspect(|_| {
            counts::ASKED.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Tries again to tell a thread that could not be told.
    fn notify_again(self: &Arc<Self>) {
        // The thread is armed already: its hooks have been run.
        let _ = self.notify(&mut Armed::default(), |life, _| {
            Ok((life.undelivered.is_some() && !life.pending.is_empty()).then_some(()))
        });
    }

    /// Calls `note`. If that returns something, notifies the threads that run the task, and adds them to `armed`.
    ///
    /// It begins anew where the task runs on other threads than it had made room for, and where there is no room
    /// for the request: both are made without the locks (2). That ends, because the room is kept, and threads
    /// join a task only where a scope or a context begins.
    fn notify<T>(
        self: &Arc<Self>,
        armed: &mut Armed,
        mut note: impl FnMut(&mut Life, &mut RoomToNote) -> Result<Option<T>, Full>,
    ) -> Option<T> {
        let mut room = RoomToNote::default();
        let mut threads = Vec::new();
        loop {
            // Declared before the gate is taken, and so dropped after.
            let owner;
            let mut asked = Vec::with_capacity(threads.len());
            let gate = fork_gate::gate();
            let mut life = self.life(&gate)?;
            if !life.runs_on_all_of(&threads) {
                drop((life, gate));
                threads = self.threads();
                continue;
            }
            let noted = match note(&mut life, &mut room) {
                Ok(noted) => noted?,
                Err(Full) => {
                    drop((life, gate));
                    room.make();
                    continue;
                }
            };
            let Phase::Running(record) = &life.phase else { return Some(noted) };
            owner = record.clone();
            let was_undelivered = life.undelivered.is_some();
            // The threads need our lock to raise, and may run in our place as soon as they are told.
            let undelivered = if threads.is_empty() {
                let asked = owner.request(&**self);
                drop(life);
                error_of(asked.notify())
            } else {
                asked.extend(threads.iter().map(|record| record.request(&**self)));
                drop(life);
                asked
                    .drain(..)
                    .fold(None, |undelivered, asked| error_of(asked.notify()).or(undelivered))
            };
            let is_taken = undelivered
                .as_ref()
                .is_some_and(|error| error.kind() == io::ErrorKind::ResourceBusy);
            if was_undelivered || undelivered.is_some() {
                if let Some(mut life) = self.life(&gate) {
                    life.undelivered = undelivered;
                }
            }
            drop(gate);
            drop(asked);
            let has_moved = is_taken && ours::move_away();
            if threads.is_empty() {
                threads.push(owner);
            }
            threads.into_iter().for_each(|record| armed.add(record));
            if has_moved {
                // By the signal that we have moved to.
                self.notify_again();
            }
            return Some(noted);
        }
    }

    /// The threads that it runs on, if there is more than one.
    fn threads(&self) -> Vec<Arc<ThreadRecord>> {
        fork_gate::with_room(|gate, room: &mut Room<Vec<_>>| {
            let Some(life) = self.life(gate) else { return Ok(Vec::new()) };
            let mut threads = room.for_all(life.threads().count())?;
            threads.extend(life.threads().cloned());
            Ok(threads)
        })
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

    /// How far the task is, or the request of that id: waits until it is `enough` or the moment has
    /// come.
    pub(crate) fn wait_for(
        self: &Arc<Self>,
        request: Option<u64>,
        until: Moment,
        enough: impl Fn(&Progress) -> bool,
    ) -> Progress {
        loop {
            // Before the count of refusals is read, which the handler changes first: else its
            // wake-up could fall between.
            let seen = self.refusals.changes.load(Ordering::Acquire);
            let gate = fork_gate::gate();
            let Some(life) = self.life(&gate) else { return Progress::Finished };
            let progress = life.progress(self, request);
            if enough(&progress) || until <= Moment::now() {
                return progress;
            }
            self.refusals.waiters.fetch_add(1, Ordering::SeqCst);
            // What the kernel had no room for, it may have room for later (S5).
            let again = life.undelivered.is_some().then(|| Moment::in_time(NOTIFY_AGAIN));
            drop(life);
            drop(gate);
            futex::wait(
                &self.refusals.changes,
                seen,
                again.map_or(until, |again| again.min(until)),
            );
            self.end_wait();
            if again.is_some() {
                self.notify_again();
            }
        }
    }

    /// Begins a wait of the caller's own on the futex: the word, and what it is now. None if the
    /// task has ended.
    pub(crate) fn begin_wait(&self) -> Option<(&AtomicU32, u32)> {
        let gate = fork_gate::gate();
        let life = self.life(&gate)?;
        if matches!(life.phase, Phase::Finished) {
            return None;
        }
        self.refusals.waiters.fetch_add(1, Ordering::SeqCst);
        Some((&self.refusals.changes, self.refusals.changes.load(Ordering::Relaxed)))
    }

    /// Ends a wait.
    pub(crate) fn end_wait(&self) {
        self.refusals.waiters.fetch_sub(1, Ordering::Relaxed);
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

    /// What a report shows.
    pub(crate) fn figures(self: &Arc<Self>) -> Figures {
        let gate = fork_gate::gate();
        let life = self.life(&gate);
        // While its lock is held it does not end, so this is not the last of a record.
        let phase = life.as_ref().map_or(Phase::Finished, |life| life.phase.clone());
        let record = match &phase {
            Phase::Running(record) => Some(record),
            Phase::NotStarted | Phase::Finished => None,
        };
        Figures {
            id: self.id,
            name: life.as_ref().and_then(|life| life.name.clone()),
            started: !matches!(phase, Phase::NotStarted),
            finished: matches!(phase, Phase::Finished),
            masked: record.is_some_and(|record| record.is_masked(&**self)),
            began: life.as_ref().and_then(|life| life.began),
            deadline: record
                .and_then(|record| record.thread(|thread| thread.block().deadlines.earliest.get()))
                .filter(|deadline| *deadline != Moment::NEVER),
            pending_since: life.as_ref().and_then(|life| life.pending.front().map(|p| p.since)),
            pending: life
                .as_ref()
                .and_then(|life| life.pending.front().map(|p| p.interrupted.clone())),
            raises: life.as_ref().map_or(0, |life| life.raises),
            raised_at: life.as_ref().and_then(|life| life.raised_at),
            refused: life.as_ref().map_or(0, |life| life.refused),
            tid: record.and_then(|record| record.thread(|thread| thread.tid())),
            retried: record
                .and_then(|record| record.thread(|thread| backoff::retried(thread.block()))?),
        }
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

/// Why the thread could not be told, if it could not.
fn error_of(delivery: Delivery) -> Option<io::Error> {
    match delivery {
        Delivery::Undelivered(error) => Some(error),
        Delivery::Armed | Delivery::Masked | Delivery::Absent => None,
    }
}

impl Sharers {
    fn find(&self, record: &Arc<ThreadRecord>) -> Result<usize, usize> {
        self.records.binary_search_by_key(&Arc::as_ptr(record), Arc::as_ptr)
    }

    fn add(
        &mut self,
        record: &Arc<ThreadRecord>,
        room: &mut Room<Vec<Arc<ThreadRecord>>>,
    ) -> Result<(), Full> {
        if let Err(index) = self.find(record) {
            room.for_one_more(&mut self.records)?;
            self.records.insert(index, record.clone());
        }
        Ok(())
    }

    /// Which is the caller's as well, so this is not the last of it.
    fn remove(&mut self, record: &Arc<ThreadRecord>) {
        if let Ok(index) = self.find(record) {
            self.records.remove(index);
        }
    }

    /// Those that come before that one, and those that come after.
    fn around(&self, record: &Arc<ThreadRecord>) -> [&[Arc<ThreadRecord>]; 2] {
        match self.find(record) {
            Err(index) => self.records.split_at(index).into(),
            Ok(index) => [&self.records[..index], &self.records[index + 1..]],
        }
    }
}

impl Life {
    /// The threads that it runs on, in order, if there is more than one.
    fn threads(&self) -> impl Iterator<Item = &Arc<ThreadRecord>> {
        let (owner, [before, after]) = match (&self.phase, &self.sharers) {
            (Phase::Running(owner), Some(sharers)) if !sharers.records.is_empty() => {
                (Some(owner), sharers.around(owner))
            }
            _ => (None, [&[][..]; 2]),
        };
        before.iter().chain(owner).chain(after)
    }

    /// Whether that is what [`threads`](Self::threads) tells.
    fn runs_on_all_of(&self, threads: &[Arc<ThreadRecord>]) -> bool {
        self.threads().map(Arc::as_ptr).eq(threads.iter().map(Arc::as_ptr))
    }

    /// Adds a request; its place.
    fn push(&mut self, interrupted: &Interrupted, room: &mut RoomToNote) -> Result<usize, Full> {
        room.for_one_more(&mut self.pending)?;
        self.last_id += 1;
        self.pending.push_back(Pending {
            id: self.last_id,
            interrupted: interrupted.clone(),
            since: Moment::last_tick(),
            by_group: false,
        });
        Ok(self.pending.len() - 1)
    }

    /// The other threads have no request of that task's any more, whose life this is.
    fn clear_sharers(&self, node: &Node) {
        self.each_sharer(|sharer| {
            if hook_queue::in_use() {
                sharer.thread(|thread| thread.block().hooked.note_taken_elsewhere());
            }
            sharer.clear(node);
        });
    }

    fn each_sharer(&self, f: impl FnMut(&Arc<ThreadRecord>)) {
        self.sharers.iter().flat_map(|sharers| &sharers.records).for_each(f);
    }

    /// Whether the task runs on the calling thread.
    fn runs_here(&self, owner: &Arc<ThreadRecord>) -> bool {
        let mut here = registry::is_registered_as(owner);
        self.each_sharer(|sharer| here |= registry::is_registered_as(sharer));
        here
    }

    /// Catches up with the handler: a refusal is an error that was handed out, for the oldest
    /// request.
    fn notice(&mut self, refused: u64) {
        if refused != self.refused {
            self.refused = refused;
            if let Some(oldest) = self.pending.front() {
                self.note_raised(oldest.id);
            }
        }
    }

    fn note_raised(&mut self, id: u64) {
        if self.raised_up_to < id {
            self.raised_up_to = id;
            counts::RAISED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was raised last: the oldest pending request if it was, or the one before it. (It is
    /// always the oldest that is raised.)
    fn last_raised(&self) -> Option<&Interrupted> {
        let oldest = self.pending.front().filter(|oldest| oldest.id <= self.raised_up_to);
        oldest.map(|oldest| &oldest.interrupted).or(self.raised.as_ref())
    }

    fn progress(&self, node: &Arc<Node>, request: Option<u64>) -> Progress {
        if request.is_some_and(|id| id <= self.raised_up_to) {
            return Progress::Raised;
        }
        match &self.phase {
            Phase::NotStarted => Progress::NotStarted,
            Phase::Finished => Progress::Finished,
            Phase::Running(record) => Progress::Running {
                here: self.runs_here(record),
                masked: record.is_masked(&**node),
                undelivered: self.undelivered(),
            },
        }
    }

    fn undelivered(&self) -> Option<io::Error> {
        let error = self.undelivered.as_ref().filter(|_| !self.pending.is_empty())?;
        Some(match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => error.kind().into(),
        })
    }
}

impl Pending {
    fn is_plain(&self) -> bool {
        matches!(self.interrupted.reason(), Reason::Requested)
    }
}

/// The tasks of this thread, outermost first.
pub(crate) fn all_here() -> Vec<Arc<Node>> {
    registry::registered().map_or_else(Vec::new, |record| Node::all_on(&record))
}

/// The innermost task of this thread.
pub(crate) fn current() -> Option<Arc<Node>> {
    let _gate = fork_gate::gate();
    registry::registered()?.innermost().map(node_of)
}

/// Hands out what this thread is armed by: the outermost cause first, then the oldest.
pub(crate) fn raise() -> Option<Interrupted> {
    // The tasks outside of a deadline come before it, those inside after.
    let outside = standing::armed().map_or(usize::MAX, |armed| armed.tasks_outside);
    raise_task(outside)
        .or_else(|| standing::mark_raised().then(|| Interrupted::new(Reason::Deadline)))
}

fn raise_task(among: usize) -> Option<Interrupted> {
    if among == 0 {
        return None;
    }
    let gate = fork_gate::gate();
    node_of(registry::with_registered(|record| record.outermost_cause(among))??).raise(&gate)
}

/// What this thread is armed by, as [`raise`] would hand it out. It does not count as raised. Takes
/// the record's lock in any case.
pub(crate) fn cause() -> Option<Interrupted> {
    let outside = standing::armed().map_or(usize::MAX, |armed| armed.tasks_outside);
    let of_task = || {
        let gate = fork_gate::gate();
        let task = node_of(registry::registered()?.outermost_cause(outside)?);
        let life = task.life(&gate)?;
        life.pending.front().map(|oldest| oldest.interrupted.clone())
    };
    of_task().or_else(|| standing::is_armed().then(|| Interrupted::new(Reason::Deadline)))
}

/// Hands out and forgets the oldest request of the innermost task, if nothing outside it stands,
/// and no deadline.
pub(crate) fn take() -> Option<Interrupted> {
    if standing::is_armed() {
        return None;
    }
    let gate = fork_gate::gate();
    let record = registry::registered()?;
    let (taken, before) = node_of(record.taker()?).take(&record, &gate)?;
    drop(gate);
    drop(before);
    Some(taken)
}

/// The cause for which this thread's syscalls have been refused, if they have been and it still
/// stands.
pub(crate) fn refused_for() -> Option<Interrupted> {
    let armed = standing::armed();
    let outside = armed.map_or(usize::MAX, |armed| armed.tasks_outside);
    let was_raised = armed.is_some_and(|armed| armed.was_raised);
    let deadline = || was_raised.then(|| Interrupted::new(Reason::Deadline));
    refused_task(outside).or_else(deadline)
}

fn refused_task(among: usize) -> Option<Interrupted> {
    let gate = fork_gate::gate();
    let task = node_of(registry::registered()?.outermost_cause(among)?);
    let life = task.life(&gate)?;
    (life.refused > 0).then(|| life.pending.front().map(|oldest| oldest.interrupted.clone()))?
}
