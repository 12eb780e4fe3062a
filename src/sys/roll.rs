//! The roll: all threads of the process that have a record, for [`report`](crate::report()).
//!
//! A thread enters it once, with its record, and leaves it at its end. So a task costs nothing
//! here, and many threads that run many short tasks do not meet at one lock. (Rejected: a list of
//! the tasks. Each beginning and end would take a lock that all threads share.)
//!
//! The roll holds the records weakly. In the child of a fork those of the threads that are not
//! there are struck off at the first change; until then the tasks in them read as finished.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::fork::{self, Gate};
use super::thread::ThreadRecord;

static ROLL: Mutex<Roll> = Mutex::new(Roll { generation: 0, entries: BTreeMap::new() });

struct Roll {
    generation: u32,
    /// By the record's address.
    entries: BTreeMap<usize, Entry>,
}

struct Entry {
    /// Of the process that the thread belongs to, counted in forks.
    generation: u32,
    record: Weak<ThreadRecord>,
}

fn key(record: &Arc<ThreadRecord>) -> usize {
    Arc::as_ptr(record) as usize
}

/// The gate proves that no fork can see it locked.
fn locked(_gate: &Gate) -> MutexGuard<'static, Roll> {
    let mut roll = ROLL.lock().unwrap_or_else(PoisonError::into_inner);
    let generation = fork::generation();
    if roll.generation != generation {
        roll.generation = generation;
        // What is dropped here is no more than memory.
        roll.entries.retain(|_, entry| entry.generation == generation);
    }
    roll
}

/// The calling thread has got a record.
pub(super) fn enter(record: &Arc<ThreadRecord>) {
    let gate = fork::gate();
    let entry = Entry { generation: fork::generation(), record: Arc::downgrade(record) };
    locked(&gate).entries.insert(key(record), entry);
}

/// The calling thread ends.
pub(super) fn leave(record: &Arc<ThreadRecord>) {
    let gate = fork::gate();
    locked(&gate).entries.remove(&key(record));
}

/// In the child of a fork, behind the closed gate: this thread is here. Without an allocation.
pub(super) fn adopt(record: &Arc<ThreadRecord>) {
    let mut roll = ROLL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = roll.entries.get_mut(&key(record)) {
        entry.generation = fork::generation();
    }
}

/// All records.
pub(crate) fn records() -> Vec<Arc<ThreadRecord>> {
    let gate = fork::gate();
    locked(&gate).entries.values().filter_map(|entry| entry.record.upgrade()).collect()
}
