//! Channels: to and fro between two threads, and from many to one.

use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::turns::{Turns, Way};

/// A message to another thread and one back, so many times.
fn to_and_fro<S, R>(times: u64, channel: impl Fn() -> (S, R)) -> Duration
where
    S: Fn(u64) + Send + 'static,
    R: Fn() -> u64 + Send + 'static,
{
    let ((send, recv_there), (send_there, recv)) = (channel(), channel());
    let start = Arc::new(Barrier::new(2));
    let started = start.clone();
    let other = eintr::spawn(move || {
        started.wait();
        (0..times).for_each(|_| send_there(recv_there()));
    });
    start.wait();
    let began = Instant::now();
    for message in 0..times {
        send(message);
        assert_eq!(recv(), message);
    }
    let took = began.elapsed();
    other.join().unwrap();
    took
}

const SENDERS: u64 = 4;

/// So many messages in all, by several senders.
fn from_many<S, R>(times: u64, channel: impl Fn() -> (S, R)) -> Duration
where
    S: Fn(u64) + Clone + Send + 'static,
    R: Fn() -> u64,
{
    let (send, recv) = channel();
    let start = Arc::new(Barrier::new(SENDERS as usize + 1));
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (send, start) = (send.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                (0..times / SENDERS).for_each(&send);
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    (0..times / SENDERS * SENDERS).for_each(|_| _ = recv());
    let took = began.elapsed();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    took
}

/// The same channel four times: ours, ours interruptibly, std's, crossbeam's.
macro_rules! ways {
    ($run:ident, $ours:expr, $std:expr, $crossbeam:expr) => {
        [
            &|times| {
                $run(times, || {
                    let (to, from) = $ours;
                    (move |message| to.send(message).unwrap(), move || from.recv().unwrap())
                })
            },
            &|times| {
                eintr::Task::root().run(|| {
                    $run(times, || {
                        let (to, from) = $ours;
                        (
                            move |message| to.send_interruptible(message).unwrap().unwrap(),
                            move || from.recv_interruptible().unwrap().unwrap(),
                        )
                    })
                })
            },
            &|times| {
                $run(times, || {
                    let (to, from) = $std;
                    (move |message| to.send(message).unwrap(), move || from.recv().unwrap())
                })
            },
            &|times| {
                $run(times, || {
                    let (to, from) = $crossbeam;
                    (move |message| to.send(message).unwrap(), move || from.recv().unwrap())
                })
            },
        ]
    };
}

const LIMIT: Option<f64> = Some(1.3);

fn contest(
    turns: &mut Turns,
    what: &str,
    rounds: usize,
    times: u64,
    ways: [&dyn Fn(u64) -> Duration; 4],
) {
    let [ours, interruptibly, std, crossbeam] = ways;
    let references = || [(Way("std", std), LIMIT), (Way("crossbeam", crossbeam), LIMIT)];
    turns.take(what, rounds, times, Way("eintr", ours), references());
    let what = format!("{what}, interruptibly");
    turns.take(&what, rounds, times, Way("eintr", interruptibly), references());
}

pub fn ping_pong(turns: &mut Turns) {
    let ways: [&dyn Fn(u64) -> Duration; 4] =
        ways!(to_and_fro, eintr::sync::channel(), mpsc::channel(), crossbeam_channel::unbounded());
    contest(turns, "ping-pong", 40, 5_000, ways);
    let ways: [&dyn Fn(u64) -> Duration; 4] = ways!(
        to_and_fro,
        eintr::sync::sync_channel(1),
        mpsc::sync_channel(1),
        crossbeam_channel::bounded(1)
    );
    contest(turns, "ping-pong, bound 1", 40, 5_000, ways);
    let ways: [&dyn Fn(u64) -> Duration; 4] = ways!(
        to_and_fro,
        eintr::sync::sync_channel(0),
        mpsc::sync_channel(0),
        crossbeam_channel::bounded(0)
    );
    contest(turns, "ping-pong, in person", 40, 2_000, ways);
}

/// As many messages as crossbeam's own benchmark sends: with a few thousands, what is timed is how
/// the scheduler happens to start the senders.
pub fn many_to_one(turns: &mut Turns) {
    let ways: [&dyn Fn(u64) -> Duration; 4] =
        ways!(from_many, eintr::sync::channel(), mpsc::channel(), crossbeam_channel::unbounded());
    contest(turns, "many to one", 20, 5_000_000, ways);
    let ways: [&dyn Fn(u64) -> Duration; 4] = ways!(
        from_many,
        eintr::sync::sync_channel(256),
        mpsc::sync_channel(256),
        crossbeam_channel::bounded(256)
    );
    contest(turns, "many to one, bound 256", 20, 5_000_000, ways);
}
