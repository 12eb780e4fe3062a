//! Workers on `for job in receiver` that can be stopped.
//!
//! The commonest stuck thread of all waits for its next job. Here four of them share a receiver;
//! when the program has seen enough, it interrupts them, and each ends where it was, between two
//! jobs or in the wait for the next. No job is lost: what was sent was done, or is still in the
//! channel. The exit status is 0 only if the counts balance.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eintr::Interrupted;
use eintr::sync::{Receiver, Semaphore, channel};

const JOBS: u64 = 100_000;
const ENOUGH: u32 = 10_000;

/// A worker: takes jobs until it is interrupted, or there are no more.
fn work(jobs: &Receiver<u64>, done: &AtomicU64, progress: &Semaphore) -> Result<(), Interrupted> {
    for job in jobs.iter_interruptible() {
        let job = job?;
        done.fetch_add(job, Ordering::Relaxed);
        progress.release(1);
    }
    Ok(())
}

fn main() -> ExitCode {
    let (sender, receiver) = channel();
    let done = Arc::new(AtomicU64::new(0));
    let progress = Arc::new(Semaphore::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (receiver, done, progress) = (receiver.clone(), done.clone(), progress.clone());
            eintr::spawn(move || work(&receiver, &done, &progress))
        })
        .collect();

    (1..=JOBS).for_each(|job| sender.send(job).expect("a receiver is left"));
    (0..ENOUGH).for_each(|_| progress.acquire().forget());
    workers.iter().for_each(|worker| drop(worker.interrupt()));
    let stopped = workers.into_iter().filter_map(|worker| worker.join().ok()?.err()).count();

    let left: u64 = receiver.try_iter().sum();
    let done = done.load(Ordering::Relaxed);
    println!("{stopped} of 4 workers stopped; the jobs add up to {done} done and {left} left");
    // The sender is here still: none of them can have ended for want of jobs.
    let balanced = done + left == JOBS * (JOBS + 1) / 2 && stopped == 4;
    drop(sender);
    if balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
