//! A task is asked: the request is noted under its lock, and the threads that run it are told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Node;
use super::life::{Life, Pending, Phase, RoomToNote};
use crate::interrupted::{Interrupted, Reason};
use crate::room::{Full, MakeRoom, Room};
use crate::signal::ours;
use crate::task::counts;
use crate::thread::record::Delivery;
use crate::thread::target::ThreadRecord;
use crate::thread::{fork_gate, hook_queue};

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

impl Node {
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
    pub(super) fn notify_again(self: &Arc<Self>) {
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
}

/// Why the thread could not be told, if it could not.
fn error_of(delivery: Delivery) -> Option<io::Error> {
    match delivery {
        Delivery::Undelivered(error) => Some(error),
        Delivery::Armed | Delivery::Masked | Delivery::Absent => None,
    }
}
