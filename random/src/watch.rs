//! Nobody is stuck: who would be is named.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use crate::operation::Call;
use crate::seed;

/// Calls that have begun, of all threads.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// What each thread does.
static DOES: Mutex<Vec<(i32, Call)>> = Mutex::new(Vec::new());

pub fn calls() -> u64 {
    BEGUN.load(Relaxed)
}

pub fn begins(tid: i32, call: Call) {
    BEGUN.fetch_add(1, Relaxed);
    let mut does = DOES.lock().expect("nobody panics");
    match does.iter_mut().find(|(known, _)| *known == tid) {
        Some(known) => known.1 = call,
        None => does.push((tid, call)),
    }
}

pub fn ends(tid: i32) {
    DOES.lock().expect("nobody panics").retain(|(known, _)| *known != tid);
}

/// Runs `body`. While nobody begins a call for that long, all are stuck: the process ends.
pub fn over<T>(body: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watchdog = scope.spawn(|| {
            let mut before = u64::MAX;
            while !done.load(Relaxed) {
                thread::park_timeout(test_support::LIMIT);
                let now = calls();
                if now == before && !done.load(Relaxed) {
                    tell();
                }
                before = now;
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
    let _ = writeln!(stderr, "stuck, EINTR_SEED={}\n{}", seed::current(), test_support::threads());
    for (tid, call) in DOES.lock().expect("nobody panics").iter() {
        let _ = writeln!(stderr, "thread {tid}: {call:?}");
    }
    for report in eintr::report() {
        let _ = writeln!(stderr, "{report}");
    }
    std::process::abort()
}
