//! Reach in thread pools: a job is cancelled by its own task's interrupter, and no other job
//! notices.
//!
//! The jobs are unmodified std reads of sockets. A job that is not to notice must sleep through it
//! all and get its bytes.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::{self, ThreadId};

use eintr::{Interrupted, Interrupter, Outcome, Task};
use test_support::{LIMIT, gettid, has_dispatch, wait_until, wait_until_blocked, watched};

/// What came of a job: it was refused, or got a byte.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Refused,
    Byte(u8),
}

struct Job {
    task: Task,
    interrupter: Interrupter,
    near: UnixStream,
    far: UnixStream,
}

impl Job {
    fn new() -> Self {
        let (near, far) = UnixStream::pair().unwrap();
        let (task, interrupter) = eintr::task();
        Self { task, interrupter, near, far }
    }
}

fn read_a_byte(mut stream: &UnixStream) -> Came {
    let mut byte = [0];
    match stream.read_exact(&mut byte) {
        Ok(()) => Came::Byte(byte[0]),
        Err(error) if Interrupted::of(&error).is_some() => Came::Refused,
        Err(error) => panic!("{error}"),
    }
}

/// Runs the two jobs on a pool of one thread, one after the other. The first is interrupted, and
/// the second sleeps and gets its byte.
fn one_after_the_other(run: impl Fn(Box<dyn FnOnce() + Send>)) {
    let (tell, told) = mpsc::channel::<(ThreadId, i32)>();
    let (tell_end, ends) = mpsc::channel::<(Came, bool)>();
    let mut hands = Vec::new();
    for _ in 0..2 {
        let Job { task, interrupter, near, far } = Job::new();
        let (tell, tell_end) = (tell.clone(), tell_end.clone());
        run(Box::new(move || {
            assert!(!eintr::is_interrupted(), "between the jobs");
            task.run(|| {
                tell.send((thread::current().id(), gettid())).unwrap();
                let came = read_a_byte(&near);
                tell_end.send((came, eintr::is_interrupted())).unwrap();
            });
        }));
        hands.push((interrupter, far));
    }

    let (thread, tid) = told.recv().unwrap();
    wait_until_blocked(tid, libc::SYS_recvfrom);
    let (first, _far) = &hands[0];
    let request = first.interrupt();
    assert!(matches!(request.wait(LIMIT), Outcome::Raised | Outcome::Finished));
    assert_eq!(ends.recv().unwrap(), (Came::Refused, true));

    assert_eq!(told.recv().unwrap(), (thread, tid), "the same thread");
    wait_until_blocked(tid, libc::SYS_recvfrom);
    assert!(matches!(first.interrupt().wait(LIMIT), Outcome::Finished), "it reaches nobody");
    wait_until_blocked(tid, libc::SYS_recvfrom);
    let (second, mut far) = hands.pop().unwrap();
    far.write_all(b"x").unwrap();
    assert_eq!(ends.recv().unwrap(), (Came::Byte(b'x'), false));
    assert_eq!(second.report().refused, 0);
}

#[test]
fn rayon_one_job_after_the_other() {
    if !has_dispatch("rayon") {
        return;
    }
    watched("rayon_one_job_after_the_other", || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        one_after_the_other(|job| pool.spawn_fifo(job));
    });
}

#[test]
fn tokio_one_job_after_the_other() {
    if !has_dispatch("tokio") {
        return;
    }
    watched("tokio_one_job_after_the_other", || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .build()
            .unwrap();
        one_after_the_other(|job| drop(runtime.spawn_blocking(job)));
    });
}

/// `spawn_blocking` is awaited, and its job is interrupted from another task of the runtime's.
#[test]
fn tokio_awaits_a_cancelled_job() {
    if !has_dispatch("tokio") {
        return;
    }
    watched("tokio_awaits_a_cancelled_job", || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        let came = runtime.block_on(async {
            let Job { task, interrupter, near, far } = Job::new();
            let job = tokio::task::spawn_blocking(move || task.run(|| read_a_byte(&near)));
            let limit = tokio::time::sleep(std::time::Duration::from_millis(5));
            tokio::spawn(async move {
                limit.await;
                interrupter.interrupt();
            });
            let came = job.await.unwrap();
            drop(far);
            came
        });
        assert_eq!(came, Came::Refused);
    });
}

/// A pool's thread that waits inside our job runs a stranger's there. Ours is interrupted; the
/// stranger sleeps on.
#[test]
fn rayon_a_stolen_job_does_not_notice() {
    if !has_dispatch("rayon") {
        return;
    }
    watched("rayon_a_stolen_job_does_not_notice", || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let ours = Job::new();
        let stranger = Job::new();
        let (tell, told) = mpsc::channel();
        let (tell_end, ends) = mpsc::channel();
        let tell_strangers_end = tell_end.clone();
        let (stranger_is_queued, wait_for_stranger) = mpsc::channel::<()>();
        let (task, near) = (ours.task, ours.near);
        pool.spawn(move || {
            task.run(|| {
                wait_for_stranger.recv().unwrap();
                // Runs the stranger's job here, on our stack.
                assert_eq!(rayon::yield_now(), Some(rayon::Yield::Executed));
                let came = read_a_byte(&near);
                tell_end.send(("ours", came, eintr::is_interrupted())).unwrap();
            });
        });
        let (task, near) = (stranger.task, stranger.near);
        pool.spawn(move || {
            task.run(|| {
                tell.send(gettid()).unwrap();
                let came = read_a_byte(&near);
                tell_strangers_end.send(("stranger", came, eintr::is_interrupted())).unwrap();
            });
        });
        stranger_is_queued.send(()).unwrap();

        let tid = told.recv().unwrap();
        wait_until_blocked(tid, libc::SYS_recvfrom);
        let request = ours.interrupter.interrupt();
        assert!(matches!(request.wait(std::time::Duration::ZERO), Outcome::Masked(_)));
        wait_until("it sleeps on", || test_support::sleeps_in(tid, libc::SYS_recvfrom));
        (&stranger.far).write_all(b"x").unwrap();
        assert_eq!(ends.recv().unwrap(), ("stranger", Came::Byte(b'x'), false));
        assert_eq!(ends.recv().unwrap(), ("ours", Came::Refused, true));
        assert_eq!(stranger.interrupter.report().refused, 0);
    });
}

/// The other way round: the stranger inside is interrupted, and the job below it is not.
#[test]
fn rayon_a_stolen_job_is_interrupted_alone() {
    if !has_dispatch("rayon") {
        return;
    }
    watched("rayon_a_stolen_job_is_interrupted_alone", || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let ours = Job::new();
        let stranger = Job::new();
        let (tell, told) = mpsc::channel();
        let (tell_end, ends) = mpsc::channel();
        let tell_strangers_end = tell_end.clone();
        let (go, wait) = mpsc::channel::<()>();
        let tell_ours = tell.clone();
        let (task, near) = (ours.task, ours.near);
        pool.spawn(move || {
            task.run(|| {
                wait.recv().unwrap();
                assert_eq!(rayon::yield_now(), Some(rayon::Yield::Executed));
                assert!(!eintr::is_interrupted());
                tell_ours.send(gettid()).unwrap();
                tell_end.send(read_a_byte(&near)).unwrap();
            });
        });
        let (task, near) = (stranger.task, stranger.near);
        pool.spawn(move || {
            task.run(|| {
                tell.send(gettid()).unwrap();
                tell_strangers_end.send(read_a_byte(&near)).unwrap();
            });
        });
        go.send(()).unwrap();

        wait_until_blocked(told.recv().unwrap(), libc::SYS_recvfrom);
        stranger.interrupter.interrupt();
        assert_eq!(ends.recv().unwrap(), Came::Refused);
        wait_until_blocked(told.recv().unwrap(), libc::SYS_recvfrom);
        (&ours.far).write_all(b"y").unwrap();
        assert_eq!(ends.recv().unwrap(), Came::Byte(b'y'));
        assert_eq!(ours.interrupter.report().refused, 0);
    });
}

/// rayon's own parallelism inside an interrupted job: its threads wait for each other, and are let.
#[test]
fn rayon_computes_inside_an_interrupted_job() {
    if !has_dispatch("rayon") {
        return;
    }
    watched("rayon_computes_inside_an_interrupted_job", || {
        use rayon::prelude::*;
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        let sum = task.run(|| {
            let (mut reader, _writer) = io::pipe().unwrap();
            assert!(reader.read(&mut [0]).is_err());
            (0..10_000_u64).into_par_iter().map(|n| n * 2).sum::<u64>()
        });
        assert_eq!(sum, 9_999 * 10_000);
    });
}
