//! How far a task is, for those who wait for it and for reports.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Node;
use super::life::Phase;
use crate::interrupted::Interrupted;
use crate::kernel::clock::Moment;
use crate::kernel::futex;
use crate::thread::retries::Retried;
use crate::thread::{backoff, fork_gate};

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

impl Node {
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
}
