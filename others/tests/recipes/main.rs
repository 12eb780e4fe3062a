//! The sentences of `docs/recipes.md`: each recipe, with the library that it is for.
//!
//! The tests here work like this: a thread gets stuck in a call of somebody else's that has no limit
//! of its own, `/proc` says that it sleeps there, it is asked, and must leave. What does not leave is
//! named by the watchdog. Libraries in C are opened by `dlopen`, servers are started, and devices are
//! opened, where this machine has them; what it lacks is skipped by name.

#![cfg(target_arch = "x86_64")]

mod clients;
mod devices;
mod libraries;
mod library;
mod terminals;
mod threads;

use std::time::Duration;

use eintr::Outcome;
use test_support::{LIMIT, gettid, sleeping_in, wait_until};

/// The syscalls that wait for readiness.
pub const POLLS: &[i64] = &[
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_select,
    libc::SYS_pselect6,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
];

/// For a goodbye: longer than any.
pub const LONG: Duration = LIMIT;

/// Runs it in a thread that is asked once it sleeps in one of these syscalls, and returns what it
/// returned. The asker has been told that it was felt.
#[track_caller]
pub fn asked<T: Send + 'static>(
    syscalls: &'static [i64],
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    let sleeps = |tid| sleeping_in(tid).is_some_and(|number| syscalls.contains(&number));
    asked_when(sleeps, body)
}

/// The same, where something else than a syscall says that it is time to ask.
#[track_caller]
pub fn asked_when<T: Send + 'static>(
    mut is_time: impl FnMut(i32) -> bool,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (tell, told) = std::sync::mpsc::channel();
    let worker = eintr::spawn(move || {
        tell.send(gettid()).unwrap();
        body()
    });
    let tid = told.recv().unwrap();
    wait_until("it is stuck", || is_time(tid));
    let outcome = worker.interrupt().wait(LIMIT);
    assert!(matches!(outcome, Outcome::Raised | Outcome::Finished), "{outcome:?}");
    worker.join().unwrap()
}

/// Says that something is not tried.
pub fn skipped(what: &str, why: &str) {
    eprintln!("skipped: {what}: {why}");
}
