//! A work-stealing pool that runs strangers' jobs inside ours: none of them is armed by what ours
//! is asked (P6, nesting by creation).
//!
//! The tests here work like this: rayon runs other jobs on a thread that waits in `join`, `scope`
//! or `yield_now`, on top of the job that waits. So a task of ours has others above it on its stack
//! that it did not make.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use eintr::{Error, Interrupter, Outcome, checkpoint, is_interrupted, take, task};
use test_support::target::{own_read, pipe};
use test_support::{LIMIT, watched};

#[test]
fn strangers_jobs_stolen_into_our_task_run_unharmed() {
    watched("strangers_jobs_stolen_into_our_task_run_unharmed", || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let stolen = Arc::new(AtomicUsize::new(0));
        let (ours, interrupter) = task();
        let (start, started) = mpsc::channel::<()>();
        let (queued, all_queued) = mpsc::channel::<()>();
        let count = stolen.clone();
        // The pool has one thread, and that is in our task: whatever else it runs, it runs inside
        // ours.
        pool.spawn(move || {
            ours.run(|| {
                start.send(()).unwrap();
                all_queued.recv().unwrap();
                assert!(is_interrupted());
                while rayon::yield_now() == Some(rayon::Yield::Executed) {}
                assert_eq!(count.load(SeqCst), 16, "they ran inside this task");
                assert!(is_interrupted());
            });
        });
        started.recv().unwrap();
        assert!(matches!(interrupter.interrupt().wait(Duration::ZERO), Outcome::Stuck(_)));
        let (done, jobs_done) = mpsc::channel();
        for _ in 0..16 {
            let (done, stolen) = (done.clone(), stolen.clone());
            let (job, its) = task();
            pool.spawn(move || {
                let unharmed = job.run(|| {
                    stolen.fetch_add(1, SeqCst);
                    let unharmed = checkpoint().is_ok();
                    its.interrupt();
                    unharmed && checkpoint().is_err() && take().is_some() && checkpoint().is_ok()
                });
                done.send(unharmed).unwrap();
            });
        }
        drop(done);
        queued.send(()).unwrap();
        assert!(jobs_done.iter().all(|unharmed| unharmed));
        assert_eq!(stolen.load(SeqCst), 16);
        assert!(matches!(interrupter.interrupt().wait(LIMIT), Outcome::Finished));
    });
}

#[test]
fn a_job_stolen_by_join_is_interrupted_by_its_own_requester_only() {
    watched("a_job_stolen_by_join_is_interrupted_by_its_own_requester_only", || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (reader, _writer) = pipe();
        let runs_inside = Arc::new(AtomicUsize::new(0));
        for _ in 0..200 {
            let inside = &runs_inside;
            let reader = &reader;
            let tasks: Vec<_> = (0..8).map(|_| task()).collect();
            pool.scope(|scope| {
                for (index, (job, its)) in tasks.into_iter().enumerate() {
                    scope.spawn(move |_| {
                        let nested = Interrupter::current().is_some();
                        inside.fetch_add(usize::from(nested), SeqCst);
                        let even = index % 2 == 0;
                        let outcome = job.run(|| {
                            if even {
                                its.interrupt_with(index.to_string());
                            }
                            // Here the pool may run others of these jobs inside this one.
                            let (left, right) = rayon::join(rayon::yield_now, rayon::yield_now);
                            let _ = (left, right);
                            match even {
                                true => own_read(reader).map(drop),
                                false => checkpoint().map_err(Error::from),
                            }
                        });
                        let reason = outcome.err().map(|error| error.to_string());
                        let expected = even.then(|| format!("interrupted: {index}"));
                        assert_eq!(reason, expected);
                    });
                }
            });
        }
        assert!(runs_inside.load(SeqCst) > 0, "the pool has stolen nothing: nothing was tested");
    });
}
