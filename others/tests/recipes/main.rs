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
mod unanswered;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use eintr::{Outcome, within};
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

const SHORT: Duration = Duration::from_millis(50);
/// For a goodbye: longer than any.
pub const LONG: Duration = LIMIT;

/// Runs it in a thread that is asked once it sleeps in one of these syscalls, and then with a deadline.
/// What it returned in either way.
#[track_caller]
pub fn asked<T: Send + 'static>(
    syscalls: &'static [i64],
    body: impl Fn() -> T + Send + Clone + 'static,
) -> [T; 2] {
    let sleeps = |tid| sleeping_in(tid).is_some_and(|number| syscalls.contains(&number));
    let by_request = asked_when(sleeps, body.clone());
    let late = within(SHORT, body);
    assert!(late.expired);
    [by_request, late.value]
}

/// Runs it in a thread that is asked when it is time. The requester is told that it was felt, or that the thread
/// has left.
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

/// A server that is told to end when this thread does, be it by an abort.
pub fn ends_with_us(command: &mut Command) {
    // SAFETY: one call of the kernel's.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGQUIT);
            Ok(())
        });
    }
}
