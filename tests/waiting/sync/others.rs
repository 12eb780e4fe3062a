//! Semaphores, barriers, events, parkers.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use eintr::sync::{Barrier, Event, Parker, Semaphore};
use test_support::{gettid, watched};

use super::wait_until_asleep;

#[test]
fn an_interrupted_thread_has_not_come_to_the_barrier() {
    watched("barrier", || {
        let barrier = Arc::new(Barrier::new(3));
        let (tell, told) = channel();
        let wait = |interruptible: bool| {
            let (barrier, tell) = (barrier.clone(), tell.clone());
            eintr::spawn(move || {
                tell.send(gettid()).unwrap();
                match interruptible {
                    true => barrier.wait_interruptible().map(|passed| passed.is_leader()),
                    false => Ok(barrier.wait().is_leader()),
                }
            })
        };
        let [asked, stays] = [true, false].map(|interruptible| {
            let thread = wait(interruptible);
            wait_until_asleep(told.recv().unwrap());
            thread
        });
        asked.interrupt();
        assert!(asked.join().unwrap().is_err());
        // With it counted, this would be the last to come.
        let second = wait(true);
        wait_until_asleep(told.recv().unwrap());
        assert!(!stays.is_finished() && !second.is_finished());
        assert!(barrier.wait().is_leader());
        assert!(!stays.join().unwrap().unwrap() && !second.join().unwrap().unwrap());
    });
}

#[test]
fn a_barrier_can_be_passed_again_and_again() {
    watched("barrier", || {
        let barrier = Arc::new(Barrier::new(3));
        let threads = [(); 3].map(|()| {
            let barrier = barrier.clone();
            thread::spawn(move || (0..200).filter(|_| barrier.wait().is_leader()).count())
        });
        let leaders: usize = threads.map(|thread| thread.join().unwrap()).iter().sum();
        assert_eq!(leaders, 200);
        assert!(Barrier::new(0).wait().is_leader() && Barrier::new(1).wait().is_leader());
    });
}

#[test]
fn an_event_that_is_cleared_at_once_lets_go_of_all_who_waited() {
    watched("event", || {
        for _ in 0..50 {
            let event = Arc::new(Event::new());
            let (tell, told) = channel();
            let threads = [true, false].map(|interruptible| {
                let (event, tell) = (event.clone(), tell.clone());
                thread::spawn(move || {
                    tell.send(gettid()).unwrap();
                    match interruptible {
                        true => event.wait_interruptible().unwrap(),
                        false => event.wait(),
                    }
                })
            });
            threads.iter().for_each(|_| wait_until_asleep(told.recv().unwrap()));
            event.set();
            event.clear();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert!(!event.is_set());
        }
    });
}

#[test]
fn permits_are_given_back() {
    let semaphore = Semaphore::new(1);
    {
        let _permit = semaphore.acquire();
        assert!(semaphore.try_acquire().is_none());
    }
    semaphore.try_acquire().unwrap().forget();
    assert_eq!(semaphore.available(), 0);
    semaphore.release(2);
    assert_eq!(semaphore.available(), 2);
    semaphore.release(u32::MAX - 2);
    assert_eq!(semaphore.available(), u32::MAX);
}

#[test]
fn many_permits_at_once_wake_all_who_wait() {
    watched("many permits", || {
        let semaphore = Arc::new(Semaphore::new(0));
        let (tell, told) = channel();
        let threads = [(); 3].map(|()| {
            let (semaphore, tell) = (semaphore.clone(), tell.clone());
            thread::spawn(move || {
                tell.send(gettid()).unwrap();
                semaphore.acquire().forget();
            })
        });
        threads.iter().for_each(|_| wait_until_asleep(told.recv().unwrap()));
        semaphore.release(5);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(semaphore.available(), 2);
    });
}

#[test]
fn as_many_hold_permits_as_there_are() {
    watched("semaphore", || {
        let shared = Arc::new((Semaphore::new(2), std::sync::atomic::AtomicUsize::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let shared = shared.clone();
                eintr::spawn(move || {
                    use std::sync::atomic::Ordering::SeqCst;
                    let (semaphore, holders) = &*shared;
                    let mut taken = 0;
                    while taken < 200 {
                        if let Ok(_permit) = semaphore.acquire_interruptible() {
                            assert!(holders.fetch_add(1, SeqCst) < 2);
                            thread::yield_now();
                            holders.fetch_sub(1, SeqCst);
                            taken += 1;
                        }
                        eintr::take();
                    }
                })
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            threads.iter().for_each(|thread| drop(thread.interrupt()));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.0.available(), 2);
    });
}

#[test]
fn the_token_waits_for_its_parker() {
    watched("parker", || {
        let parker = Parker::new();
        assert!(!parker.park_timeout(Duration::from_millis(1)));
        parker.unparker().unpark();
        parker.unparker().unpark();
        parker.park();
        assert!(!parker.park_timeout(Duration::ZERO), "there is one token");
        let unparker = parker.unparker().clone();
        let (tell, told) = channel();
        let thread = thread::spawn(move || {
            tell.send(gettid()).unwrap();
            parker.park();
        });
        wait_until_asleep(told.recv().unwrap());
        unparker.unpark();
        thread.join().unwrap();
    });
}
