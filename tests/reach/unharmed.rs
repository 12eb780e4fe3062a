//! What must never fail nor be left out never is, in an armed thread under a hail of signals (S9):
//! close, munmap, and the futexes of locks.
//!
//! The tests here work like this: another thread sends SIGUSR1 without pause; it is the
//! application's, with a handler that counts, and ours, so that each of them has the armed thread's
//! handler at work. With reach and without.

use std::os::fd::IntoRawFd;
use std::ptr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

use libc::SIGUSR1;
use test_support::child::alone;
use test_support::signals::{Hammer, RUNS, share_the_signal};
use test_support::target::{pipe, spawn};
use test_support::{emulated, target};

/// How many rounds a hammered thread makes.
fn rounds() -> usize {
    if emulated() { 500 } else { 10_000 }
}

/// An armed thread under a hail of signals, each of which undoes the restart of what waits.
fn hammered<T: Send + 'static>(reach: bool, body: impl FnOnce() -> T + Send + 'static) -> T {
    RUNS.store(0, SeqCst);
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let target = spawn(reach, move || {
        target::wait_until_armed();
        while RUNS.load(SeqCst) == 0 {
            std::hint::spin_loop();
        }
        tell.send(body()).unwrap();
        // The hammer must not outlive the thread: its number would be nobody's.
        gone.recv().unwrap();
    });
    target.thread.interrupt();
    let hammer = Hammer::on(target.tid, SIGUSR1);
    let result = told.recv().unwrap();
    drop(hammer);
    go.send(()).unwrap();
    target.result();
    result
}

/// Counts the failures of an armed thread, without reach and with it.
fn failures(failed: impl Fn() -> bool + Clone + Send + 'static) -> [usize; 2] {
    [false, true].map(|reach| {
        let failed = failed.clone();
        hammered(reach, move || (0..rounds()).filter(|_| failed()).count())
    })
}

#[test]
fn close() {
    let closes = || {
        let (reader, writer) = pipe();
        [reader, writer].into_iter().any(|end| {
            let fd = end.into_raw_fd();
            // SAFETY: the descriptor is ours alone, in a process where nobody else opens any.
            let closed = unsafe { libc::close(fd) };
            // SAFETY: no pointers.
            let is_open = unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1;
            closed != 0 || is_open
        })
    };
    alone(|| {
        share_the_signal();
        assert_eq!(failures(closes), [0, 0]);
    });
}

#[test]
fn munmap() {
    let unmaps = || {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a mapping of our own, wherever the kernel likes; nobody uses it.
        unsafe {
            let page = libc::mmap(ptr::null_mut(), 4096, protection, flags, -1, 0);
            assert_ne!(page, libc::MAP_FAILED);
            libc::munmap(page, 4096) != 0
        }
    };
    alone(|| {
        share_the_signal();
        assert_eq!(failures(unmaps), [0, 0]);
    });
}

#[test]
fn mutexes_and_condvars() {
    alone(|| {
        share_the_signal();
        for reach in [false, true] {
            // The turn goes to and fro between the hammered thread and another.
            let pair = Arc::new((Mutex::new(0), Condvar::new()));
            let play = |pair: Arc<(Mutex<usize>, Condvar)>, mine: usize| {
                move || {
                    let (turn, changed) = &*pair;
                    for _ in 0..rounds() / 4 {
                        let turn = turn.lock().unwrap();
                        let mut turn = changed.wait_while(turn, |turn| *turn % 2 != mine).unwrap();
                        *turn += 1;
                        changed.notify_one();
                    }
                }
            };
            let other = thread::spawn(play(pair.clone(), 1));
            hammered(reach, play(pair.clone(), 0));
            other.join().unwrap();
            assert_eq!(*pair.0.lock().unwrap(), rounds() / 4 * 2);
        }
    });
}
