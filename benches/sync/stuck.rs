//! From the request to the return of a thread that waits, against a bare futex wake.
//!
//! One thread does both, round after round, so that neither has the better one; it and the requester
//! are on one CPU, where the figure is steady. The clock is read right before the request, and
//! right after the wait has returned.
//!
//! In a task without reach the thread sets its repeat timer before the wait returns: that is what
//! interrupts the plain calls that may follow, and it costs more than all the rest.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use eintr::sync::Event;
use eintr::{Interrupter, Task};
use eintr_benches::cpu::OneCpu;

use crate::turns::{Turns, Way};

/// How the thread waits, and is freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// On an event, in a task without reach.
    Eintr,
    /// The same with reach.
    EintrWithReach,
    /// In read, where it is told by signal.
    Read,
    /// On a bare futex.
    Futex,
}

struct Shared {
    round: AtomicU32,
    how: Mutex<How>,
    over: AtomicBool,
    tid: AtomicU32,
    interrupter: Mutex<Option<Interrupter>>,
    word: AtomicU32,
    start: Instant,
    /// When it had returned, in nanoseconds since the start.
    returned: AtomicU64,
}

fn bare_futex(word: &AtomicU32, operation: i32, value: u32) {
    let no_time = std::ptr::null::<libc::timespec>();
    // SAFETY: the kernel looks at a word that is borrowed.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_time) };
}

impl Shared {
    fn live(&self) {
        self.tid.store(nix::unistd::gettid().as_raw() as u32, Ordering::Relaxed);
        let event = Event::new();
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut seen = 0;
        loop {
            while self.round.load(Ordering::Acquire) == seen {
                thread::yield_now();
            }
            seen = self.round.load(Ordering::Acquire);
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let how = *self.how.lock().unwrap();
            match how {
                How::Futex => {
                    let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
                    bare_futex(&self.word, wait, self.word.load(Ordering::Acquire));
                    self.note_return();
                }
                How::Eintr | How::EintrWithReach | How::Read => {
                    let task = Task::root().reach(how == How::EintrWithReach);
                    *self.interrupter.lock().unwrap() = Some(task.interrupter());
                    task.run(|| {
                        if how == How::Read {
                            eintr::io::read(&reader, &mut [0]).unwrap_err();
                        } else {
                            event.wait_interruptible().unwrap_err();
                        }
                        self.note_return();
                    });
                }
            }
        }
    }

    fn note_return(&self) {
        let now = self.start.elapsed();
        self.returned.store(now.as_nanos() as u64, Ordering::Release);
    }

    /// Whether the thread sleeps in that syscall.
    fn sleeps_in(&self, syscall: i64) -> bool {
        let tid = self.tid.load(Ordering::Relaxed);
        let line = std::fs::read_to_string(format!("/proc/self/task/{tid}/syscall"));
        let number = line.ok().and_then(|line| line.split(' ').next()?.parse().ok());
        number == Some(syscall)
    }

    fn round(&self, how: How) -> Duration {
        *self.how.lock().unwrap() = how;
        self.returned.store(0, Ordering::Relaxed);
        self.round.fetch_add(1, Ordering::Release);
        let syscall = match how {
            How::Futex => libc::SYS_futex,
            How::Eintr | How::EintrWithReach => libc::SYS_futex_waitv,
            How::Read => libc::SYS_read,
        };
        while !self.sleeps_in(syscall) {
            thread::yield_now();
        }
        let interrupter = self.interrupter.lock().unwrap().take();
        let asked = self.start.elapsed();
        match interrupter {
            Some(interrupter) => drop(interrupter.interrupt()),
            None => {
                self.word.fetch_add(1, Ordering::Release);
                bare_futex(&self.word, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
            }
        }
        while self.returned.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        Duration::from_nanos(self.returned.load(Ordering::Relaxed)) - asked
    }
}

pub fn request_to_return(turns: &mut Turns) {
    let what = "request to return of a waiter";
    if !turns.wants(what) {
        return;
    }
    let _here = OneCpu::take();
    let shared = Arc::new(Shared {
        round: AtomicU32::new(0),
        how: Mutex::new(How::Futex),
        over: AtomicBool::new(false),
        tid: AtomicU32::new(0),
        interrupter: Mutex::new(None),
        word: AtomicU32::new(0),
        start: Instant::now(),
        returned: AtomicU64::new(0),
    });
    let thread = thread::spawn({
        let shared = shared.clone();
        move || shared.live()
    });
    let timed = |how| {
        let shared = shared.clone();
        move |times: u64| (0..times).map(|_| shared.round(how)).sum::<Duration>()
    };
    let [ours, unreached, read, futex] =
        [How::EintrWithReach, How::Eintr, How::Read, How::Futex].map(timed);
    let bare = |limit| [(Way("futex wake", &futex), limit)];
    turns.take(what, 2_000, 1, Way("eintr", &ours), bare(Some(1.3)));
    turns.take(&format!("{what} without reach"), 1_000, 1, Way("eintr", &unreached), bare(None));
    turns.take("request to return from read, by signal", 1_000, 1, Way("eintr", &read), bare(None));
    shared.over.store(true, Ordering::Relaxed);
    shared.round.fetch_add(1, Ordering::Release);
    thread.join().unwrap();
}
