//! The helper thread: one thread for the process that signals at deadlines, where the kernel has no timer
//! to give (S16).
//!
//! A pure second-best: it exists only once `timer_create` has failed, which it does at the limit on
//! queued signals. It signals as a requester does, through the record, so never a thread that has
//! gone. One entry for each thread at most, the earliest of its deadlines.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::kernel::{Moment, futex};
use crate::room::{Full, Room};
use crate::signal::ours;
use crate::thread::record::Thread;
use crate::thread::{ThreadRecord, fork_gate, helper_thread};

static KEPT: Mutex<Kept> = Mutex::new(Kept::new());
/// Counts the changes that the helper thread must wake for; a futex.
static CHANGES: AtomicU32 = AtomicU32::new(0);

struct Kept {
    /// Of the process that the rest belongs to: a child of a fork has no helper thread yet.
    generation: u32,
    is_running: bool,
    /// The last one first.
    deadlines: Vec<Deadline>,
}

struct Deadline {
    at: Moment,
    record: Arc<ThreadRecord>,
}

impl Kept {
    const fn new() -> Self {
        Self { generation: 0, is_running: false, deadlines: Vec::new() }
    }

    /// The state of this process, and what is left of an older one's, to be dropped without a lock.
    fn of(&mut self, generation: u32) -> Option<Self> {
        let is_native = self.generation == generation;
        (!is_native).then(|| std::mem::replace(self, Self { generation, ..Self::new() }))
    }

    fn find(&self, record: &Arc<ThreadRecord>, at: Moment) -> Result<usize, usize> {
        let wanted = (at, Arc::as_ptr(record));
        self.deadlines.binary_search_by(|kept| wanted.cmp(&(kept.at, Arc::as_ptr(&kept.record))))
    }

    /// Puts a thread's deadline in the place of another; that one, and whether it is now the first
    /// of all.
    fn replace(
        &mut self,
        record: &Arc<ThreadRecord>,
        before: Moment,
        at: Moment,
        room: &mut Room<Vec<Deadline>>,
    ) -> Result<(Option<Deadline>, bool), Full> {
        room.for_one_more(&mut self.deadlines)?;
        let old = self.find(record, before).ok().map(|index| self.deadlines.remove(index));
        let new = self.find(record, at);
        if let Err(index) = new {
            if at != Moment::NEVER {
                self.deadlines.insert(index, Deadline { at, record: record.clone() });
                return Ok((old, index + 1 == self.deadlines.len()));
            }
        }
        Ok((old, false))
    }

    /// The first deadline, if it has come; else when it does.
    fn take_due(&mut self, now: Moment) -> Result<Deadline, Option<Moment>> {
        let next = self.deadlines.last().map(|first| first.at);
        match next {
            Some(at) if at <= now => self.deadlines.pop().ok_or(None),
            _ => Err(next),
        }
    }
}

/// Under the gate, no fork can see it locked; what `f` returns is dropped with neither held.
fn locked<T>(mut f: impl FnMut(&mut Kept, &mut Room<Vec<Deadline>>) -> Result<T, Full>) -> T {
    let mut of_parent = None;
    fork_gate::with_room(|_, room| {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = kept.of(fork_gate::generation()) {
            of_parent = Some(old);
        }
        f(&mut kept, room)
    })
}

/// Signals a thread at a moment, in the place of the one that was asked for before, or
/// never. It fails where the helper thread cannot be had (S28).
pub(crate) fn keep(record: &Arc<ThreadRecord>, before: Moment, at: Moment) -> io::Result<()> {
    let (_old, is_first, is_needed) = locked(|kept, room| {
        let (old, is_first) = kept.replace(record, before, at, room)?;
        let is_needed = at != Moment::NEVER && !kept.is_running;
        kept.is_running |= is_needed;
        Ok((old, is_first, is_needed))
    });
    if is_first {
        CHANGES.fetch_add(1, Ordering::Relaxed);
        futex::wake_all(&CHANGES);
    }
    if is_needed { start() } else { Ok(()) }
}

/// Starts the helper thread.
fn start() -> io::Result<()> {
    helper_thread::start("eintr-deadlines", run).inspect_err(|_| {
        // The next deadline tries again.
        locked(|kept, _| {
            kept.is_running = false;
            Ok(())
        });
    })
}

fn run() {
    loop {
        let seen = CHANGES.load(Ordering::Relaxed);
        let now = Moment::now();
        match locked(|kept, _| Ok(kept.take_due(now))) {
            Ok(due) => {
                let gate = fork_gate::gate();
                // What cannot be sent leaves the deadline to nobody, unless we move.
                due.record.thread(|thread| thread.signal());
                drop(gate);
                ours::move_if_taken();
            }
            Err(next) => {
                futex::wait(&CHANGES, seen, next.unwrap_or(Moment::NEVER));
            }
        }
    }
}
