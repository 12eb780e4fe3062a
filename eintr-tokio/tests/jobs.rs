//! Jobs are aborted while they run, by whatever drops them, and their runtime does not hang on them.
//!
//! The tests here work like this: a job sleeps in a read of std's that nobody ever answers, so that one
//! that is missed does not come back, and the watchdog says so.

use std::future::{Future, pending};
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use eintr::{Error, Interrupted, Outcome, checkpoint, is_interrupted};
use eintr_tokio::{
    AbortOnDropHandle, JoinHandle, block_on, spawn_blocking, unblock, wait, wait_finished,
};
use test_support::{
    LIMIT, emulated, gettid, threads_named, wait_until, wait_until_blocked, watched,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(20);

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(threads)
        .enable_all()
        .build()
        .unwrap()
}

fn run<F: Future>(name: &str, test: F) -> F::Output {
    watched(name, || runtime(4).block_on(test))
}

/// Something to be read that never comes, for as long as the writer is there.
fn silence() -> (PipeReader, PipeWriter) {
    io::pipe().unwrap()
}

/// A job that sleeps in a plain read; it has come to that.
fn reading() -> (JoinHandle<io::Result<usize>>, PipeWriter) {
    let (mut reader, writer) = silence();
    let (tell, told) = mpsc::channel();
    let job = spawn_blocking(move || {
        tell.send(gettid()).unwrap();
        reader.read(&mut [0])
    });
    wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
    (job, writer)
}

/// The answer of a call that was cut short.
fn is_cut_short(result: &io::Result<usize>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| matches!(error.raw_os_error(), Some(libc::ECANCELED | libc::EINTR)))
}

#[test]
fn a_running_job_is_aborted() {
    run("a_running_job_is_aborted", async {
        let (job, _writer) = reading();
        let handle = job.abort_handle();
        assert!(!handle.is_finished());
        handle.abort();
        let error = job.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.reason().unwrap().to_string(), "interrupted");
        assert!(is_cut_short(&error.into_value().unwrap()));
        assert!(handle.is_finished());
    });
}

#[test]
fn a_reason_is_told() {
    run("a_reason_is_told", async {
        let (job, _writer) = reading();
        job.interrupter().interrupt_with("out of quota");
        let error = job.await.unwrap_err();
        assert_eq!(error.reason().unwrap().to_string(), "interrupted: out of quota");
        let error: Box<dyn std::error::Error + Send + Sync> = error.into();
        assert!(Interrupted::of(&error).is_some());
        let (job, _writer) = reading();
        job.interrupter().interrupt_with("out of quota");
        let error = io::Error::from(job.await.unwrap_err());
        assert!(Interrupted::of(&error).is_some());
    });
}

#[test]
fn a_queued_job_does_not_begin() {
    watched("a_queued_job_does_not_begin", || {
        let runtime = runtime(1);
        runtime.block_on(async {
            let (first, _writer) = reading();
            let queued = spawn_blocking(|| panic!("it runs"));
            queued.abort();
            let error = queued.await.unwrap_err();
            assert!(error.is_cancelled() && error.reason().is_none());
            assert!(error.into_value::<()>().is_none());
            first.abort();
            assert!(first.await.is_err());
        });
    });
}

#[test]
fn what_comes_in_time_is_returned() {
    run("what_comes_in_time_is_returned", async {
        let (job, mut writer) = reading();
        writer.write_all(b"x").unwrap();
        assert_eq!(job.await.unwrap().unwrap(), 1);
        assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
    });
}

#[test]
fn a_panic_is_told_from_an_abort() {
    run("a_panic_is_told_from_an_abort", async {
        let job = spawn_blocking(|| std::panic::resume_unwind(Box::new("ours")));
        let error = job.await.unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled() && error.reason().is_none());
        assert_eq!(error.try_into_panic().unwrap().downcast_ref::<&str>(), Some(&"ours"));
    });
}

/// The next job on the same thread is another one.
#[test]
fn the_next_job_is_left_alone() {
    watched("the_next_job_is_left_alone", || {
        let runtime = runtime(1);
        runtime.block_on(async {
            let (job, _writer) = reading();
            job.abort();
            let next = spawn_blocking(|| (is_interrupted(), checkpoint().is_ok()));
            job.abort();
            assert_eq!(next.await.unwrap(), (false, true));
        });
    });
}

#[test]
fn whoever_drops_it_interrupts_it() {
    run("whoever_drops_it_interrupts_it", async {
        let (tell, told) = mpsc::channel();
        // One that has begun: a job that has not is dropped with its closure.
        #[expect(clippy::async_yields_async, reason = "what has begun is to be dropped")]
        let begun = async || {
            let begun = Arc::new(Notify::new());
            let (begins, tell) = (begun.clone(), tell.clone());
            let mut job = Box::pin(unblock(move || {
                begins.notify_one();
                let (mut reader, _writer) = silence();
                tell.send(is_cut_short(&reader.read(&mut [0]))).unwrap();
            }));
            tokio::select! {
                _ = &mut job => panic!("nobody ends it"),
                () = begun.notified() => {}
            }
            job
        };
        assert!(tokio::time::timeout(SHORT, begun().await).await.is_err());
        assert!(told.recv().unwrap());
        let job = begun().await;
        tokio::select! {
            biased;
            () = std::future::ready(()) => {}
            _ = job => panic!("it was not dropped"),
        }
        assert!(told.recv().unwrap());
        let (token, job) = (CancellationToken::new(), begun().await);
        token.cancel();
        assert!(token.run_until_cancelled(job).await.is_none());
        assert!(told.recv().unwrap());
    });
}

#[test]
fn a_handle_that_aborts_can_be_detached() {
    run("a_handle_that_aborts_can_be_detached", async {
        let (job, mut writer) = reading();
        let job = AbortOnDropHandle::new(job).detach();
        writer.write_all(b"x").unwrap();
        assert_eq!(job.await.unwrap().unwrap(), 1);
        let (job, _writer) = reading();
        let handle = job.abort_handle();
        drop(AbortOnDropHandle::new(job));
        wait_until("the job has ended", || handle.is_finished());
    });
}

#[test]
fn a_runtime_does_not_hang_on_its_jobs() {
    watched("a_runtime_does_not_hang_on_its_jobs", || {
        let jobs = if emulated() { 50 } else { 1000 };
        let runtime = runtime(jobs);
        let (tell, told) = mpsc::channel();
        let (reader, _writer) = silence();
        let _in = runtime.enter();
        for _ in 0..jobs {
            let (tell, mut reader) = (tell.clone(), reader.try_clone().unwrap());
            drop(spawn_blocking(move || {
                tell.send(None).unwrap();
                tell.send(Some(is_cut_short(&reader.read(&mut [0])))).unwrap();
            }));
        }
        drop(tell);
        told.iter().take(jobs).for_each(|begun| assert_eq!(begun, None));
        drop(_in);
        drop(runtime);
        let ended: Vec<_> = told.iter().collect();
        assert_eq!(ended, vec![Some(true); jobs]);
    });
}

#[test]
fn the_callers_deadline_holds_in_the_job() {
    watched("the_callers_deadline_holds_in_the_job", || {
        let runtime = runtime(4);
        let limited = eintr::timeout(SHORT, || {
            runtime.block_on(async {
                let (mut reader, _writer) = silence();
                spawn_blocking(move || reader.read(&mut [0])).await.unwrap()
            })
        });
        assert_eq!(limited.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn async_code_inside_of_a_job_ends_with_it() {
    run("async_code_inside_of_a_job_ends_with_it", async {
        assert_eq!(spawn_blocking(|| block_on(async { 7 })).await.unwrap().unwrap(), 7);
        let (tell, told) = mpsc::channel();
        let job = spawn_blocking(move || {
            block_on(async {
                tell.send(()).unwrap();
                pending::<()>().await;
            })
            .map_err(Error::from)
        });
        told.recv().unwrap();
        job.abort();
        let error = job.await.unwrap_err();
        assert!(matches!(
            error.into_value::<Result<(), Error>>(),
            Some(Err(Error::Interrupted(_)))
        ));
    });
}

/// The job hands its interrupt on to async code that knows tokens.
#[test]
fn a_job_hands_its_interrupt_to_a_token() {
    run("a_job_hands_its_interrupt_to_a_token", async {
        let token = CancellationToken::new();
        let (cancel, cancelled) = (token.clone(), token.clone());
        let other = tokio::spawn(async move { cancelled.cancelled().await });
        let (tell, told) = mpsc::channel();
        let job = spawn_blocking(move || {
            let (mut reader, _writer) = silence();
            tell.send(()).unwrap();
            eintr::with_hook(move |_| cancel.cancel(), || reader.read(&mut [0]))
        });
        told.recv().unwrap();
        assert!(!token.is_cancelled());
        job.abort();
        assert!(job.await.is_err());
        other.await.unwrap();
    });
}

/// A request is a future, and so is an end; also where all threads for blocking jobs are stuck.
#[test]
fn an_answer_is_a_future() {
    watched("an_answer_is_a_future", || {
        let runtime = runtime(1);
        runtime.block_on(async {
            let (job, _writer) = reading();
            let asked = job.interrupter().interrupt();
            assert!(matches!(wait(asked, LIMIT).await, Outcome::Raised | Outcome::Finished));
            assert!(job.await.is_err());

            // It does not feel it.
            let (release, released) = mpsc::channel::<()>();
            let (tell, told) = mpsc::channel();
            let job = spawn_blocking(move || {
                tell.send(()).unwrap();
                released.recv()
            });
            told.recv().unwrap();
            let task = job.interrupter();
            assert!(matches!(wait(task.interrupt(), SHORT).await, Outcome::Stuck(_)));
            assert!(!wait_finished(&task, SHORT).await.unwrap_err().finished);
            release.send(()).unwrap();
            wait_finished(task, LIMIT).await.unwrap();
            assert!(matches!(wait(job.interrupter().interrupt(), LIMIT).await, Outcome::Finished));
        });
        // Of a group, without any runtime's threads.
        let group = eintr::Group::new();
        let member = group.spawn(|| eintr::time::sleep(Duration::MAX));
        runtime.block_on(wait(group.interrupt(), LIMIT));
        runtime.block_on(wait_finished(&group, LIMIT)).unwrap();
        assert!(member.join().unwrap().is_err());
    });
}

/// The thread that waits ends with the future.
#[test]
fn an_answer_that_nobody_waits_for_leaves_no_thread() {
    run("an_answer_that_nobody_waits_for_leaves_no_thread", async {
        let (job, _writer) = reading();
        let task = job.interrupter();
        let late = tokio::time::timeout(SHORT, wait_finished(&task, Duration::MAX)).await;
        assert!(late.is_err());
        wait_until("no thread waits", || threads_named("eintr wait") == 0);
        job.abort();
        assert!(job.await.is_err());
    });
}
