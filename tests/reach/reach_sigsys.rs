//! Others who use SIGSYS: a seccomp filter's handler, an application that changes the disposition.
//!
//! Each test has a process of its own, since it owns a disposition or a filter.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc;
use std::{mem, ptr, thread};

use eintr::Interrupted;
use test_support::child::alone_with_dispatch as alone;
use test_support::seccomp::filter;
use test_support::{child, gettid, wait_until, wait_until_blocked};

use crate::{assert_reached, reached};

static HANDLED: AtomicI32 = AtomicI32::new(0);

extern "C" fn count(_: i32) {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_getuid) };
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

fn handled() -> i32 {
    HANDLED.load(Ordering::SeqCst)
}

fn action(handler: usize) -> libc::sigaction {
    // SAFETY: an action is plain numbers.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action
}

/// Sets the disposition of SIGSYS, as an application does, and returns the handler before.
fn set_sigsys(handler: usize) -> usize {
    let mut old = action(0);
    // SAFETY: one action is read and one is written; the handlers here are async-signal-safe.
    assert_eq!(unsafe { libc::sigaction(libc::SIGSYS, &action(handler), &mut old) }, 0);
    old.sa_sigaction
}

fn handler() -> usize {
    count as extern "C" fn(i32) as usize
}

/// Has the kernel send SIGSYS to whoever calls `getpriority`.
fn trap_getpriority() {
    filter(libc::SYS_getpriority, libc::SECCOMP_RET_TRAP);
}

fn getpriority() -> i64 {
    // SAFETY: no pointers.
    unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) }
}

/// A sandbox's handler: it gives the syscall that was trapped a result of its own.
#[cfg(target_arch = "x86_64")]
extern "C" fn emulate(_: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    const SYS_SECCOMP: i32 = 1;
    // SAFETY: the kernel's siginfo and context.
    unsafe {
        assert_eq!((*info).si_code, SYS_SECCOMP);
        let context = &mut *context.cast::<libc::ucontext_t>();
        context.uc_mcontext.gregs[libc::REG_RAX as usize] = 77;
    }
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_sandbox_that_was_there_before_goes_on() {
    alone(|| {
        let mut sandbox = action(emulate as extern "C" fn(_, _, _) as usize);
        sandbox.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        // SAFETY: an action is read.
        assert_eq!(unsafe { libc::sigaction(libc::SIGSYS, &sandbox, ptr::null_mut()) }, 0);
        trap_getpriority();
        assert_eq!(getpriority(), 77);
        assert_eq!(eintr::support().reach, eintr::Road::Exact);
        assert_eq!(getpriority(), 77, "chained");
        reached(|| {
            for _ in 0..10 {
                assert_eq!(getpriority(), 77, "within our own handler");
                assert_reached();
            }
        });
        assert_eq!(getpriority(), 77, "and after it");
        assert_eq!(handled(), 13);
    });
}

/// A sandbox's handler: it denies whatever was trapped.
#[cfg(target_arch = "x86_64")]
extern "C" fn deny(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's context.
    unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        context.uc_mcontext.gregs[libc::REG_RAX as usize] = -i64::from(libc::ENOSYS);
    }
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// One that denies what our own handler asks the kernel for, as those do which let through no more
/// than they know: the program goes on, with the next best.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_sandbox_that_traps_what_our_handler_needs() {
    alone(|| {
        let mut sandbox = action(deny as extern "C" fn(_, _, _) as usize);
        sandbox.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        // SAFETY: an action is read.
        assert_eq!(unsafe { libc::sigaction(libc::SIGSYS, &sandbox, ptr::null_mut()) }, 0);
        assert_eq!(eintr::support().reach, eintr::Road::Exact);
        // The filters themselves are set by prctl: that comes last.
        for syscall in [libc::SYS_timer_create, libc::SYS_clock_gettime, libc::SYS_prctl] {
            filter(syscall, libc::SECCOMP_RET_TRAP);
            for reach in [false, true] {
                let before = handled();
                let (tell, told) = mpsc::channel();
                let worker = eintr::Builder::new().reach(reach);
                let worker = worker.spawn(move || {
                    let (reader, _writer) = io::pipe().unwrap();
                    tell.send(gettid()).unwrap();
                    nix::unistd::read(&reader, &mut [0])
                });
                let worker = worker.unwrap();
                wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
                worker.interrupt();
                let expected = if reach { libc::ECANCELED } else { libc::EINTR };
                assert_eq!(worker.join().unwrap().unwrap_err() as i32, expected);
                // Where it is reached, a timer is needed only for what is run as asked later; and the kernel is asked
                // for the time only where it is not to be had without.
                let may_be_spared = match syscall {
                    libc::SYS_timer_create => reach,
                    syscall => syscall == libc::SYS_clock_gettime,
                };
                assert!(handled() > before || may_be_spared, "{syscall} {reach}");
            }
        }
    });
}

/// Where the kernel has no timer for a deadline, a thread is started to keep it: by a thread that is
/// reached, with all signals blocked that can be.
#[test]
fn a_helper_thread_that_a_reached_thread_starts() {
    alone(|| {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: a limit is read.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &none) }, 0);
        reached(|| {
            let hour = std::time::Duration::from_secs(3600);
            eintr::within(hour, assert_reached);
            // It gives itself its name, in its own time.
            wait_until("the helper thread is there", || {
                let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
                let mut names = tasks.map(|task| std::fs::read_to_string(task.path().join("comm")));
                names.any(|name| name.is_ok_and(|name| name.trim() == "eintr-deadlines"))
            });
        });
    });
}

#[test]
fn a_sandbox_without_a_handler_kills() {
    if child::has_dispatch() {
        child::dies_by(libc::SIGSYS, || {
            trap_getpriority();
            reached(getpriority);
        });
    }
}

/// One that our handler makes for the program is the program's all the same.
#[test]
fn a_sandbox_without_a_handler_kills_in_ours() {
    if child::has_dispatch() {
        child::dies_by(libc::SIGSYS, || {
            filter(libc::SYS_mremap, libc::SECCOMP_RET_TRAP);
            // SAFETY: there is nothing at that address, so nothing is moved.
            reached(|| unsafe { libc::syscall(libc::SYS_mremap, 0, 0, 0, 0, 0) });
        });
    }
}

fn change_mask(how: i32, mask: Option<&libc::sigset_t>) -> (i32, u64) {
    let mut before = u64::MAX;
    let mask = mask.map_or(ptr::null(), ptr::from_ref);
    let size = size_of_val(&before);
    // SAFETY: the kernel reads a set, if one is given, and writes one.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, mask, &raw mut before, size) };
    (result as i32, before)
}

/// Where a sandbox that comes later does not let us look through the kernel, what a reached thread's
/// pointers point to is seen all the same: masks stay right, and what is nowhere is told so.
#[test]
fn a_sandbox_without_looks() {
    for action in [libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, libc::SECCOMP_RET_TRAP] {
        alone(|| {
            assert_eq!(eintr::support().reach, eintr::Road::Exact);
            filter(libc::SYS_process_vm_readv, action);
            filter(libc::SYS_process_vm_writev, action);
            assert_eq!(eintr::support().reach, eintr::Road::Exact);
            reached(masks_and_pointers);
        });
    }
}

fn masks_and_pointers() {
    let (_, before) = change_mask(libc::SIG_BLOCK, None);
    // SAFETY: sets are made of numbers, and filled.
    let [full, empty] = unsafe {
        let [mut full, mut empty]: [libc::sigset_t; 2] = mem::zeroed();
        libc::sigfillset(&mut full);
        libc::sigemptyset(&mut empty);
        [full, empty]
    };
    assert_eq!(change_mask(libc::SIG_BLOCK, Some(&full)), (0, before));
    let (_, blocked) = change_mask(libc::SIG_BLOCK, None);
    assert!(blocked != before && blocked & 1 << (libc::SIGSYS - 1) != 0, "{blocked:x}");

    // It is let in by a wait with a mask of its own, and its handler makes a syscall.
    let count = handled();
    let mut told = action(handler());
    told.sa_mask = full;
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: an action is read; a time and a set are.
    unsafe {
        assert_eq!(libc::sigaction(libc::SIGUSR2, &told, ptr::null_mut()), 0);
        assert_eq!(libc::raise(libc::SIGUSR2), 0);
        assert_eq!(handled(), count);
        libc::ppoll(ptr::null_mut(), 0, &at_once, &empty);
    }
    assert_eq!(handled(), count + 1);
    assert_eq!(change_mask(libc::SIG_SETMASK, Some(&empty)), (0, blocked));
    assert_eq!(change_mask(libc::SIG_BLOCK, None), (0, 0));

    let nowhere = mem::align_of::<libc::sigset_t>();
    // SAFETY: the kernel says that nothing is there.
    let refused = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, 0, nowhere, 0, 8) };
    assert_eq!(refused, -1);
    assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EFAULT));
    // SAFETY: as above; nor can anything be written to code.
    let refused = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, 0, 0, handler(), 8) };
    assert_eq!(refused, -1);
    assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EFAULT));
    assert_reached();
}

/// Where pipes cannot be asked to take what they can without waiting: the pipe's end is refused all
/// the same, and what fits gets out.
#[test]
fn a_sandbox_without_pwritev2() {
    for errno in [libc::ENOSYS, libc::EPERM] {
        alone(|| {
            filter(libc::SYS_pwritev2, libc::SECCOMP_RET_ERRNO | errno as u32);
            reached(|| {
                let (_reader, mut writer) = io::pipe().unwrap();
                let mut written = 0;
                let error = loop {
                    match writer.write(&[0; 1 << 16]) {
                        Ok(length) => written += length,
                        Err(error) => break error,
                    }
                };
                // Late is not wrong: after 100 ms nothing gets out.
                assert!(written % libc::PIPE_BUF == 0, "{written}");
                assert_eq!(error.raw_os_error(), Some(libc::ECANCELED), "{error}");
            });
        });
    }
}

/// The application takes SIGSYS for itself, after us. Dispatch is not begun, and the second-best
/// way is taken.
fn taken_over(handler: usize) {
    assert_eq!(eintr::support().reach, eintr::Road::Exact);
    set_sigsys(handler);
    let support = eintr::support();
    assert_eq!(support.reach, eintr::Road::SecondBest, "it says so");
    assert_eq!(support.reach_obstacle, Some(eintr::Obstacle::HandlerReplaced));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (tell, told) = mpsc::channel();
    let worker = eintr::spawn(move || {
        tell.send(gettid()).unwrap();
        let error = listener.accept().unwrap_err();
        // SAFETY: no arguments.
        unsafe { libc::syscall(libc::SYS_getpid) };
        assert!(Interrupted::of(&error).is_some(), "{error}");
    });
    wait_until_blocked(told.recv().unwrap(), libc::SYS_accept4);
    worker.interrupt();
    worker.join().unwrap();

    // One that the kernel does not restart: the requester looks what it is.
    let (tell, told) = mpsc::channel();
    let worker = eintr::spawn(move || {
        tell.send(gettid()).unwrap();
        thread::sleep(std::time::Duration::MAX);
    });
    wait_until_blocked(told.recv().unwrap(), libc::SYS_clock_nanosleep);
    worker.interrupt();
    worker.join().unwrap();
}

#[test]
fn sigsys_ignored_later() {
    alone(|| {
        taken_over(libc::SIG_IGN);
        // SAFETY: it is ignored.
        unsafe { libc::raise(libc::SIGSYS) };
    });
}

#[test]
fn sigsys_handled_later() {
    alone(|| {
        taken_over(handler());
        assert_eq!(handled(), 0, "nothing of ours came to it");
        // SAFETY: the handler is async-signal-safe.
        unsafe { libc::raise(libc::SIGSYS) };
        assert_eq!(handled(), 1);
    });
}

/// By the reached thread itself: it is recorded, and chained to.
#[test]
fn sigsys_handled_by_the_reached_thread() {
    alone(|| {
        reached(|| {
            assert_eq!(set_sigsys(libc::SIG_IGN), libc::SIG_DFL, "as if we were not there");
            assert_reached();
            // SAFETY: it is ignored.
            unsafe { libc::raise(libc::SIGSYS) };
            assert_eq!(set_sigsys(handler()), libc::SIG_IGN);
            assert_reached();
            // SAFETY: the handler is async-signal-safe.
            unsafe { libc::raise(libc::SIGSYS) };
            assert_eq!(handled(), 1);
            assert_eq!(set_sigsys(handler()), handler());
        });
        // SAFETY: the handler is async-signal-safe.
        unsafe { libc::raise(libc::SIGSYS) };
        assert_eq!(handled(), 2);
        reached(|| ());
    });
}

/// Its poll is refused where dispatch was on when the handler came, and takes its millisecond where
/// it was not: our signal waits until a handler with a full mask has returned.
extern "C" fn count_and_poll(_: i32) {
    // SAFETY: no descriptors.
    unsafe { libc::poll(ptr::null_mut(), 0, 1) };
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Handlers with full masks, as libuv's and HotSpot's, make syscalls on threads that are armed and
/// not, all the time.
#[test]
fn handlers_with_full_masks_under_fire() {
    alone(|| {
        let mut full = action(count_and_poll as extern "C" fn(i32) as usize);
        full.sa_flags = libc::SA_RESTART;
        // SAFETY: a set is written, and an action is read.
        unsafe {
            libc::sigfillset(&mut full.sa_mask);
            assert_eq!(libc::sigaction(libc::SIGWINCH, &full, ptr::null_mut()), 0);
        }
        for round in 1..=200 {
            let (tell, told) = mpsc::channel();
            let worker = eintr::spawn(move || {
                let (mut reader, _writer) = io::pipe().unwrap();
                tell.send(gettid()).unwrap();
                let refused = reader.read(&mut [0]).unwrap_err();
                assert_eq!(refused.raw_os_error(), Some(libc::ECANCELED));
                while handled() < round {
                    assert_reached();
                }
            });
            let tid = told.recv().unwrap();
            let interrupter = worker.interrupter();
            let requester = thread::spawn(move || _ = interrupter.interrupt());
            // SAFETY: no pointers; the thread does not end before it has handled it.
            let sent =
                unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, libc::SIGWINCH) };
            assert_eq!(sent, 0);
            requester.join().unwrap();
            worker.join().unwrap();
        }
        assert_eq!(handled(), 200);
    });
}
