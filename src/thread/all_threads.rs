//! All threads of the process that have a record, for [`report`](crate::report()).
//!
//! A thread enters it once, with its record, and leaves it at its end. So a task costs nothing
//! here, and many threads that run many short tasks do not meet at one lock. (Rejected: a list of
//! the tasks. Each beginning and end would take a lock that all threads share.)
//!
//! The list holds the records weakly. In the child of a fork the places of the threads that are not
//! there are free at the first change; until then the tasks in them read as finished.
//!
//! A thread keeps its place in the list as a number, and a place that is left is given to the next
//! thread that comes. What stood there before is replaced then, and freed by that thread, with the
//! gate open. (Rejected: a map by the record's address. It allocates and frees at each change.)

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Gate, ThreadRecord, fork_gate};
use crate::room::{Full, Room};

static ALL: Mutex<AllThreads> =
    Mutex::new(AllThreads { generation: 0, places: Vec::new(), free: NONE });

thread_local! {
    /// The calling thread's place.
    static PLACE: Cell<usize> = const { Cell::new(NONE) };
}

/// No place.
const NONE: usize = usize::MAX;

struct AllThreads {
    generation: u32,
    places: Vec<Place>,
    /// The first that is free.
    free: usize,
}

enum Place {
    /// The process that the thread belongs to, counted in forks, and its record.
    Taken(u32, Weak<ThreadRecord>),
    /// The next one that is free, and whose it was.
    Free(usize, #[expect(dead_code, reason = "dropped")] Weak<ThreadRecord>),
}

/// The gate proves that no fork can see it locked.
fn locked(_gate: &Gate) -> MutexGuard<'static, AllThreads> {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let generation = fork_gate::generation();
    if all.generation != generation {
        all.generation = generation;
        all.forget_others();
    }
    all
}

impl AllThreads {
    /// The number of a place that is that thread's from now on, and whose it was.
    fn enter(
        &mut self,
        record: &Weak<ThreadRecord>,
        room: &mut Room<Vec<Place>>,
    ) -> Result<(usize, Option<Place>), Full> {
        let taken = |generation| Place::Taken(generation, record.clone());
        if let Some(place) = self.places.get_mut(self.free) {
            let before = std::mem::replace(place, taken(self.generation));
            let Place::Free(next, _) = before else { unreachable!("a free place is taken") };
            return Ok((std::mem::replace(&mut self.free, next), Some(before)));
        }
        room.for_one_more(&mut self.places)?;
        self.places.push(taken(self.generation));
        Ok((self.places.len() - 1, None))
    }

    fn leave(&mut self, number: usize) {
        if let Some(place) = self.places.get_mut(number) {
            if let Place::Taken(_, record) = place {
                *place = Place::Free(self.free, std::mem::take(record));
                self.free = number;
            }
        }
    }

    /// Frees the places of threads that belong to another process.
    fn forget_others(&mut self) {
        for number in 0..self.places.len() {
            if matches!(self.places[number], Place::Taken(of, _) if of != self.generation) {
                self.leave(number);
            }
        }
    }
}

/// The calling thread has got a record.
pub(crate) fn enter(record: &Arc<ThreadRecord>) {
    let record = Arc::downgrade(record);
    let (place, _before) =
        fork_gate::with_room(|gate, room: &mut Room<_>| locked(gate).enter(&record, room));
    PLACE.set(place);
}

/// The calling thread ends.
pub(crate) fn leave() {
    let gate = fork_gate::gate();
    locked(&gate).leave(PLACE.replace(NONE));
}

/// In the child of a fork, behind the closed gate: this thread is here. Without an allocation.
pub(crate) fn adopt() {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Place::Taken(generation, _)) = all.places.get_mut(PLACE.get()) {
        *generation = fork_gate::generation();
    }
}

/// All records.
pub(crate) fn records() -> Vec<Arc<ThreadRecord>> {
    fork_gate::with_room(|gate, room: &mut Room<Vec<_>>| {
        let all = locked(gate);
        // One that has gone since is freed by whoever gets these.
        let mut records = room.for_all(all.places.len())?;
        records.extend(all.places.iter().filter_map(|place| match place {
            Place::Taken(_, record) => record.upgrade(),
            Place::Free(..) => None,
        }));
        Ok(records)
    })
}
