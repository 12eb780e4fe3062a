//! What a thread's tasks are asked is handed out, on that thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Node, node_of};
use crate::deadline::standing;
use crate::interrupted::{Interrupted, Reason};
use crate::kernel::clock::Moment;
use crate::thread::fork_gate::{self, Gate};
use crate::thread::registry;
use crate::thread::target::ThreadRecord;

impl Node {
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
