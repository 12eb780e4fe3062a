//! Mutexes and readers-writer locks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use eintr::sync::{Mutex, RwLock, RwLockWriteGuard, TryLockError};
use test_support::{gettid, watched};

use super::wait_until_asleep;

#[test]
fn poison_is_inside_the_interrupt() {
    let mutex = Mutex::new(1);
    let lock = RwLock::new(1);
    let poison = AssertUnwindSafe(|| {
        let _one = mutex.lock().unwrap();
        let _other = lock.write().unwrap();
        panic!("on purpose");
    });
    catch_unwind(poison).unwrap_err();
    assert_eq!(**mutex.lock_interruptible().unwrap().unwrap_err().get_ref(), 1);
    assert_eq!(**lock.read_interruptible().unwrap().unwrap_err().get_ref(), 1);
    assert_eq!(**lock.write_interruptible().unwrap().unwrap_err().get_ref(), 1);
    let (task, interrupter) = eintr::task();
    interrupter.interrupt();
    task.run(|| {
        assert!(mutex.lock_interruptible().is_err());
        // Std's name, std's meaning.
        assert!(mutex.lock().is_err_and(|poisoned| **poisoned.get_ref() == 1));
    });
    mutex.clear_poison();
    assert!(mutex.lock_interruptible().unwrap().is_ok());
}

#[test]
fn an_interrupted_thread_still_waits_in_lock() {
    watched("lock", || {
        let mutex = Arc::new(Mutex::new(0));
        let held = mutex.lock().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let theirs = mutex.clone();
        let thread = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            *theirs.lock().unwrap() += 1;
            eintr::is_interrupted()
        });
        let tid = told.recv().unwrap();
        wait_until_asleep(tid);
        thread.interrupt();
        for _ in 0..100 {
            wait_until_asleep(tid);
        }
        assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        assert!(thread.join().unwrap());
        assert_eq!(*mutex.lock().unwrap(), 1);
    });
}

/// Readers queue up behind a writer that waits. When it gives up they must not stay there.
#[test]
fn a_writer_that_gives_up_lets_the_readers_go_on() {
    watched("readers", || {
        let lock = Arc::new(RwLock::new(5));
        let held = lock.read().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (theirs, teller) = (lock.clone(), tell.clone());
        let writer = eintr::spawn(move || {
            teller.send(gettid()).unwrap();
            theirs.write_interruptible().map(drop)
        });
        wait_until_asleep(told.recv().unwrap());
        assert!(lock.try_read().is_err(), "a writer waits");
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (theirs, teller) = (lock.clone(), tell.clone());
                thread::spawn(move || {
                    teller.send(gettid()).unwrap();
                    *theirs.read().unwrap()
                })
            })
            .collect();
        for _ in &readers {
            wait_until_asleep(told.recv().unwrap());
        }
        writer.interrupt();
        assert!(writer.join().unwrap().is_err());
        // With the lock read here all the time.
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 5);
        }
        drop(held);
        assert!(lock.try_write().is_ok());
    });
}

/// A thread that sleeps in that.
fn asleep<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> eintr::JoinHandle<T> {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = eintr::spawn(move || {
        tell.send(gettid()).unwrap();
        body()
    });
    wait_until_asleep(told.recv().unwrap());
    thread
}

/// One that waits to read comes through where the writer reads on.
#[test]
fn a_writer_that_reads_on_lets_readers_go_on() {
    watched("downgrade", || {
        let lock = Arc::new(RwLock::new(5));
        let mut writes = lock.write().unwrap();
        let theirs = lock.clone();
        let reader = asleep(move || theirs.read_interruptible().map(|value| *value.unwrap()));
        *writes += 1;
        let reads = RwLockWriteGuard::downgrade(writes);
        assert_eq!(reader.join().unwrap().unwrap(), 6);
        assert!(lock.try_write().is_err() && *reads == 6);
        drop(reads);
        assert!(lock.try_write().is_ok());
    });
}

/// The mark that it has left for other writers keeps nobody out.
#[test]
fn a_writer_that_had_slept_reads_on_beside_others() {
    watched("downgrade", || {
        let lock = Arc::new(RwLock::new(5));
        let writes = lock.write().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (hand, handed) = std::sync::mpsc::channel::<eintr::JoinHandle<i32>>();
        let theirs = lock.clone();
        let writer = asleep(move || {
            let writes = theirs.write().unwrap();
            tell.send(()).unwrap();
            let reader = handed.recv().unwrap();
            let reads = RwLockWriteGuard::downgrade(writes);
            assert_eq!(reader.join().unwrap(), *reads);
        });
        drop(writes);
        told.recv().unwrap();
        let theirs = lock.clone();
        hand.send(asleep(move || *theirs.read().unwrap())).unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn a_writer_that_reads_on_does_not_poison() {
    struct ReadsOn<'a>(Option<RwLockWriteGuard<'a, u8>>);
    impl Drop for ReadsOn<'_> {
        fn drop(&mut self) {
            drop(self.0.take().map(RwLockWriteGuard::downgrade));
        }
    }
    let lock = RwLock::new(1);
    let panics = AssertUnwindSafe(|| {
        let _reads_on = ReadsOn(lock.write().ok());
        panic!("on purpose");
    });
    catch_unwind(panics).unwrap_err();
    assert!(!lock.is_poisoned() && lock.try_write().is_ok());
}

#[test]
fn locks_exclude_under_interrupts() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 400;
    watched("exclusion", || {
        let shared = Arc::new((Mutex::new(0_usize), RwLock::new([0_usize; 2])));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let shared = shared.clone();
                eintr::spawn(move || {
                    let (mutex, lock) = &*shared;
                    let mut interrupts = 0;
                    for _ in 0..ROUNDS {
                        match mutex.lock_interruptible() {
                            Ok(guard) => *guard.unwrap() += 1,
                            Err(_) => interrupts += 1,
                        }
                        match lock.write_interruptible() {
                            Ok(guard) => guard.unwrap().iter_mut().for_each(|one| *one += 1),
                            Err(_) => interrupts += 1,
                        }
                        if let Ok(guard) = lock.read_interruptible() {
                            let [one, other] = *guard.unwrap();
                            assert_eq!(one, other);
                        }
                        eintr::take();
                    }
                    interrupts
                })
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            threads.iter().for_each(|thread| drop(thread.interrupt()));
        }
        let interrupts: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        let (mutex, lock) = &*shared;
        let done = *mutex.lock().unwrap() + lock.read().unwrap()[0];
        assert_eq!(done + interrupts, 2 * THREADS * ROUNDS);
    });
}
