//! Waits on futexes of others, by a reached thread (S20). The tests work like this: each wait is made
//! by a thread that is asked before, and by one that is asked when it sleeps there. What needs a
//! wake-up must sleep on until it is let in; what looks at its condition again ends by itself.

use std::ffi::{c_int, c_long};
use std::mem::zeroed;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Barrier, Condvar, Mutex, RwLock, mpsc};
use std::{io, ptr, thread};

use eintr::Interrupted;
use test_support::{gettid, has_dispatch, times_asleep, wait_until, wait_until_on_futex, watched};

/// Runs a wait on a thread that is asked before, and on one that is asked when it sleeps. `shut` sees to
/// it that there is something to wait for; what it returns lets the waiter in. What it returned.
fn waits<T: Send, F: FnOnce()>(
    name: &str,
    sleeps_on: bool,
    shut: impl Fn() -> F,
    wait: impl Fn() -> T + Sync,
) -> Vec<T> {
    if !has_dispatch(name) {
        return Vec::new();
    }
    let run = |asked_before: bool| {
        let let_in = shut();
        let (task, interrupter) = eintr::task();
        if asked_before {
            interrupter.interrupt();
        }
        thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            let wait = &wait;
            let worker = scope.spawn(move || {
                tell.send(gettid()).unwrap();
                task.run(wait)
            });
            let tid = told.recv().unwrap();
            if !asked_before {
                wait_until_on_futex(tid);
                let times = times_asleep(tid);
                interrupter.interrupt();
                if sleeps_on {
                    wait_until(&format!("{name}: told"), || times_asleep(tid) > times);
                }
            }
            if sleeps_on {
                wait_until_on_futex(tid);
                assert!(!worker.is_finished(), "{name}: in without being let in");
            }
            let_in();
            worker.join().unwrap()
        })
    };
    watched(name, || [true, false].map(run).into())
}

fn sleeps_on<F: FnOnce()>(name: &str, shut: impl Fn() -> F, wait: impl Fn() + Sync) {
    waits(name, true, shut, wait);
}

fn ends<T: Send>(name: &str, wait: impl Fn() -> T + Sync) -> Vec<T> {
    waits(name, false, || || (), wait)
}

fn futex(word: &AtomicU32, operation: c_int) -> Result<c_long, Option<i32>> {
    let moment = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    let all = libc::FUTEX_BITSET_MATCH_ANY;
    // SAFETY: a futex word, and a time, which the kernel reads.
    let result = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 0, &raw const moment, 0, all)
    };
    if result < 0 { Err(io::Error::last_os_error().raw_os_error()) } else { Ok(result) }
}

#[test]
fn each_word_is_woken_twice_for_each_arming() {
    if !has_dispatch("each_word_is_woken_twice") {
        return;
    }
    let waits =
        [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET].map(|wait| wait | libc::FUTEX_PRIVATE_FLAG);
    let (task, interrupter) = eintr::task();
    task.run(|| {
        let words: [AtomicU32; 3] = Default::default();
        for _ in 0..2 {
            interrupter.interrupt();
            for word in &words {
                let told = [waits[0], waits[1], waits[0], waits[1]].map(|wait| futex(word, wait));
                let expected = [libc::EINTR, libc::EAGAIN, libc::ETIMEDOUT, libc::ETIMEDOUT];
                assert_eq!(told, expected.map(|errno| Err(Some(errno))));
            }
            assert!(eintr::take().is_some());
        }
        // Those that wait for a lock's owner are not told what is not true.
        interrupter.interrupt();
        let lock = AtomicU32::new(0);
        assert_eq!(futex(&lock, libc::FUTEX_LOCK_PI), Ok(0));
        assert_eq!(lock.load(SeqCst), gettid().cast_unsigned());
        assert_eq!(futex(&lock, libc::FUTEX_UNLOCK_PI), Ok(0));
    });
}

/// A semaphore of libc's.
struct Semaphore(Box<libc::sem_t>);

// SAFETY: it is made for many threads.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    fn new() -> Self {
        // SAFETY: a semaphore is plain words, which are initialised before they are used.
        let mut semaphore = Box::new(unsafe { zeroed() });
        // SAFETY: it stays where it is.
        assert_eq!(unsafe { libc::sem_init(&raw mut *semaphore, 0, 0) }, 0);
        Self(semaphore)
    }

    fn address(&self) -> *mut libc::sem_t {
        ptr::from_ref(&*self.0).cast_mut()
    }

    fn wait(&self) -> io::Result<()> {
        // SAFETY: initialised.
        if unsafe { libc::sem_wait(self.address()) } == 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    }

    fn wait_for_an_hour(&self) -> io::Result<()> {
        // SAFETY: the time now is written into the one that is given.
        let moment = unsafe {
            let mut moment: libc::timespec = zeroed();
            libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut moment);
            moment.tv_sec += 3600;
            moment
        };
        // SAFETY: initialised; and a time.
        if unsafe { libc::sem_timedwait(self.address(), &raw const moment) } == 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    }
}

/// glibc's look at what ended them; musl's sleep on.
#[cfg(target_env = "gnu")]
#[test]
fn semaphores_of_glibc_are_left() {
    let semaphore = Semaphore::new();
    let left = [
        ends("sem_wait", || semaphore.wait()),
        ends("sem_timedwait", || semaphore.wait_for_an_hour()),
    ];
    for error in left.into_iter().flatten().map(Result::unwrap_err) {
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}

/// A lock that is waited for before does not eat what is meant for the semaphore.
#[cfg(target_env = "gnu")]
#[test]
fn a_semaphore_behind_a_lock_is_left() {
    let (semaphore, lock) = (Semaphore::new(), Mutex::new(()));
    let shut = || {
        let guard = lock.lock().unwrap();
        || drop(guard)
    };
    let wait = || {
        drop(lock.lock().unwrap());
        semaphore.wait()
    };
    for result in waits("a semaphore behind a lock", true, shut, wait) {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Interrupted);
    }
}

/// The loop of a condition variable gets to look at its condition, and at its checkpoint.
#[test]
fn the_loop_of_a_condition_variable_ends() {
    let (ready, changed) = (Mutex::new(false), Condvar::new());
    let wait = || -> Result<(), Interrupted> {
        let mut ready = ready.lock().unwrap();
        while !*ready {
            ready = changed.wait(ready).unwrap();
            eintr::checkpoint()?;
        }
        Ok(())
    };
    assert!(ends("a condition variable", wait).iter().all(Result::is_err));
}

#[test]
fn locks_of_std_keep_out() {
    let (mutex, lock) = (Mutex::new(()), RwLock::new(()));
    let lock_mutex = || {
        let guard = mutex.lock().unwrap();
        || drop(guard)
    };
    let write = || {
        let guard = lock.write().unwrap();
        || drop(guard)
    };
    let read = || {
        let guard = lock.read().unwrap();
        || drop(guard)
    };
    sleeps_on("a mutex", lock_mutex, || drop(mutex.lock().unwrap()));
    sleeps_on("a reader", write, || drop(lock.read().unwrap()));
    sleeps_on("a writer", read, || drop(lock.write().unwrap()));
}

#[test]
fn what_waits_for_another_sleeps_on() {
    let barrier = Barrier::new(2);
    let meet = || {
        barrier.wait();
    };
    sleeps_on("a barrier", || meet, meet);

    let (send, receive) = mpsc::channel();
    let receive = Mutex::new(receive);
    let shut = || || send.send(()).unwrap();
    sleeps_on("a channel", shut, || receive.lock().unwrap().recv().unwrap());

    let threads = Mutex::new(Vec::new());
    let shut = || {
        let (send, receive) = mpsc::channel::<()>();
        threads.lock().unwrap().push(thread::spawn(move || assert!(receive.recv().is_err())));
        || drop(send)
    };
    sleeps_on("a join", shut, || {
        let thread = threads.lock().unwrap().pop().unwrap();
        thread.join().unwrap();
    });
}

/// A mutex of libc's.
struct PthreadMutex(Box<libc::pthread_mutex_t>);

// SAFETY: it is made for many threads.
unsafe impl Sync for PthreadMutex {}

impl PthreadMutex {
    fn new(protocol: c_int) -> Self {
        // SAFETY: plain words, initialised before they are used; the mutex stays where it is.
        unsafe {
            let mut attributes = zeroed();
            let mut mutex = Box::new(zeroed());
            assert_eq!(libc::pthread_mutexattr_init(&raw mut attributes), 0);
            assert_eq!(libc::pthread_mutexattr_setprotocol(&raw mut attributes, protocol), 0);
            assert_eq!(libc::pthread_mutex_init(&raw mut *mutex, &raw const attributes), 0);
            Self(mutex)
        }
    }

    fn address(&self) -> *mut libc::pthread_mutex_t {
        ptr::from_ref(&*self.0).cast_mut()
    }

    fn lock(&self) {
        // SAFETY: initialised.
        assert_eq!(unsafe { libc::pthread_mutex_lock(self.address()) }, 0);
    }

    fn unlock(&self) {
        // SAFETY: the calling thread holds it.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.address()) }, 0);
    }
}

#[test]
fn mutexes_of_libc_keep_out() {
    for protocol in [libc::PTHREAD_PRIO_NONE, libc::PTHREAD_PRIO_INHERIT] {
        let mutex = PthreadMutex::new(protocol);
        let shut = || {
            mutex.lock();
            || mutex.unlock()
        };
        let wait = || {
            mutex.lock();
            mutex.unlock();
        };
        sleeps_on("a mutex of libc's", shut, wait);
    }
}

/// What another thread has taken, and asked anew, is another cause.
#[cfg(target_env = "gnu")]
#[test]
fn a_scopes_thread_is_woken_for_each_request() {
    if !has_dispatch("a_scopes_thread_is_woken_for_each_request") {
        return;
    }
    watched("a_scopes_thread_is_woken_for_each_request", || {
        let semaphore = Semaphore::new();
        let (left, tid) = (AtomicU32::new(0), AtomicU32::new(0));
        eintr::scope(|scope| {
            scope.spawn(|| {
                tid.store(gettid().cast_unsigned(), SeqCst);
                while semaphore.wait().is_err() {
                    left.fetch_add(1, SeqCst);
                }
            });
            wait_until("it has begun", || tid.load(SeqCst) != 0);
            for round in 1..=3 {
                wait_until_on_futex(tid.load(SeqCst).cast_signed());
                scope.interrupt();
                wait_until("it is woken", || left.load(SeqCst) >= round);
                assert!(eintr::take().is_some());
            }
            // SAFETY: initialised.
            assert_eq!(unsafe { libc::sem_post(semaphore.address()) }, 0);
        });
    });
}
