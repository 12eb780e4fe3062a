//! Deadlines: who tells that the time was up, in which order causes are raised, what is hidden,
//! what is interrupted, and what is left behind.
//!
//! The tests here work like this: a test that needs a deadline to have passed asks the library
//! whether the thread is armed, and never sleeps for it. A deadline that must not pass is an hour
//! long. What is a process's own (limits, dispositions, its timers) is tested in a process of its
//! own.

mod bounds;
mod calls;
mod leftovers;
mod masks;
mod order;
mod processes;
mod reached;
mod signals;
mod tellers;
mod threads;

use std::fmt::Debug;
use std::fs::File;
use std::time::{Duration, Instant};

use eintr::{Interrupted, Reason, TimedOut};
use test_support::allocations::Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(10);

/// An error that says who made it.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    TimedOut,
    Deadline,
    Request,
    Own,
}

impl From<TimedOut> for Told {
    fn from(_: TimedOut) -> Self {
        Told::TimedOut
    }
}

impl From<Interrupted> for Told {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted.reason() {
            Reason::Deadline => Told::Deadline,
            _ => Told::Request,
        }
    }
}

impl From<eintr::Error> for Told {
    fn from(error: eintr::Error) -> Self {
        error.interrupted().cloned().map_or(Told::Own, Told::from)
    }
}

/// An inner deadline tells that the time was up, unless the machine is so slow that the outer one
/// has passed by then as well.
#[track_caller]
fn assert_told_before<T: Debug>(outer: Instant, inner: Result<T, Told>) {
    let told = inner.unwrap_err();
    assert!(told == Told::TimedOut || Instant::now() >= outer, "{told:?}");
}

/// What a checkpoint raises, if anything.
fn raised() -> Option<Told> {
    eintr::checkpoint().err().map(Told::from)
}

/// Waits until something stands in this thread.
fn wait_until_armed() {
    test_support::wait_until("this thread is armed", eintr::is_interrupted);
}

/// Waits until something stands in this thread, and raises it.
fn raise_when_armed() -> Result<(), Told> {
    wait_until_armed();
    Ok(eintr::checkpoint()?)
}

/// The reading end and the writing end.
fn pipe() -> (File, File) {
    let (reader, writer) = test_support::target::pipe();
    (reader.into(), writer.into())
}

/// Reads a byte that does not come.
fn read_in_vain() -> Result<usize, eintr::Error> {
    let (reader, _writer) = pipe();
    eintr::io::read(&reader, &mut [0])
}
