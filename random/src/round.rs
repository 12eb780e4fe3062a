//! A round: threads do what they drew, while they are asked; then it must balance.

use std::fs;
use std::io;
use std::thread;

use crate::asker::{self, Tasks, Whom};
use crate::objects::Objects;
use crate::seed::{self, Random};
use crate::worker::Worker;
use crate::{operation, wrong};

const THREADS: u64 = 6;

/// What went on.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sum {
    pub rounds: u64,
    pub bytes: u64,
    pub connections: u64,
    pub messages: u64,
    pub requests: u64,
    pub raised: u64,
}

impl Sum {
    /// Makes the round of a seed, and adds what it did.
    pub fn add_round(&mut self, seed: u64) -> io::Result<()> {
        seed::set_current(seed);
        let descriptors = descriptors()?;
        let objects = Objects::new()?;
        let tasks = Tasks::default();
        asker::beside(&tasks, Whom::TasksAndThreads, || {
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let operations = operation::thread(&mut Random::new(seed, thread));
                    let (objects, tasks) = (&objects, &tasks);
                    scope.spawn(move || Worker::new(objects, tasks).unmanaged(&operations));
                }
            });
        });
        let [bytes, connections, messages] = objects.balance();
        let (requests, raised) = tasks.balance();
        no_children();
        let left = self::descriptors()?;
        if left != descriptors {
            wrong(format_args!("descriptors before: {descriptors:?}; after: {left:?}"));
        }
        if eintr::is_interrupted() {
            wrong("a thread is armed that nobody has asked");
        }
        *self = Self {
            rounds: self.rounds + 1,
            bytes: self.bytes + bytes,
            connections: self.connections + connections,
            messages: self.messages + messages,
            requests: self.requests + requests as u64,
            raised: self.raised + raised as u64,
        };
        Ok(())
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

fn no_children() {
    // SAFETY: no status is asked for.
    let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    if left != -1 {
        wrong("a child is left");
    }
}
