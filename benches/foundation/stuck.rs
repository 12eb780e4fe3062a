//! Threads that sit in a read until they are interrupted, round after round: in ours by a request,
//! or in libc's by a signal with an empty handler. The same threads do both, so that neither has
//! the better ones.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use eintr::sync::Event;
use eintr::{Interrupter, Task};
use nix::sys::eventfd::EventFd;

/// The signal of the reference. Ours is SIGUSR1, the first that nobody uses.
const SIGNAL: libc::c_int = libc::SIGUSR2;

/// How they are stuck, and freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// In our call, in a task without reach.
    Eintr,
    /// In our call, in a task with reach, whose plain calls are refused from then on.
    EintrWithReach,
    /// In libc's.
    PthreadKill,
    /// In std's, in a task with reach.
    Std,
    /// In a wait of `sync`'s, in a task with reach.
    Waiter,
}

/// How long a round took.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// The requester, to ask all.
    pub asked: Duration,
    /// From before the first was asked until after the last one's read had returned.
    pub returned: Duration,
}

/// The threads.
pub struct Stuck {
    common: Arc<Common>,
    threads: Vec<(JoinHandle<()>, Arc<Own>)>,
}

/// What they share.
struct Common {
    /// Nothing ever comes out of it.
    silent: EventFd,
    silent_file: File,
    never: Event,
    /// Counts rounds.
    round: AtomicU32,
    over: AtomicBool,
    how: Mutex<How>,
    /// Threads that have not returned in this round.
    left: AtomicUsize,
    start: Instant,
    /// When the last one had returned, in nanoseconds since the start.
    last: AtomicU64,
    requester: Thread,
}

/// What each has for itself.
#[derive(Default)]
struct Own {
    tid: AtomicU32,
    interrupter: Mutex<Option<Interrupter>>,
}

impl Stuck {
    pub fn new(count: usize) -> io::Result<Self> {
        ignore_signal();
        let silent = EventFd::new()?;
        let common = Arc::new(Common {
            silent_file: silent.as_fd().try_clone_to_owned()?.into(),
            silent,
            never: Event::new(),
            round: AtomicU32::new(0),
            over: AtomicBool::new(false),
            how: Mutex::new(How::PthreadKill),
            left: AtomicUsize::new(0),
            start: Instant::now(),
            last: AtomicU64::new(0),
            requester: thread::current(),
        });
        let mut stuck = Self { common, threads: Vec::with_capacity(count) };
        for _ in 0..count {
            let own = Arc::new(Own::default());
            let (common, mine) = (stuck.common.clone(), own.clone());
            let builder = thread::Builder::new().stack_size(64 * 1024);
            stuck.threads.push((builder.spawn(move || common.live(&mine))?, own));
        }
        Ok(stuck)
    }

    pub fn round(&self, how: How) -> Round {
        let common = &self.common;
        *locked(&common.how) = how;
        common.left.store(self.threads.len(), Ordering::Relaxed);
        self.begin_round();
        for (_, own) in &self.threads {
            while !own.is_stuck() {
                thread::yield_now();
            }
        }
        let interrupters: Vec<_> =
            self.threads.iter().flat_map(|(_, own)| locked(&own.interrupter).take()).collect();
        let pthreads: Vec<_> =
            self.threads.iter().map(|(thread, _)| thread.as_pthread_t()).collect();

        let start = Instant::now();
        match how {
            How::Eintr | How::EintrWithReach | How::Std | How::Waiter => {
                interrupters.iter().for_each(|interrupter| drop(interrupter.interrupt()));
            }
            How::PthreadKill => pthreads.iter().for_each(|pthread| kill(*pthread)),
        }
        let asked = start.elapsed();
        while common.left.load(Ordering::Acquire) > 0 {
            thread::park();
        }
        let last = common.start + Duration::from_nanos(common.last.load(Ordering::Relaxed));
        Round { asked, returned: last - start }
    }

    fn begin_round(&self) {
        self.common.round.fetch_add(1, Ordering::Release);
        self.threads.iter().for_each(|(thread, _)| thread.thread().unpark());
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.common.over.store(true, Ordering::Relaxed);
        self.begin_round();
        for (thread, _) in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Common {
    /// A thread's life.
    fn live(&self, own: &Own) {
        own.tid.store(nix::unistd::gettid().as_raw() as u32, Ordering::Relaxed);
        let mut round = self.next_round(0);
        while !self.over.load(Ordering::Relaxed) {
            let how = *locked(&self.how);
            round = match how {
                How::Eintr | How::EintrWithReach | How::Std | How::Waiter => {
                    let task = Task::root().reach(how != How::Eintr);
                    *locked(&own.interrupter) = Some(task.interrupter());
                    task.run(|| self.stuck_in_ours(how, round))
                }
                How::PthreadKill => self.read_plainly(round),
            }
        }
    }

    fn stuck_in_ours(&self, how: How, round: u32) -> u32 {
        let is_cut_short = match how {
            How::Waiter => self.never.wait_interruptible().is_err(),
            How::Std => (&self.silent_file).read(&mut [0; 8]).is_err(),
            _ => eintr::io::read(&self.silent, &mut [0; 8]).is_err(),
        };
        self.returned();
        assert!(is_cut_short);
        // Plain waiting calls of an armed thread are interrupted again and again, and so would the
        // wait for the next round be.
        assert!(eintr::take().is_some());
        self.next_round(round)
    }

    fn read_plainly(&self, round: u32) -> u32 {
        let mut buffer = [0; 8];
        let address = buffer.as_mut_ptr().cast();
        // SAFETY: the kernel writes into the buffer, which is borrowed.
        let result = unsafe { libc::read(self.silent.as_raw_fd(), address, buffer.len()) };
        self.returned();
        assert_eq!(result, -1);
        self.next_round(round)
    }

    /// The read has returned. The rest of the round is waited for inside the task: its end is no
    /// part of the time.
    fn returned(&self) {
        let now = self.start.elapsed();
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.last.store(now.as_nanos() as u64, Ordering::Relaxed);
            self.requester.unpark();
        }
    }

    fn next_round(&self, last: u32) -> u32 {
        loop {
            let round = self.round.load(Ordering::Acquire);
            if round != last {
                return round;
            }
            thread::park();
        }
    }
}

impl Own {
    /// Whether the thread sleeps in read, or in a wait of `sync`'s. The kernel says "running" instead of a number if it does
    /// not sleep.
    fn is_stuck(&self) -> bool {
        let tid = self.tid.load(Ordering::Relaxed);
        let syscall = std::fs::read_to_string(format!("/proc/self/task/{tid}/syscall"));
        let number = syscall.ok().and_then(|line| line.split(' ').next()?.parse().ok());
        matches!(number, Some(libc::SYS_read | libc::SYS_futex_waitv))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn nothing(_signal: libc::c_int) {}

/// Gives the reference's signal an empty handler, without `SA_RESTART`.
fn ignore_signal() {
    // SAFETY: all-zero is an action with no flags and an empty mask; the handler does nothing.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(SIGNAL, &action, std::ptr::null_mut())
    };
    assert_eq!(result, 0);
}

fn kill(pthread: libc::pthread_t) {
    // SAFETY: the thread is joined later.
    assert_eq!(unsafe { libc::pthread_kill(pthread, SIGNAL) }, 0);
}
