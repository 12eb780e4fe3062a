//! The jobs of each runtime, which end with it.
//!
//! A runtime that is dropped first drops its async tasks, then waits for its blocking jobs, for ever.
//! So it is given a task that never ends, and whose end interrupts the jobs.

use std::future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eintr::Group;
use tokio::runtime::{Handle, Id};

/// There are few runtimes.
static JOBS: Mutex<Vec<(Id, Group)>> = Mutex::new(Vec::new());

fn all() -> MutexGuard<'static, Vec<(Id, Group)>> {
    JOBS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The jobs of the runtime that we are in.
#[track_caller]
pub(crate) fn jobs() -> Group {
    let runtime = Handle::current();
    let id = runtime.id();
    let mut known = all();
    if let Some((_, jobs)) = known.iter().find(|(other, _)| *other == id) {
        return jobs.clone();
    }
    let jobs = Group::new();
    known.push((id, jobs.clone()));
    drop(known);
    let end = End { id, jobs: jobs.clone() };
    // One that is being shut down drops it on the spot.
    runtime.spawn(async move {
        let _end = end;
        future::pending::<()>().await;
    });
    jobs
}

/// Dropped with the runtime.
struct End {
    id: Id,
    jobs: Group,
}

impl Drop for End {
    fn drop(&mut self) {
        all().retain(|(other, _)| *other != self.id);
        self.jobs.interrupter().interrupt_with("the runtime was shut down");
    }
}
