//! A cell: a call, asked to stop, and how long it took.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use eintr_reached::naive;
use eintr_reached::scene::{Scene, When, let_go};

/// A call that is not back by then is stuck.
const LIMIT: Duration = Duration::from_millis(300);
/// The same where no stuck call is expected, and the machine may be busy.
const LONG_LIMIT: Duration = Duration::from_secs(60);

/// What became of a call.
pub enum Cell {
    /// It returned so long after it was asked, and whether as documented; with what.
    Returned {
        after: Duration,
        documented: bool,
        with: String,
    },
    Stuck {
        after: Duration,
    },
    /// It did not even begin to wait.
    NeverBlocked,
}

impl Cell {
    pub fn is_as_documented(&self) -> bool {
        matches!(self, Self::Returned { documented: true, .. })
    }
}

type Returned = (Instant, bool, String);

/// A flag and a signal.
pub fn naive(scene: Scene) -> Cell {
    let Scene { when, ends: _, mut call, release } = scene;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    let (tid, returned) = on_a_thread(move |work| {
        thread::spawn(move || {
            work(&mut || {
                loop {
                    let result = call();
                    if asked.load(Ordering::Acquire) {
                        return (Instant::now(), true, with(&result));
                    }
                }
            });
        });
    });
    let cell = measure(tid, &when, &returned, LIMIT, || {
        stop.store(true, Ordering::Release);
        naive::signal(tid);
    });
    let_go(release);
    cell
}

/// A managed thread and its interrupter.
pub fn eintr(scene: Scene) -> Cell {
    let Scene { when, ends, mut call, release } = scene;
    let mut worker = None;
    let (tid, returned) = on_a_thread(|work| {
        worker = Some(eintr::spawn(move || {
            work(&mut || {
                let (result, at, documented) = ends.of(&mut call);
                (at, documented, with(&result))
            });
        }));
    });
    let interrupter = worker.expect("a thread").interrupter();
    let cell = measure(tid, &when, &returned, LONG_LIMIT, || _ = interrupter.interrupt());
    let_go(release);
    cell
}

fn with(result: &io::Result<()>) -> String {
    result.as_ref().map_or_else(io::Error::to_string, |()| "Ok".into())
}

/// What a thread runs: it tells its id, then what came of the call.
type Work = Box<dyn FnOnce(&mut dyn FnMut() -> Returned) + Send>;

fn on_a_thread(spawn: impl FnOnce(Work)) -> (i32, Receiver<Returned>) {
    let (tell_id, id) = mpsc::channel();
    let (tell, returned) = mpsc::channel();
    spawn(Box::new(move |call| {
        let _ = tell_id.send(nix::unistd::gettid().as_raw());
        let _ = tell.send(call());
    }));
    (id.recv().expect("its id"), returned)
}

fn measure(
    tid: i32,
    when: &When,
    returned: &Receiver<Returned>,
    limit: Duration,
    ask: impl FnOnce(),
) -> Cell {
    let start = Instant::now();
    while !when.has_come(tid) {
        if start.elapsed() > LONG_LIMIT {
            return Cell::NeverBlocked;
        }
        thread::yield_now();
    }
    let asked = Instant::now();
    ask();
    match returned.recv_timeout(limit) {
        Ok((at, documented, with)) => {
            Cell::Returned { after: at.saturating_duration_since(asked), documented, with }
        }
        Err(_) => Cell::Stuck { after: limit },
    }
}
