//! One dump for all who ask at the same time: each would read the program's files.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::report::{ThreadDump, dump};

/// A console's. (Not the process's: the child of a fork may find it locked.)
#[derive(Debug, Default)]
pub(super) struct Dumps {
    /// The last one, and when it was begun, as long as others wait.
    last: Mutex<Option<(Instant, Arc<ThreadDump>)>>,
    waiting: AtomicUsize,
}

impl Dumps {
    /// One that is begun after this call, with its text: one is made at a time, and whoever has waited for that takes the
    /// next, with all others who have.
    pub(super) fn next(&self) -> (Arc<ThreadDump>, String) {
        let asked = Instant::now();
        self.waiting.fetch_add(1, SeqCst);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, SeqCst);
        let fresh = last.take().filter(|(begun, _)| *begun >= asked);
        let (begun, dump) = fresh.unwrap_or_else(|| (Instant::now(), Arc::new(dump())));
        // In here its names are looked up, once.
        let text = dump.to_string();
        *last = (self.waiting.load(SeqCst) > 0).then(|| (begun, dump.clone()));
        (dump, text)
    }
}
