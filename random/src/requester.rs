//! Who interrupts: one thread that asks whatever tasks there are, after pauses of random length.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use eintr::{Interrupter, Outcome, Request};

use crate::plant::planted;
use crate::seed::{self, Random};
use crate::wrong;

/// A task of this number was asked, and no other, by this request.
#[derive(Debug)]
pub struct Asked {
    pub task: u64,
    pub request: u64,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "task {} was asked", self.task)
    }
}

impl Error for Asked {}

/// The tasks that can be asked, by number, and what they were asked.
#[derive(Default)]
pub struct Tasks {
    next: AtomicU64,
    current: Mutex<Vec<(u64, Interrupter)>>,
    requests: Mutex<Vec<(Request, Interrupter, u64)>>,
    next_request: AtomicU64,
    /// Requests that a thread was told.
    felt: Mutex<HashSet<u64>>,
    /// To be asked when their thread sleeps.
    asleep: Mutex<Vec<(i32, u64, Interrupter)>>,
    threads: Mutex<Vec<i32>>,
}

impl Tasks {
    pub fn add(&self, interrupter: Interrupter) -> u64 {
        let number = self.next.fetch_add(1, Relaxed);
        locked(&self.current).push((number, interrupter));
        number
    }

    pub fn remove(&self, number: u64) {
        locked(&self.current).retain(|(known, _)| *known != number);
        locked(&self.asleep).retain(|(_, known, _)| *known != number);
    }

    /// A thread that signals of others' may come to.
    pub fn add_thread(&self, tid: i32) {
        locked(&self.threads).push(tid);
    }

    pub fn remove_thread(&self, tid: i32) {
        locked(&self.threads).retain(|known| *known != tid);
    }

    /// Asks one of them, if there is one.
    pub fn ask(&self, which: usize) {
        let chosen = {
            let current = locked(&self.current);
            if current.is_empty() {
                return;
            }
            current[which % current.len()].clone()
        };
        self.ask_this(chosen.0, chosen.1);
    }

    pub fn ask_this(&self, number: u64, interrupter: Interrupter) {
        let name = self.next_request.fetch_add(1, Relaxed);
        let request = interrupter.interrupt_with(Asked { task: number, request: name });
        locked(&self.requests).push((request, interrupter, name));
    }

    /// As soon as its thread sleeps.
    pub fn ask_asleep(&self, tid: i32, number: u64, interrupter: Interrupter) {
        locked(&self.asleep).push((tid, number, interrupter));
    }

    fn ask_those_asleep(&self) {
        let first = locked(&self.asleep).first().cloned();
        if let Some((tid, number, interrupter)) = first
            && test_support::sleeping_in(tid).is_some()
        {
            locked(&self.asleep).retain(|(_, known, _)| *known != number);
            self.ask_this(number, interrupter);
        }
    }

    /// A thread was told this request.
    pub fn is_felt(&self, request: u64) {
        locked(&self.felt).insert(request);
    }

    fn stray(&self, which: usize) {
        // Under the lock: the thread is still there.
        let threads = locked(&self.threads);
        if !threads.is_empty() {
            let tid = threads[which / 2 % threads.len()];
            let signal = [libc::SIGUSR1, libc::SIGALRM][which % 2];
            test_support::signals::send(tid, signal);
        }
    }

    /// When all tasks have ended: how many requests there were, and how many of them were raised. The others came too late.
    pub fn balance(&self) -> (usize, usize) {
        let requests = std::mem::take(&mut *locked(&self.requests));
        let mut raised = 0;
        let felt = locked(&self.felt);
        for (request, interrupter, name) in &requests {
            let outcome = request.wait(Duration::ZERO);
            let told = felt.contains(name) != planted("outcome", *name as usize);
            match outcome {
                Outcome::Finished if told => wrong("a request was told, and is not raised"),
                Outcome::Raised if interrupter.raised().is_some() => raised += 1,
                Outcome::Finished => {}
                other => wrong(format_args!("a request is {other:?} after all")),
            }
        }
        (requests.len(), raised)
    }
}

/// Whom a requester comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Tasks,
    /// And to threads, with a signal of our number that is somebody else's. Somebody must handle it.
    TasksAndThreads,
}

/// One step of a requester.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub spins: u32,
    pub yields: bool,
    pub which: usize,
    /// In the place of a request.
    pub stray: bool,
}

pub fn steps(mut random: Random, whom: Whom) -> impl Iterator<Item = Step> {
    // Some are in a hurry.
    let pause = [200, 2_000, 50_000][random.below(3) as usize];
    std::iter::repeat_with(move || Step {
        spins: random.below(pause) as u32,
        yields: random.one_in(16),
        which: random.below(1 << 16) as usize,
        stray: whom == Whom::TasksAndThreads && random.one_in(8),
    })
}

/// Asks while `body` runs, and returns its value.
pub fn beside<T>(tasks: &Tasks, whom: Whom, body: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for step in steps(Random::new(seed::current(), u64::MAX), whom) {
                if over.load(Relaxed) {
                    return;
                }
                for _ in 0..step.spins {
                    std::hint::spin_loop();
                }
                if step.yields {
                    thread::yield_now();
                }
                tasks.ask_those_asleep();
                if step.stray { tasks.stray(step.which) } else { tasks.ask(step.which) }
            }
        });
        // Also where the body panics: the scope waits for the requester.
        let _over = Over(&over);
        body()
    })
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// A test that has failed says so itself.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
