//! A call at its points: asked before, asked while it is blocked, disturbed by signals that are
//! nobody's.

use std::fmt::Debug;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use eintr::Error;

use crate::signals::{STRAY, is_pending, send_stray};
use crate::{gettid, sleeps_in, wait_until, wait_until_blocked};

/// The call is made by a thread that was asked before.
pub fn asked_before<T: Debug>(call: impl FnOnce() -> Result<T, Error>) {
    let (task, interrupter) = eintr::task();
    interrupter.interrupt();
    assert_interrupted(task.run(call));
}

/// The thread is asked once it sleeps in the call's syscall.
pub fn asked_while_blocked<T: Debug + Send>(
    syscall: i64,
    call: impl FnOnce() -> Result<T, Error> + Send,
) {
    let (task, interrupter) = eintr::task();
    beside(
        move || task.run(call),
        |tid, _| {
            wait_until_blocked(tid, syscall);
            interrupter.interrupt();
        },
        assert_interrupted,
    );
}

/// The thread is asked once it sleeps in the call's syscall, or has come through it.
pub fn asked_if_blocked<T: Debug + Send>(
    syscall: i64,
    call: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let (task, interrupter) = eintr::task();
    let attend = |tid, is_done: &dyn Fn() -> bool| {
        wait_until("the call waits, or has returned", || is_done() || sleeps_in(tid, syscall));
        interrupter.interrupt();
    };
    beside(move || task.run(call), attend, |result| result)
}

/// Stray signals interrupt the syscall some times, then the result comes: the call's.
pub fn disturbed<T: Debug + Send>(
    syscall: i64,
    call: impl FnOnce() -> Result<T, Error> + Send,
    finish: impl FnOnce(),
) -> T {
    let (task, _interrupter) = eintr::task();
    let attend = |tid, _: &dyn Fn() -> bool| {
        for _ in 0..5 {
            wait_until_blocked(tid, syscall);
            disturb(tid);
        }
        wait_until_blocked(tid, syscall);
        finish();
    };
    beside(move || task.run(call), attend, |result| result.expect("only disturbed"))
}

/// Stray signals come as long as the call lasts. It must end by its own time, and not before.
///
/// A call whose time each stray starts anew lasts for ever, or, where the strays pause, for the
/// whole time after the last one. So a try counts if strays came in the second half of the time,
/// and the call ended before another half had passed.
pub fn ends_in_time<T: Debug + Send>(
    syscall: i64,
    call: impl Fn(Duration) -> Result<T, Error> + Sync,
) -> T {
    let mut limit = Duration::from_millis(50);
    loop {
        let (task, _interrupter) = eintr::task();
        let mut last_stray = Instant::now();
        let timed = || {
            let start = Instant::now();
            (task.run(|| call(limit)), start, start.elapsed())
        };
        let attend = |tid, is_done: &dyn Fn() -> bool| {
            while !is_done() {
                if sleeps_in(tid, syscall) {
                    last_stray = Instant::now();
                    disturb(tid);
                }
            }
        };
        let (result, start, elapsed) = beside(timed, attend, |ended| ended);
        assert!(elapsed >= limit, "{elapsed:?} of {limit:?}: {result:?}");
        let result = result.expect("the end of the time is no error here");
        if last_stray > start + limit / 2 && elapsed < limit * 3 / 2 {
            return result;
        }
        limit *= 2;
    }
}

/// Runs a call on a thread of its own, and beside it what attends to that thread, by its id and
/// whether it is done.
fn beside<T: Send, R>(
    call: impl FnOnce() -> T + Send,
    attend: impl FnOnce(i32, &dyn Fn() -> bool),
    then: impl FnOnce(T) -> R,
) -> R {
    thread::scope(|scope| {
        let (starts, started) = mpsc::channel();
        let caller = scope.spawn(move || {
            starts.send(gettid()).unwrap();
            call()
        });
        attend(started.recv().unwrap(), &|| caller.is_finished());
        then(caller.join().unwrap())
    })
}

fn assert_interrupted<T: Debug>(result: Result<T, Error>) {
    let error = result.expect_err("it was interrupted");
    assert!(error.interrupted().is_some(), "{error:?}");
}

/// Sends a stray, and waits until the thread has taken it.
fn disturb(tid: i32) {
    send_stray(tid);
    wait_until("the stray signal is taken", || !is_pending(tid, STRAY));
}
