//! What holds in the children of `fork`, `vfork` and a raw `clone` (S6, DESIGN §5): the calling
//! thread's tasks go on, all others have ended, no lock is copied while held, no timer or signal of
//! the parent's is taken for one's own.
//!
//! The tests here work like this: the child checks, and ends by `_exit` with 0 or 1, or is ended by
//! an alarm if it is stuck; the parent checks its status. A forked child of a process with threads
//! uses no more of libc than it must. Each case runs in a process of its own, since forks and
//! handlers are the process's.

use std::ffi::c_void;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use std::{mem, ptr};

use eintr::{Interrupter, Outcome, Signal, Task, checkpoint, is_interrupted, mask, take, task};
use libc::{SIGCHLD, SIGUSR1, c_int};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use test_support::child::{alone, limit_life};
use test_support::signals::{RUNS, count};
use test_support::target::{came_back, is_interrupt, own_read, pipe, plain_read, target};
use test_support::{
    LIMIT, gettid, has_dispatch, signals, skipped_under_emulation, target, wait_until,
    wait_until_blocked,
};

/// Forks; the child must come to the end of `checks`.
#[track_caller]
fn in_fork(checks: impl FnOnce()) {
    // SAFETY: the child runs the checks of these tests: eintr, threads, pipes, and memory, which
    // glibc keeps in order.
    match unsafe { nix::unistd::fork() }.unwrap() {
        ForkResult::Parent { child } => survived(child),
        ForkResult::Child => {
            limit_life();
            let held = catch_unwind(AssertUnwindSafe(checks)).is_ok();
            // SAFETY: no destructor or buffer of the parent's is to be run here.
            unsafe { libc::_exit(i32::from(!held)) }
        }
    }
}

#[track_caller]
fn survived(child: Pid) {
    // The thread may be armed.
    let status = mask(|| waitpid(child, None));
    assert_eq!(status, Ok(WaitStatus::Exited(child, 0)));
}

/// A thread in our own read, and its interrupter. It stays there.
fn stuck_elsewhere() -> Interrupter {
    let (reader, writer) = pipe();
    mem::forget(writer);
    let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
    stuck.thread.interrupter()
}

#[test]
fn the_calling_threads_task_goes_on() {
    alone(|| {
        the_task_goes_on(true);
        the_task_goes_on(false);
    });
}

fn the_task_goes_on(reach: bool) {
    let task = Task::new().reach(reach);
    let interrupter = task.interrupter();
    let (reader, _writer) = pipe();
    task.run(|| {
        in_fork(|| {
            assert!(!interrupter.is_finished() && !is_interrupted());
            assert_eq!(Interrupter::current().unwrap().report().task, interrupter.report().task);
            // It is asked by a new thread of the child's, in a call of our own, and in a plain one.
            for own in [true, false] {
                let (tid, asking) = (gettid(), interrupter.clone());
                let requester = thread::spawn(move || {
                    wait_until_blocked(tid, libc::SYS_read);
                    asking.interrupt()
                });
                match own {
                    true => assert!(is_interrupt(&own_read(&reader))),
                    false => assert!(came_back(&plain_read(&reader))),
                }
                let request = requester.join().unwrap();
                assert!(take().is_some() && take().is_none());
                assert!(matches!(request.wait(LIMIT), Outcome::Raised));
            }
        });
        assert!(!is_interrupted() && interrupter.raised().is_none(), "the parent noticed nothing");
    });
    assert!(interrupter.is_finished());
}

/// Each time in a process that has not used anything of ours yet.
#[test]
fn while_another_thread_comes_first() {
    alone(|| {
        for _ in 0..40 {
            in_fork(|| {
                let both = Arc::new(Barrier::new(2));
                let together = both.clone();
                let first = thread::spawn(move || {
                    together.wait();
                    task().0.run(checkpoint).unwrap();
                });
                both.wait();
                in_fork(|| task().0.run(checkpoint).unwrap());
                first.join().unwrap();
            });
        }
    });
}

#[test]
fn outer_tasks_and_masks_go_on() {
    alone(|| {
        let (outer, outers) = task();
        outer.run(|| {
            let (inner, inners) = task();
            mask(|| {
                inner.run(|| {
                    outers.interrupt_with("outer");
                    inners.interrupt_with("inner");
                    in_fork(|| {
                        assert!(!outers.is_finished() && !inners.is_finished());
                        assert_eq!(checkpoint().unwrap_err().to_string(), "interrupted: inner");
                        let outcome = outers.interrupt().wait(Duration::ZERO);
                        assert!(matches!(outcome, Outcome::Masked(_)), "{outcome:?}");
                        assert!(take().is_some());
                        assert!(checkpoint().is_ok());
                    });
                    assert!(checkpoint().is_err());
                });
            });
            assert_eq!(checkpoint().unwrap_err().to_string(), "interrupted: outer");
        });
    });
}

#[test]
fn a_request_goes_on_too() {
    alone(|| {
        the_request_goes_on(true);
        the_request_goes_on(false);
    });
}

fn the_request_goes_on(reach: bool) {
    let task = Task::new().reach(reach);
    let interrupter = task.interrupter();
    let (reader, _writer) = pipe();
    task.run(|| {
        interrupter.interrupt_with("before the fork");
        in_fork(|| {
            // Armed, and told again: a plain call returns too.
            assert!(came_back(&plain_read(&reader)));
            assert!(is_interrupt(&own_read(&reader)));
            assert_eq!(take().unwrap().to_string(), "interrupted: before the fork");
            assert!(target::rest(Duration::from_millis(100)));
        });
        assert!(is_interrupt(&own_read(&reader)));
    });
}

#[test]
fn all_other_tasks_have_ended() {
    alone(|| {
        let other = stuck_elsewhere();
        let pending = other.interrupt_with("never raised, for it is masked away by nothing");
        let (unrun, its) = task();
        let early = its.interrupt();
        let masked_elsewhere = stuck_elsewhere();
        in_fork(|| {
            for gone in [&other, &its, &masked_elsewhere] {
                assert!(gone.is_finished());
                assert!(matches!(gone.interrupt().wait(Duration::MAX), Outcome::Finished));
                gone.wait_finished(Duration::MAX).unwrap();
                assert!(gone.report().finished);
            }
            for request in [&pending, &early] {
                assert!(matches!(request.wait(Duration::MAX), Outcome::Finished));
            }
            // It belongs to the parent: it runs, but nobody can ask it.
            unrun.run(|| assert!(checkpoint().is_ok()));
            // New ones are as good as ever.
            new_tasks_work();
        });
        assert!(!masked_elsewhere.is_finished());
        assert!(matches!(masked_elsewhere.interrupt().wait(LIMIT), Outcome::Raised));
    });
}

/// A task is made, asked and given up without our signal: nothing is installed yet.
#[test]
fn a_task_of_a_process_that_has_installed_nothing() {
    alone(|| {
        let (_task, its) = task();
        in_fork(|| assert!(its.is_finished()));
        assert!(!its.is_finished());
    });
}

#[test]
fn with_no_signal_free() {
    alone(|| {
        for signal in
            [SIGUSR1, libc::SIGUSR2].into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
        {
            signals::ignore(signal);
        }
        let other = stuck_elsewhere();
        assert_eq!(eintr::support().signal, None);
        let (task, interrupter) = task();
        task.run(|| {
            in_fork(|| {
                assert!(other.is_finished() && !interrupter.is_finished());
                interrupter.interrupt();
                assert!(checkpoint().is_err());
            });
        });
        assert!(!other.is_finished());
    });
}

/// On this thread and on a new one.
fn new_tasks_work() {
    let (own, interrupter) = task();
    own.run(|| {
        interrupter.interrupt();
        assert!(checkpoint().is_err());
    });
    let (reader, _writer) = pipe();
    let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read).interrupted();
    assert!(is_interrupt(&stuck.result()));
}

#[test]
fn a_fork_of_a_fork() {
    alone(|| {
        let (task, interrupter) = task();
        let other = stuck_elsewhere();
        task.run(|| {
            in_fork(|| {
                let childs = stuck_elsewhere();
                in_fork(|| {
                    assert!(other.is_finished() && childs.is_finished());
                    interrupter.interrupt();
                    assert!(checkpoint().is_err());
                    new_tasks_work();
                });
                assert!(other.is_finished() && !childs.is_finished());
                assert!(checkpoint().is_ok());
            });
        });
    });
}

#[test]
fn forks_while_others_interrupt() {
    alone(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let others: Vec<Interrupter> = (0..4).map(|_| endless(&stop)).collect();
        let (task, interrupter) = task();
        // They ask the thread that forks as well: its own locks must not be copied while they hold them.
        let asked: Vec<Interrupter> = others.iter().chain([&interrupter]).cloned().collect();
        let requesters: Vec<_> = (0..2)
            .map(|_| {
                let (asked, stop) = (asked.clone(), stop.clone());
                thread::spawn(move || {
                    while !stop.load(SeqCst) {
                        for one in &asked {
                            one.interrupt().wait(Duration::from_micros(1));
                            one.is_finished();
                        }
                    }
                })
            })
            // And one that does nothing else, so that it holds them half of the time.
            .chain([ask_without_pause(&interrupter, &stop)])
            .collect();
        task.run(|| {
            for round in 0..60 {
                in_fork(|| {
                    assert!(others.iter().all(Interrupter::is_finished));
                    interrupter.interrupt();
                    assert!(checkpoint().is_err());
                    while take().is_some() {}
                    if round % 10 == 0 {
                        new_tasks_work();
                    }
                });
                take();
            }
        });
        stop.store(true, SeqCst);
        requesters.into_iter().for_each(|requester| requester.join().unwrap());
        for other in others {
            other.wait_finished(LIMIT).unwrap();
        }
    });
}

fn ask_without_pause(one: &Interrupter, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (one, stop) = (one.clone(), stop.clone());
    thread::spawn(move || {
        while !stop.load(SeqCst) {
            one.interrupt();
        }
    })
}

/// A managed thread that is interrupted, and goes on, until it is to stop.
fn endless(stop: &Arc<AtomicBool>) -> Interrupter {
    let stop = stop.clone();
    let endless = target(move || {
        while !stop.load(SeqCst) {
            let _ = eintr::time::sleep(Duration::from_millis(1));
            mask(|| Task::new().run(|| ()));
            take();
        }
    });
    endless.thread.interrupter()
}

#[test]
fn forks_of_many_threads_at_once() {
    alone(|| {
        let forkers: Vec<_> = (0..4)
            .map(|_| {
                eintr::spawn(|| {
                    let own = Interrupter::current().unwrap();
                    for _ in 0..25 {
                        in_fork(|| {
                            own.interrupt();
                            assert!(checkpoint().is_err());
                        });
                        assert!(checkpoint().is_ok());
                    }
                })
            })
            .collect();
        forkers.into_iter().for_each(|forker| forker.join().unwrap());
    });
}

#[test]
fn the_parents_timer_is_not_the_childs() {
    alone(|| {
        static SHOTS: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn shot(_signal: c_int) {
            SHOTS.fetch_add(1, SeqCst);
        }
        let (task, interrupter) = target::unreached_task();
        task.run(|| {
            // Armed in plain code: the thread gets its timer, the first of this process.
            interrupter.interrupt();
            assert!(!target::rest(LIMIT));
            in_fork(|| {
                // The application's timer takes the number that ours had.
                signals::handle(libc::SIGUSR2, shot, 0, &[]);
                // SAFETY: all bytes zero are valid; everything is borrowed.
                unsafe {
                    let mut event: libc::sigevent = mem::zeroed();
                    event.sigev_notify = libc::SIGEV_SIGNAL;
                    event.sigev_signo = libc::SIGUSR2;
                    let mut timer: libc::timer_t = mem::zeroed();
                    let clock = libc::CLOCK_MONOTONIC;
                    assert_eq!(libc::timer_create(clock, &mut event, &mut timer), 0);
                }
                // Now ours is set, stopped, and set again.
                for _ in 0..3 {
                    assert!(checkpoint().is_err());
                    assert!(!target::rest(LIMIT));
                    assert!(take().is_some());
                    interrupter.interrupt();
                }
                assert!(take().is_some());
                assert!(target::rest(Duration::from_millis(100)));
                assert_eq!(SHOTS.load(SeqCst), 0, "the application's timer was set by us");
            });
        });
    });
}

/// Makes a child that shares nothing but what `flags` says, on a stack of its own, and waits for
/// its end; its exit status.
fn clone(flags: c_int, body: &mut dyn FnMut() -> bool) -> c_int {
    extern "C" fn run(body: *mut c_void) -> c_int {
        // SAFETY: the reference below, which outlives the child's use of it.
        let body = unsafe { &mut *body.cast::<&mut dyn FnMut() -> bool>() };
        let held = body();
        // SAFETY: the child's own end.
        unsafe { libc::_exit(i32::from(!held)) }
    }
    let mut stack = vec![0u128; 64 * 1024];
    let mut body = body;
    // SAFETY: the stack grows down from its end; the child does no more than the cases below.
    let child = unsafe {
        let top = stack.as_mut_ptr().add(stack.len()).cast();
        libc::clone(run, top, flags | SIGCHLD, (&raw mut body).cast())
    };
    assert!(child > 0);
    let mut status = 0;
    // SAFETY: the status is borrowed. The thread may be armed.
    assert_eq!(mask(|| unsafe { libc::waitpid(child, &mut status, 0) }), child);
    status
}

/// A child whose memory says that the thread is armed, though it is not the thread that was asked.
/// A signal of our number is for the application's handler then, and the child's read goes on.
fn not_believed_in_the_child(flags: c_int) {
    static CHILD: AtomicI32 = AtomicI32::new(0);
    signals::handle(SIGUSR1, count, libc::SA_RESTART, &[]);
    eintr::install(Signal::USR1).unwrap();
    let shared = shared_counter();
    let (reader, writer) = pipe();
    let (armed, is_armed) = mpsc::channel();
    let asked = thread::spawn(move || {
        let (task, interrupter) = task();
        task.run(|| {
            interrupter.interrupt();
            armed.send(()).unwrap();
            clone(flags, &mut || {
                // SAFETY: no pointers.
                shared[0].store(unsafe { libc::getpid() }, SeqCst);
                let mut byte = 0u8;
                // SAFETY: one byte, which is borrowed.
                let read = unsafe { libc::read(reader.as_raw_fd(), (&raw mut byte).cast(), 1) };
                shared[1].store(RUNS.load(SeqCst) as i32, SeqCst);
                read == 1 && byte == b'x'
            })
        })
    });
    is_armed.recv().unwrap();
    wait_until("the child is there", || shared[0].load(SeqCst) != 0);
    CHILD.store(shared[0].load(SeqCst), SeqCst);
    let child = CHILD.load(SeqCst);
    for _ in 0..20 {
        wait_until("the child sleeps in read", || sleeps(child));
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::kill(child, SIGUSR1) }, 0);
        wait_until("the signal has landed", || !has_pending(child));
    }
    nix::unistd::write(&writer, b"x").unwrap();
    assert_eq!(asked.join().unwrap(), 0);
    assert!(shared[1].load(SeqCst) > 0, "the application's handler ran in the child");
}

/// Two numbers that every child shares.
fn shared_counter() -> &'static [AtomicI32; 2] {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a mapping of our own, wherever the kernel likes, all zero, never unmapped.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), 4096, protection, flags, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        &*page.cast()
    }
}

fn sleeps(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let wchan = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let in_read =
        wchan.split(' ').next() == Some(&test_support::kernels_number(libc::SYS_read).to_string());
    in_read && stat.rsplit(") ").next().unwrap().starts_with('S')
}

fn has_pending(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let sets =
        status.lines().filter(|line| line.starts_with("SigPnd") || line.starts_with("ShdPnd"));
    sets.into_iter().any(|line| !line.ends_with("0000000000000000"))
}

#[test]
fn a_child_of_a_raw_clone_is_not_the_thread_that_was_asked() {
    if skipped_under_emulation("a raw clone", "the emulator makes threads and forks only") {
        return;
    }
    alone(|| not_believed_in_the_child(0));
}

#[test]
fn a_child_of_vfork_is_not_the_thread_that_was_asked() {
    if skipped_under_emulation("vfork", "the emulator makes it a fork") {
        return;
    }
    alone(|| {
        not_believed_in_the_child(libc::CLONE_VM | libc::CLONE_VFORK);
    });
}

#[test]
fn a_child_of_a_raw_clone_reaches_no_thread_of_its_parents() {
    if skipped_under_emulation("a raw clone", "the emulator makes threads and forks only") {
        return;
    }
    alone(|| {
        let (task, interrupter) = task();
        let (reader, writer) = pipe();
        let (tell, told) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            task.run(|| {
                let own = Interrupter::current().unwrap();
                let status = clone(0, &mut || {
                    // Nobody has asked the parent; the child asks its copy, which is its own
                    // business.
                    let request = own.interrupt();
                    let raised = checkpoint().is_err();
                    let answered = matches!(request.wait(Duration::ZERO), Outcome::Raised);
                    let taken = take().is_some() && checkpoint().is_ok();
                    // A task that begins here settles in.
                    let (new, its) = eintr::task();
                    let works = new.run(|| {
                        its.interrupt();
                        checkpoint().is_err()
                    });
                    raised && answered && taken && works
                });
                tell.send((gettid(), status)).unwrap();
                gone.recv().unwrap();
                let _ = writer;
                (checkpoint().is_ok(), own_read(&reader))
            })
        });
        let (tid, status) = told.recv().unwrap();
        assert_eq!(status, 0);
        go.send(()).unwrap();
        wait_until_blocked(tid, libc::SYS_read);
        assert!(interrupter.raised().is_none());
        assert!(matches!(interrupter.interrupt().wait(LIMIT), Outcome::Raised));
        let (unasked, read) = thread.join().unwrap();
        assert!(unasked && is_interrupt(&read));
    });
}

#[test]
fn commands_are_run_unharmed_by_armed_threads() {
    alone(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let others: Vec<Interrupter> = (0..2).map(|_| endless(&stop)).collect();
        let asking = (others.clone(), stop.clone());
        let requester = thread::spawn(move || {
            while !asking.1.load(SeqCst) {
                asking.0.iter().for_each(|other| drop(other.interrupt()));
            }
        });
        let (task, interrupter) = task();
        task.run(|| {
            for fork in [false, true] {
                for armed in [false, true] {
                    // Without it no fork is seen, and std panics if its pipe says ECANCELED.
                    if fork && armed && !has_dispatch("an armed thread's pre_exec") {
                        continue;
                    }
                    for _ in 0..10 {
                        let mut command = Command::new("true");
                        if fork {
                            // SAFETY: nothing at all. It has std fork by itself, in place of
                            // posix_spawn.
                            unsafe { command.pre_exec(|| Ok(())) };
                        }
                        if armed {
                            interrupter.interrupt();
                        }
                        let child = command.spawn().expect("it is spawned").id();
                        take();
                        survived(Pid::from_raw(child as i32));
                    }
                }
            }
        });
        stop.store(true, SeqCst);
        requester.join().unwrap();
        others.iter().for_each(|other| other.wait_finished(LIMIT).unwrap());
    });
}

#[test]
fn an_executed_program_finds_the_signal_as_it_was() {
    alone(|| {
        let (task, interrupter) = task();
        let status = task.run(|| {
            let ours = signals::ours();
            interrupter.interrupt();
            let kill = format!("kill -{ours} $$");
            let mut child = Command::new("sh").args(["-c", &kill]).spawn().unwrap();
            take();
            child.wait().unwrap()
        });
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(
            signal,
            Some(signals::ours()),
            "neither caught, nor blocked, nor ignored: {status}"
        );
    });
}

#[test]
fn waits_for_other_threads_go_on_in_the_child() {
    alone(|| {
        for reach in [true, false] {
            let task = Task::new().reach(reach);
            let interrupter = task.interrupter();
            task.run(|| {
                let event = eintr::sync::Event::new();
                in_fork(|| {
                    let requester = thread::spawn(move || interrupter.interrupt().wait(LIMIT));
                    assert!(event.wait_interruptible().is_err());
                    assert!(matches!(requester.join().unwrap(), Outcome::Raised));
                    assert!(take().is_some());
                    let (sender, receiver) = eintr::sync::channel();
                    let other = thread::spawn(move || sender.send(7).unwrap());
                    assert_eq!(receiver.recv_interruptible().unwrap(), Ok(7));
                    other.join().unwrap();
                });
                assert!(!is_interrupted());
            });
        }
    });
}
