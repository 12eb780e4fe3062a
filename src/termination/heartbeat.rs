//! The service manager's watchdog, and who feeds it.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, io, mem, process, thread};

use super::{notify, waiter};
use crate::entry::fork;
use crate::kernel::{Moment, raw};
use crate::report;
use crate::room::Room;
use crate::thread::{fork_gate, number};

/// A part of the program that shows that it lives, for the service manager's watchdog (`WatchdogSec=` of systemd's).
///
/// The rule: **the watchdog is fed when every heartbeat there is has come since it was fed last.** One that stays away for
/// `WatchdogSec=` has the program ended and, with `Restart=`, begun anew. No timer of ours feeds it in the place of the program's own
/// threads, and where there is no heartbeat at all it is not fed: a unit with `WatchdogSec=` around a program that has none does not
/// stay up.
///
/// So: one for each loop without which the program is of no use. In each turn it [beats](Self::beat), which costs next to
/// nothing, at least every half of `WatchdogSec=`. Around the one call in which it waits for work, and nothing else, stands
/// [`idle`](Self::idle): a loop that has nothing to do is not stuck.
///
/// One that is dropped is not waited for any more: its loop has ended in order. By a panic it has not, and the watchdog is not fed from
/// then on. It may be moved to the thread of its loop, but cannot be shared: one thread's beats would hide that another is stuck.
///
/// If one is missing when half of the time is over, the status says which, and in what call its thread is. While the program
/// [stops](super#stopping), systemd looks at `TimeoutStopSec=` in place of the watchdog. Without `WATCHDOG_USEC`, or if `WATCHDOG_PID` is another
/// process, all this does nothing.
///
/// # Examples
///
/// ```no_run
/// use eintr::termination::Heartbeat;
/// use std::net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:80")?;
/// let heartbeat = Heartbeat::new("accept")?;
/// loop {
///     let (connection, _) = heartbeat.idle(|| listener.accept())?;
///     // Handing it on is the work of this loop, and may not take long.
///     # drop(connection);
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropped, it is not waited for"]
pub struct Heartbeat {
    part: Arc<Part>,
    /// Its thread has left an idle wait without a return or a panic: by pthread_cancel or pthread_exit. (And a cell is not `Sync`.)
    is_lost: Cell<bool>,
}

struct Part {
    name: String,
    /// It has beaten since the watchdog was fed.
    has_beaten: AtomicBool,
    is_idle: AtomicBool,
    /// The thread that has beaten last: our number, and the kernel's.
    thread: AtomicU64,
    tid: AtomicI32,
    /// Of the process that it is a part of.
    generation: u32,
}

impl Heartbeat {
    /// The heartbeat of a part that has that name. It beats once.
    ///
    /// # Errors
    ///
    /// If there is a watchdog, and no thread can be had that feeds it.
    pub fn new(name: impl Into<String>) -> io::Result<Self> {
        Self::fed_in(name, watchdog_time())
    }

    /// For a watchdog of that time.
    pub(crate) fn fed_in(name: impl Into<String>, time: Option<Duration>) -> io::Result<Self> {
        fork::watch();
        let part = Arc::new(Part {
            name: name.into(),
            has_beaten: AtomicBool::new(true),
            is_idle: AtomicBool::new(false),
            thread: AtomicU64::new(number::number()),
            tid: AtomicI32::new(raw::gettid()),
            generation: fork_gate::generation(),
        });
        if let Some(time) = time {
            waiter::start()?;
            fork_gate::with_room(|_, room: &mut Room<Vec<_>>| {
                let mut parts = parts();
                room.for_one_more(&mut parts.0)?;
                parts.0.push(part.clone());
                parts.1 = Some((time, part.generation));
                Ok(())
            });
            waiter::wake();
        }
        Ok(Self { part, is_lost: Cell::new(false) })
    }

    /// Shows that it lives.
    pub fn beat(&self) {
        let here = number::number();
        if self.part.thread.load(Relaxed) != here {
            self.part.tid.store(raw::gettid(), Relaxed);
            self.part.thread.store(here, Relaxed);
        }
        self.part.has_beaten.store(true, Release);
    }

    /// Waits for work. As long as that lasts it need not beat; it beats at the end.
    pub fn idle<T>(&self, wait: impl FnOnce() -> T) -> T {
        struct Idle<'a>(&'a Heartbeat);
        impl Drop for Idle<'_> {
            fn drop(&mut self) {
                // In this order: between the two it lives.
                self.0.beat();
                self.0.part.is_idle.store(false, Release);
            }
        }
        self.beat();
        self.part.is_idle.store(true, Release);
        let idle = Idle(self);
        let unless_it_goes_on = Lost(&self.is_lost);
        let found = wait();
        mem::forget(unless_it_goes_on);
        drop(idle);
        found
    }
}

/// Dropped where a thread is ended in its middle.
struct Lost<'a>(&'a Cell<bool>);

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        self.0.set(!thread::panicking());
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        if thread::panicking() || self.is_lost.get() {
            return;
        }
        let gate = fork_gate::gate();
        let mut parts = parts();
        let index = parts.0.iter().position(|part| Arc::ptr_eq(part, &self.part));
        let part = index.map(|index| parts.0.swap_remove(index));
        drop((parts, gate));
        drop(part);
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("name", &self.part.name).finish_non_exhaustive()
    }
}

/// The parts that there are, and the watchdog's time with the process that it is for.
type Parts = (Vec<Arc<Part>>, Option<(Duration, u32)>);

/// Behind the fork gate.
fn parts() -> MutexGuard<'static, Parts> {
    static PARTS: Mutex<Parts> = Mutex::new((Vec::new(), None));
    PARTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether that is this process: the child of a fork has its parent's list, and none of its threads.
fn is_here(generation: u32) -> bool {
    generation == fork_gate::generation()
}

/// As sd_watchdog_enabled(3) has it.
fn watchdog_time() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = env::var_os("WATCHDOG_PID").is_none()
        || number("WATCHDOG_PID") == Some(process::id().into());
    let time = number("WATCHDOG_USEC").filter(|time| *time > 0 && is_ours)?;
    Some(Duration::from_micros(time))
}

/// What the one thread knows of it.
pub(super) struct Watchdog {
    fed: Moment,
    next: Moment,
    /// The status says who is missing.
    has_told: bool,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { fed: Moment::now(), next: Moment::LONG_AGO, has_told: false }
    }
}

impl Watchdog {
    /// When it is to look again. Four times in the watchdog's time: who beats twice in it is seen in time.
    pub(super) fn look(&mut self) -> Moment {
        let (parts, time) = fork_gate::with_room(|_, room: &mut Room<Vec<Arc<Part>>>| {
            let (parts, time) = &*parts();
            let mut copy = room.for_all(parts.len())?;
            copy.extend(parts.iter().filter(|part| is_here(part.generation)).cloned());
            Ok((copy, time.filter(|(_, generation)| is_here(*generation))))
        });
        let Some((time, _)) = time.filter(|_| !notify::is_stopping()) else { return Moment::NEVER };
        let now = Moment::now();
        if now < self.next {
            return self.next;
        }
        self.next = now.after(time / 4);
        let missing: Vec<_> = parts.iter().filter(|part| !part.lives()).collect();
        if missing.is_empty() && !parts.is_empty() {
            self.feed(&parts, now);
        } else if now.since(self.fed) > time / 2 {
            self.has_told = true;
            notify::tell_at_once(&notify::status_line(&told(&missing)));
        }
        self.next
    }

    fn feed(&mut self, parts: &[Arc<Part>], now: Moment) {
        let mut message = String::from("WATCHDOG=1");
        if self.has_told {
            message += "\n";
            message += notify::last_status(|last| last.clone()).as_deref().unwrap_or("STATUS=");
        }
        // Before it is told: a beat that comes meanwhile counts for the next time.
        let beaten = parts.iter().filter(|part| part.has_beaten.swap(false, AcqRel));
        let beaten: Vec<_> = beaten.collect();
        if notify::tell_at_once(&message) {
            self.fed = now;
            self.has_told = false;
        } else {
            beaten.iter().for_each(|part| part.has_beaten.store(true, Release));
        }
    }
}

impl Part {
    fn lives(&self) -> bool {
        // In this order: what ends an idle wait beats first.
        let is_idle = self.is_idle.load(Acquire);
        is_idle && self.has_thread() || self.has_beaten.load(Acquire)
    }

    /// Whether its thread is there still: one that ended without unwinding is idle for ever. (Where there is no `/proc`, it is
    /// taken to be there: a program that waits for work must not be ended for that.)
    fn has_thread(&self) -> bool {
        let threads = Path::new("/proc/self/task");
        threads.join(self.tid.load(Relaxed).to_string()).exists() || !threads.exists()
    }
}

fn told(missing: &[&Arc<Part>]) -> String {
    let mut text = String::from("no heartbeat");
    for (index, part) in missing.iter().enumerate() {
        let _ = write!(text, "{}{}", if index == 0 { " of " } else { "; " }, part.name);
        if let Some(thread) = report::of_thread(part.tid.load(Relaxed)) {
            let _ = write!(text, ": {thread}");
        }
    }
    text
}
