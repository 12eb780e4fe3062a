//! Contexts in pools that know nothing of us: every job of a task's is ended with it, wherever the
//! pool runs it, and no stranger's is.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use eintr::{Context, Error, TimedOut, checkpoint, context, task, timeout};
use rayon::prelude::*;
use test_support::{gettid, wait_until_blocked, watched};

const JOBS: usize = 4;

/// Runs the body in a task that is interrupted as soon as so many jobs sleep. A job is made for it
/// that sleeps until it is interrupted.
fn interrupted_while_all_sleep<T>(
    body: impl FnOnce(&(dyn Fn() -> Result<(), Error> + Sync)) -> T,
) -> T {
    let (tell, told) = mpsc::channel();
    let (task, interrupter) = task();
    let requester = thread::spawn(move || {
        told.iter().take(JOBS).for_each(|tid| wait_until_blocked(tid, libc::SYS_clock_nanosleep));
        interrupter.interrupt_with("enough");
    });
    let result = task.run(|| {
        let context = context();
        body(&|| {
            context.run(|| {
                tell.send(gettid()).unwrap();
                eintr::time::sleep(Duration::MAX)
            })
        })
    });
    requester.join().unwrap();
    result
}

fn assert_told(result: Result<(), Error>) {
    assert_eq!(result.unwrap_err().to_string(), "interrupted: enough");
}

fn pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(JOBS).build().unwrap()
}

#[test]
fn rayons_parallel_iterator() {
    watched("rayons_parallel_iterator", || {
        let pool = pool();
        interrupted_while_all_sleep(|sleep| {
            // Each item on its own, so that no two are one job.
            let items = (0..JOBS).into_par_iter().with_max_len(1);
            pool.install(|| items.for_each(|_| assert_told(sleep())));
        });
    });
}

#[test]
fn rayons_join() {
    watched("rayons_join", || {
        let pool = pool();
        interrupted_while_all_sleep(|sleep| {
            let one = || assert_told(sleep());
            let two = || {
                rayon::join(one, one);
            };
            pool.install(|| rayon::join(two, two));
        });
    });
}

#[test]
fn rayons_scope() {
    watched("rayons_scope", || {
        let pool = pool();
        interrupted_while_all_sleep(|sleep| {
            pool.scope(|scope| {
                (0..JOBS).for_each(|_| scope.spawn(|_| assert_told(sleep())));
            });
        });
    });
}

#[test]
fn crossbeams_scope() {
    watched("crossbeams_scope", || {
        interrupted_while_all_sleep(|sleep| {
            crossbeam_utils::thread::scope(|scope| {
                (0..JOBS).for_each(|_| drop(scope.spawn(|_| assert_told(sleep()))));
            })
            .unwrap();
        });
    });
}

#[test]
fn a_plain_pool_is_the_same_after() {
    watched("a_plain_pool_is_the_same_after", || {
        let pool = threadpool::ThreadPool::new(JOBS);
        let (tell, told) = mpsc::channel();
        let limited = timeout(Duration::from_millis(20), || {
            let context = context();
            for _ in 0..JOBS {
                let (tell, context) = (tell.clone(), context.clone());
                pool.execute(move || {
                    tell.send(context.run(|| eintr::time::sleep(Duration::MAX)).is_err()).unwrap();
                });
            }
            assert!(told.iter().take(JOBS).all(|was_cut| was_cut));
            checkpoint().map_err(|_| TimedOut)
        });
        assert_eq!(limited, Err(TimedOut));
        let (tell, told) = mpsc::channel();
        for _ in 0..JOBS {
            let tell = tell.clone();
            pool.execute(move || tell.send(checkpoint().is_ok()).unwrap());
        }
        assert!(told.iter().take(JOBS).all(|unharmed| unharmed));
    });
}

thread_local! {
    /// How many jobs are running on this thread, inside of each other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Two tasks share a pool, and one of them is interrupted.
#[test]
fn stolen_jobs_feel_their_own_task_alone() {
    watched("stolen_jobs_feel_their_own_task_alone", || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let inside_another = AtomicUsize::new(0);
        let both = Barrier::new(2);
        let job = |context: &Context, asked| {
            context.run(|| {
                let depth = DEPTH.replace(DEPTH.get() + 1);
                inside_another.fetch_add(usize::from(depth > 0), SeqCst);
                // Here the pool may run others of these jobs inside this one.
                rayon::join(rayon::yield_now, rayon::yield_now);
                DEPTH.set(depth);
                assert_eq!(checkpoint().is_err(), asked);
            });
        };
        let run = |asked| {
            let (task, interrupter) = task();
            task.run(|| {
                let context = context();
                if asked {
                    interrupter.interrupt();
                }
                both.wait();
                for _ in 0..200 {
                    let jobs = (0..8).into_par_iter().with_max_len(1);
                    pool.install(|| jobs.for_each(|_| job(&context, asked)));
                }
            });
        };
        thread::scope(|s| {
            let run = &run;
            s.spawn(move || run(false));
            s.spawn(move || run(true));
        });
        assert!(inside_another.load(SeqCst) > 0, "the pool has stolen nothing: nothing was tested");
    });
}
