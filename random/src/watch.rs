//! Nobody is stuck: who would be is named.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::kinds;
use crate::operation::{CAUSES, Call, Cause, STATES, State, Whose};
use crate::seed;

/// Calls that have begun, of all threads.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// What each thread does, and since when.
static DOES: Mutex<Vec<(i32, Call, Instant)>> = Mutex::new(Vec::new());

/// What was drawn, and how often.
type Cells = HashMap<(&'static str, Whose, State, bool, Cause), u64>;
static CELLS: Mutex<Option<Cells>> = Mutex::new(None);

pub fn calls() -> u64 {
    BEGUN.load(Relaxed)
}

pub fn begins(tid: i32, call: &Call) {
    BEGUN.fetch_add(1, Relaxed);
    DOES.lock().expect("nobody panics").push((tid, *call, Instant::now()));
    let cell = (call.row.name, call.whose, call.state, call.reach, call.cause);
    let mut cells = CELLS.lock().expect("nobody panics");
    *cells.get_or_insert_default().entry(cell).or_default() += 1;
}

pub fn ends(tid: i32) {
    DOES.lock().expect("nobody panics").retain(|(known, ..)| *known != tid);
}

/// How many rows there are, and how many combinations of a row, whose call, a state, reach and a cause, of how many. (Where
/// nothing can end a call it cannot wait for what does not come: not all of them exist.)
pub fn cells() -> (usize, usize, usize) {
    let cells = CELLS.lock().expect("nobody panics").as_ref().map_or(0, HashMap::len);
    let all: usize = kinds::all().map(|row| row.whose().count()).sum();
    (kinds::all().count(), cells, all * STATES.len() * 2 * CAUSES.len())
}

/// As long as nobody may take for a call: a minute, or what EINTR_LIMIT says, in seconds.
pub fn limit() -> Duration {
    let limit = std::env::var("EINTR_LIMIT").ok();
    limit.map_or(test_support::LIMIT, |limit| {
        Duration::from_secs(limit.parse().expect("EINTR_LIMIT is a number of seconds"))
    })
}

/// Runs `body`. Where a call takes that long, or nobody begins one for that long, the process ends.
pub fn over<T>(body: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    let limit = limit();
    thread::scope(|scope| {
        let watchdog = scope.spawn(|| {
            let (mut before, mut since) = (u64::MAX, Instant::now());
            while !done.load(Relaxed) {
                thread::park_timeout(Duration::from_secs(1));
                let now = calls();
                if now != before {
                    (before, since) = (now, Instant::now());
                }
                let does = DOES.lock().expect("nobody panics");
                let oldest = does.iter().map(|(.., since)| *since).min();
                drop(does);
                let oldest = oldest.unwrap_or(since).min(since);
                if oldest.elapsed() > limit && !done.load(Relaxed) {
                    tell();
                }
            }
        });
        let value = body();
        done.store(true, Relaxed);
        watchdog.thread().unpark();
        value
    })
}

fn tell() -> ! {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "stuck\n{}\n{}", seed::command(), test_support::threads());
    for (tid, call, since) in DOES.lock().expect("nobody panics").iter() {
        let _ = writeln!(stderr, "thread {tid}, for {:?}: {call:?}", since.elapsed());
    }
    for report in eintr::report() {
        let _ = writeln!(stderr, "{report}");
    }
    kinds::queues::remove_all();
    std::process::abort()
}
