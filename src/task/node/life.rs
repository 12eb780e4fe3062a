//! What a node's lock guards: how far the task is, where it runs, and what it was asked.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Node, Progress};
use crate::interrupted::{Interrupted, Reason};
use crate::kernel::clock::Moment;
use crate::room::{Full, Room};
use crate::task::counts;
use crate::thread::target::ThreadRecord;
use crate::thread::{hook_queue, registry};

pub(super) struct Life {
    pub(super) name: Option<Arc<str>>,
    pub(super) phase: Phase,
    pub(super) began: Option<Moment>,
    /// The other threads that it runs on: those of scopes inside of it.
    pub(super) sharers: Option<Box<Sharers>>,
    /// The oldest first. Ids ascend.
    pub(super) pending: VecDeque<Pending>,
    /// Why the thread could not be told of the last of them.
    pub(super) undelivered: Option<io::Error>,
    pub(super) last_id: u64,
    /// Every request up to this one has been raised.
    pub(super) raised_up_to: u64,
    /// And the program has been told so, if it wants to hear it.
    pub(super) told_up_to: u64,
    /// The last one that was raised and is not pending any more.
    pub(super) raised: Option<Interrupted>,
    pub(super) raises: u64,
    pub(super) raised_at: Option<Moment>,
    /// Refusals that `raised` and `raised_up_to` know of.
    pub(super) refused: u64,
}

#[derive(Clone)]
pub(super) enum Phase {
    NotStarted,
    Running(Arc<ThreadRecord>),
    Finished,
}

/// Threads in the order of their addresses, which is the order in which a requester takes their locks:
/// two that ask two tasks on the same threads do not wait for each other.
#[derive(Default)]
pub(super) struct Sharers {
    pub(super) records: Vec<Arc<ThreadRecord>>,
}

pub(super) struct Pending {
    pub(super) id: u64,
    pub(super) interrupted: Interrupted,
    pub(super) since: Moment,
    /// It was meant for the group that the task is in, so the task cannot take it.
    pub(super) by_group: bool,
}

/// Room for one more request.
pub(super) type RoomToNote = Room<VecDeque<Pending>>;

impl Sharers {
    pub(super) fn find(&self, record: &Arc<ThreadRecord>) -> Result<usize, usize> {
        self.records.binary_search_by_key(&Arc::as_ptr(record), Arc::as_ptr)
    }

    pub(super) fn add(
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
    pub(super) fn remove(&mut self, record: &Arc<ThreadRecord>) {
        if let Ok(index) = self.find(record) {
            self.records.remove(index);
        }
    }

    /// Those that come before that one, and those that come after.
    pub(super) fn around(&self, record: &Arc<ThreadRecord>) -> [&[Arc<ThreadRecord>]; 2] {
        match self.find(record) {
            Err(index) => self.records.split_at(index).into(),
            Ok(index) => [&self.records[..index], &self.records[index + 1..]],
        }
    }
}

impl Life {
    /// The threads that it runs on, in order, if there is more than one.
    pub(super) fn threads(&self) -> impl Iterator<Item = &Arc<ThreadRecord>> {
        let (owner, [before, after]) = match (&self.phase, &self.sharers) {
            (Phase::Running(owner), Some(sharers)) if !sharers.records.is_empty() => {
                (Some(owner), sharers.around(owner))
            }
            _ => (None, [&[][..]; 2]),
        };
        before.iter().chain(owner).chain(after)
    }

    /// Whether that is what [`threads`](Self::threads) tells.
    pub(super) fn runs_on_all_of(&self, threads: &[Arc<ThreadRecord>]) -> bool {
        self.threads().map(Arc::as_ptr).eq(threads.iter().map(Arc::as_ptr))
    }

    /// Adds a request; its place.
    pub(super) fn push(
        &mut self,
        interrupted: &Interrupted,
        room: &mut RoomToNote,
    ) -> Result<usize, Full> {
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
    pub(super) fn clear_sharers(&self, node: &Node) {
        self.each_sharer(|sharer| {
            if hook_queue::in_use() {
                sharer.thread(|thread| thread.block().hooked.note_taken_elsewhere());
            }
            sharer.clear(node);
        });
    }

    pub(super) fn each_sharer(&self, f: impl FnMut(&Arc<ThreadRecord>)) {
        self.sharers.iter().flat_map(|sharers| &sharers.records).for_each(f);
    }

    /// Whether the task runs on the calling thread.
    pub(super) fn runs_here(&self, owner: &Arc<ThreadRecord>) -> bool {
        let mut here = registry::is_registered_as(owner);
        self.each_sharer(|sharer| here |= registry::is_registered_as(sharer));
        here
    }

    /// Catches up with the handler: a refusal is an error that was handed out, for the oldest
    /// request.
    pub(super) fn notice(&mut self, refused: u64) {
        if refused != self.refused {
            self.refused = refused;
            if let Some(oldest) = self.pending.front() {
                self.note_raised(oldest.id);
            }
        }
    }

    pub(super) fn note_raised(&mut self, id: u64) {
        if self.raised_up_to < id {
            self.raised_up_to = id;
            counts::RAISED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was raised last: the oldest pending request if it was, or the one before it. (It is
    /// always the oldest that is raised.)
    pub(super) fn last_raised(&self) -> Option<&Interrupted> {
        let oldest = self.pending.front().filter(|oldest| oldest.id <= self.raised_up_to);
        oldest.map(|oldest| &oldest.interrupted).or(self.raised.as_ref())
    }

    pub(super) fn progress(&self, node: &Arc<Node>, request: Option<u64>) -> Progress {
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

    pub(super) fn undelivered(&self) -> Option<io::Error> {
        let error = self.undelivered.as_ref().filter(|_| !self.pending.is_empty())?;
        Some(match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => error.kind().into(),
        })
    }
}

impl Pending {
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.interrupted.reason(), Reason::Requested)
    }
}
