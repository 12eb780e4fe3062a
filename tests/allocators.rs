//! Beside an allocator that locks itself around a fork, as jemalloc does (S22).
//!
//! The tests here work like this: the allocator of this binary has two locks, each of which it
//! takes in a fork handler as well as at each call. One has its handlers registered before ours,
//! the other after. A thread that wanted memory with the fork gate held, or a handler of ours that
//! did, would find a lock taken that is let go of after the fork only: the process would be stuck,
//! and is ended by an alarm. (The watchdog wants memory, too.) A child of its that is stuck is ended
//! when it has used up its time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eintr::{
    Group, Interrupter, TimedOut, checkpoint, mask, report, scope, spawn, sync, take, task,
    timeout, with_hook, within,
};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use test_support::{child, skipped_under_emulation};

struct Lock(AtomicBool);

impl Lock {
    fn take(&self) {
        while self.0.swap(true, Acquire) {
            // SAFETY: no arguments.
            unsafe { libc::sched_yield() };
        }
    }

    fn release(&self) {
        self.0.store(false, Release);
    }
}

static EARLY: Lock = Lock(AtomicBool::new(false));
static LATE: Lock = Lock(AtomicBool::new(false));

extern "C" fn take_early() {
    EARLY.take();
}

extern "C" fn release_early() {
    EARLY.release();
}

extern "C" fn take_late() {
    LATE.take();
}

extern "C" fn release_late() {
    LATE.release();
}

/// Before ours, which have no priority.
// SAFETY: a function without arguments, which the loader calls once.
#[used]
#[unsafe(link_section = ".init_array.00100")]
static AT_START: extern "C" fn() = at_start;

extern "C" fn at_start() {
    // SAFETY: plain functions that live as long as the program.
    unsafe { libc::pthread_atfork(Some(take_early), Some(release_early), Some(release_early)) };
}

struct Locking;

#[global_allocator]
static ALLOCATOR: Locking = Locking;

impl Locking {
    fn locked<T>(&self, f: impl FnOnce() -> T) -> T {
        static REGISTERED: AtomicBool = AtomicBool::new(false);
        if !REGISTERED.swap(true, Relaxed) {
            // SAFETY: plain functions that live as long as the program.
            unsafe {
                libc::pthread_atfork(Some(take_late), Some(release_late), Some(release_late))
            };
        }
        // As a fork does.
        LATE.take();
        EARLY.take();
        let value = f();
        EARLY.release();
        LATE.release();
        value
    }
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Locking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, unchanged.
        self.locked(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, unchanged.
        self.locked(|| unsafe { System.dealloc(memory, layout) })
    }
}

/// What the threads do meanwhile, again and again.
const BUSY: &[fn()] = &[
    || drop(spawn(checkpoint).join()),
    || {
        let (task, interrupter) = task();
        (0..9).for_each(|_| drop(interrupter.interrupt_with("often")));
        task.run(|| while take().is_some() {});
        interrupter.report();
    },
    || {
        let group = Group::new();
        let waiting = [(); 3].map(|()| group.spawn(|| eintr::time::sleep(Duration::MAX)));
        group.stop(Duration::MAX).unwrap();
        waiting.into_iter().for_each(|member| drop(member.join().unwrap()));
    },
    || {
        scope(|s| {
            let waiting = [(); 3].map(|()| s.spawn(|| eintr::time::sleep(Duration::MAX)));
            s.interrupt();
            waiting.into_iter().for_each(|thread| drop(thread.join().unwrap()));
        });
    },
    || {
        task().0.run(|| {
            let (tell, told) = mpsc::channel();
            with_hook(
                move |_| tell.send(()).unwrap(),
                || {
                    let interrupter = Interrupter::current().unwrap();
                    let requester = thread::spawn(move || drop(interrupter.interrupt()));
                    told.recv().unwrap();
                    requester.join().unwrap();
                },
            );
        });
    },
    || {
        let told = timeout(Duration::from_micros(100), || {
            with_hook(|_| {}, || eintr::time::sleep(Duration::MAX)).map_err(|_| TimedOut)
        });
        assert_eq!(told, Err(TimedOut));
    },
    || drop(report()),
    || {
        let (send, receive) = sync::mpsc::channel();
        let receiver = spawn(move || receive.recv_interruptible());
        receiver.interrupt();
        let _ = send.send(());
        let _ = receiver.join().unwrap();
    },
];

fn forks() {
    // SAFETY: the child ends at once.
    match unsafe { fork() }.unwrap() {
        // SAFETY: no destructor or buffer of the parent's is to be run here.
        ForkResult::Child => unsafe { libc::_exit(0) },
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        }
    }
}

/// With something to do before the exec, std forks.
fn forks_by_command() {
    let mut command = Command::new("true");
    // SAFETY: it does nothing.
    unsafe { command.pre_exec(|| Ok(())) };
    assert!(command.status().unwrap().success());
}

fn forks_by_popen() {
    // SAFETY: two strings, and the stream that came of them.
    unsafe {
        let stream = libc::popen(c"true".as_ptr(), c"r".as_ptr());
        assert!(!stream.is_null() && libc::pclose(stream) == 0);
    }
}

fn alone(case: impl FnOnce()) {
    child::alone(|| {
        let limit = libc::rlimit { rlim_cur: 60, rlim_max: 60 };
        // SAFETY: the kernel reads a limit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_CPU, &limit) }, 0);
        case();
    });
}

fn beside(times: u32, fork: fn()) {
    let is_over = AtomicBool::new(false);
    let rounds = [const { AtomicU32::new(0) }; BUSY.len()];
    thread::scope(|s| {
        for (work, rounds) in BUSY.iter().zip(&rounds) {
            s.spawn(|| {
                while !is_over.load(Relaxed) {
                    work();
                    rounds.fetch_add(1, Relaxed);
                }
            });
        }
        (0..times).for_each(|_| fork());
        test_support::wait_until("all have done something", || {
            rounds.iter().all(|rounds| rounds.load(Relaxed) > 0)
        });
        is_over.store(true, Relaxed);
    });
}

#[test]
fn forks_beside_all_that_allocates() {
    let why = "a child does not come to its end there: the emulator forks with threads beside";
    if skipped_under_emulation("forks beside all that allocates", why) {
        return;
    }
    alone(|| beside(1000, forks));
}

#[test]
fn commands_beside_all_that_allocates() {
    alone(|| beside(100, forks_by_command));
}

#[test]
fn popen_beside_all_that_allocates() {
    alone(|| beside(100, forks_by_popen));
}

/// In the child a helper thread has to be made, and that needs memory.
#[test]
fn a_hook_is_run_at_a_deadline_in_the_child() {
    alone(|| {
        let ran = AtomicBool::new(false);
        within(Duration::from_millis(20), || {
            with_hook(
                |_| ran.store(true, SeqCst),
                || {
                    // SAFETY: the child looks at a flag.
                    match unsafe { fork() }.unwrap() {
                        ForkResult::Child => {
                            while !ran.load(SeqCst) {
                                thread::yield_now();
                            }
                            // SAFETY: no destructor or buffer of the parent's is to be run here.
                            unsafe { libc::_exit(0) }
                        }
                        ForkResult::Parent { child } => {
                            let status = mask(|| waitpid(child, None));
                            assert_eq!(status, Ok(WaitStatus::Exited(child, 0)));
                        }
                    }
                },
            );
        });
    });
}
