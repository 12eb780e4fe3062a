//! The keeper: one thread for the process that signals at deadlines, where the kernel has no timer
//! to give (S16).
//!
//! A pure second-best: it exists only once `timer_create` has failed, which it does at the limit on
//! queued signals. It signals as an asker does, through the record, so never a thread that has
//! gone. One entry for each thread at most, the earliest of its deadlines.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::clock::Moment;
use super::thread::ThreadRecord;
use super::{fork, futex, helper};
use crate::state::Thread;

static KEPT: Mutex<Kept> = Mutex::new(Kept::new());
/// Counts the changes that the keeper must wake for; a futex.
static CHANGES: AtomicU32 = AtomicU32::new(0);

struct Kept {
    /// Of the process that the rest belongs to: a child of a fork has no keeper yet.
    generation: u32,
    is_running: bool,
    /// By the moment, then by the record's address.
    deadlines: BTreeMap<(Moment, usize), Arc<ThreadRecord>>,
}

impl Kept {
    const fn new() -> Self {
        Self { generation: 0, is_running: false, deadlines: BTreeMap::new() }
    }

    /// The state of this process, and what is left of an older one's, to be dropped without a lock.
    fn of(&mut self, generation: u32) -> Option<Self> {
        let is_native = self.generation == generation;
        (!is_native).then(|| std::mem::replace(self, Self { generation, ..Self::new() }))
    }
}

/// Under the gate, no fork can see it locked; what `f` returns is dropped with neither held.
fn locked<T>(f: impl FnOnce(&mut Kept) -> T) -> T {
    let gate = fork::gate();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let old = kept.of(fork::generation());
    let value = f(&mut kept);
    drop(kept);
    drop(gate);
    drop(old);
    value
}

/// Has a thread signalled at a moment, in the place of the one that was asked for before, or
/// never.
pub(super) fn keep(record: &Arc<ThreadRecord>, before: Moment, at: Moment) {
    let key = |moment| (moment, Arc::as_ptr(record) as usize);
    let (_old, is_first, was_running) = locked(|kept| {
        let old = kept.deadlines.remove(&key(before));
        if at != Moment::NEVER {
            kept.deadlines.insert(key(at), record.clone());
        }
        let is_first = kept.deadlines.first_key_value().is_some_and(|(first, _)| *first == key(at));
        let was_running = kept.is_running;
        kept.is_running |= is_first;
        (old, is_first, was_running)
    });
    if is_first {
        CHANGES.fetch_add(1, Ordering::Relaxed);
        futex::wake_all(&CHANGES);
        if !was_running {
            start();
        }
    }
}

/// Starts the keeper.
fn start() {
    if helper::start("eintr-deadlines", run).is_err() {
        // The next deadline tries again.
        locked(|kept| kept.is_running = false);
    }
}

fn run() {
    loop {
        let seen = CHANGES.load(Ordering::Relaxed);
        let now = Moment::now();
        let (due, next) = locked(|kept| {
            let later = kept.deadlines.split_off(&(now, usize::MAX));
            let due = std::mem::replace(&mut kept.deadlines, later);
            (due, kept.deadlines.first_key_value().map(|((at, _), _)| *at))
        });
        if due.is_empty() {
            futex::wait(&CHANGES, seen, next.unwrap_or(Moment::NEVER));
        }
        for record in due.values() {
            let _gate = fork::gate();
            // What cannot be sent leaves the deadline to nobody: by then the signal is not ours any
            // more.
            record.thread(|thread| thread.signal());
        }
    }
}
