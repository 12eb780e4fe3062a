//! A round: threads do what they drew, while they are asked; then it must balance.

use std::fs;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::kinds::signals;
use crate::objects::Objects;
use crate::requester::{self, Tasks, Whom};
use crate::seed::{self, Random};
use crate::worker::Worker;
use crate::{operation, plant, wrong};

const THREADS: u64 = 6;

/// What went on.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sum {
    pub rounds: u64,
    pub bytes: u64,
    pub connections: u64,
    pub messages: u64,
    pub children: u64,
    pub requests: u64,
    pub raised: u64,
}

impl Sum {
    /// Makes the round of a seed, and adds what it did.
    pub fn add_round(&mut self, seed: u64) -> io::Result<()> {
        seed::set_current(seed);
        signals::handle_alarms(Random::new(seed, THREADS).one_in(2))?;
        // Whoever had a deadline keeps a timer: this thread has some where it counts what is left.
        eintr::within(Duration::from_secs(1), || ());
        let before = Left::now()?;
        let objects = Objects::new()?;
        let tasks = Arc::<Tasks>::default();
        requester::beside(&tasks, Whom::TasksAndThreads, || {
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let operations = operation::thread(&mut Random::new(seed, thread));
                    let (objects, tasks) = (objects.clone(), tasks.clone());
                    scope.spawn(move || Worker::new(objects, tasks).unmanaged(&operations));
                }
            });
        });
        let objects = Arc::into_inner(objects).expect("all threads have ended");
        let [bytes, connections, messages, children] = objects.balance();
        let (requests, raised) = tasks.balance();
        signals::balance();
        plant_what_is_left();
        before.must_be_left()?;
        if eintr::is_interrupted() {
            wrong("a thread is armed that nobody has asked");
        }
        *self = Self {
            rounds: self.rounds + 1,
            bytes: self.bytes + bytes,
            connections: self.connections + connections,
            messages: self.messages + messages,
            children: self.children + children,
            requests: self.requests + requests as u64,
            raised: self.raised + raised as u64,
        };
        Ok(())
    }
}

/// What a process has, and must have again.
#[derive(Debug, PartialEq)]
struct Left {
    descriptors: Vec<String>,
    threads: usize,
    timers: usize,
}

impl Left {
    fn now() -> io::Result<Self> {
        let timers = fs::read_to_string("/proc/self/timers").unwrap_or_default();
        let timers = timers.lines().filter(|line| line.starts_with("ID:")).count();
        Ok(Self { descriptors: descriptors()?, threads: threads()?, timers })
    }

    fn must_be_left(&self) -> io::Result<()> {
        // A thread that was joined is there for a moment yet, with its timers.
        for _ in 0..1_000 {
            if Self::now()? == *self {
                return Ok(());
            }
            thread::yield_now();
        }
        wrong(format_args!("before: {self:?}; after: {:?}", Self::now()?))
    }
}

/// All that are open, but for the one that looks.
fn descriptors() -> io::Result<Vec<String>> {
    let links = fs::read_dir("/proc/self/fd")?.flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    let targets = targets.map(|target| target.to_string_lossy().into_owned());
    let mut open: Vec<_> = targets.filter(|target| !target.starts_with("/proc/")).collect();
    open.sort();
    Ok(open)
}

/// But for the helpers of the library, which stay once they are there.
fn threads() -> io::Result<usize> {
    let tasks = fs::read_dir("/proc/self/task")?.flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    Ok(names.filter(|name| !name.starts_with("eintr-") || name.starts_with("eintr-random")).count())
}

/// Mappings. Allocators and stacks keep some: what a round leaves each time is seen after many.
pub fn mappings() -> io::Result<usize> {
    Ok(fs::read_to_string("/proc/self/maps")?.lines().count())
}

fn plant_what_is_left() {
    if plant::planted("mappings", 0) {
        // Two that lie side by side with the same access would be one.
        for access in [libc::PROT_NONE, libc::PROT_READ].into_iter().cycle().take(200) {
            let (at, flags) = (std::ptr::null_mut(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: new memory, wherever there is room.
            unsafe { libc::mmap(at, 4096, access, flags, -1, 0) };
        }
    }
    if plant::planted("thread", 0) {
        thread::spawn(thread::park);
    }
    if plant::planted("timer", 0) {
        let mut id = std::ptr::null_mut();
        // SAFETY: the id is borrowed; null asks for a signal, which does not come.
        unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, std::ptr::null_mut(), &mut id) };
    }
}
