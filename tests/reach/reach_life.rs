//! What must not change while a cause stands: waits for other threads, children, masks, stacks,
//! signals.
//!
//! Each body runs in a task that was asked and has dispatch on: a plain read has been refused.
//! `assert_reached` refuses another, which says that reach works right there; if it does not, the
//! watchdog finds a thread asleep in `read`.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock, mpsc};
use std::time::{Duration, Instant};
use std::{mem, ptr, thread};

use eintr::Interrupter;
use test_support::child::alone;
use test_support::{escape, gettid, has_dispatch, signals, wait_until_blocked};

use crate::{assert_reached, reached};

/// Runs the body as said above, on a managed thread.
fn armed(name: &str, body: impl FnOnce() + Send + 'static) {
    if has_dispatch(name) {
        alone(|| on_an_armed_thread(body));
    }
}

fn on_an_armed_thread(body: impl FnOnce() + Send + 'static) {
    reached(|| {
        body();
        assert!(eintr::is_interrupted(), "the cause stands");
        assert_reached();
    });
}

fn refusals() -> u64 {
    Interrupter::current().unwrap().report().refused
}

/// Has another thread wait until this one sleeps in a futex, and then wake it. Nothing was refused
/// meanwhile.
fn left_alone<T>(wait: impl FnOnce() -> T, wake: impl FnOnce() + Send) -> T {
    let (here, before) = (gettid(), refusals());
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            wait_until_blocked(here, libc::SYS_futex);
            wake();
        });
        wait()
    });
    assert_eq!(refusals(), before);
    result
}

#[test]
fn a_contended_mutex() {
    armed("mutex", || {
        let mutex = Mutex::new(1);
        let (locks, locked) = mpsc::channel();
        let here = gettid();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut value = mutex.lock().unwrap();
                locks.send(()).unwrap();
                wait_until_blocked(here, libc::SYS_futex);
                *value = 2;
            });
            locked.recv().unwrap();
            assert_eq!(*mutex.lock().unwrap(), 2);
        });
    });
}

#[test]
fn many_contend_for_a_mutex() {
    armed("contention", || {
        let count = Mutex::new(0);
        let add = || (0..2_000).for_each(|_| *count.lock().unwrap() += 1);
        thread::scope(|scope| {
            scope.spawn(add);
            scope.spawn(add);
            add();
        });
        assert_eq!(*count.lock().unwrap(), 6_000);
    });
}

#[test]
fn a_condition_variable() {
    armed("condvar", || {
        let (mutex, condvar) = (Mutex::new(false), Condvar::new());
        left_alone(
            || drop(condvar.wait_while(mutex.lock().unwrap(), |ready| !*ready).unwrap()),
            || {
                *mutex.lock().unwrap() = true;
                condvar.notify_one();
            },
        );
        let start = Instant::now();
        let limit = Duration::from_millis(20);
        let waited = condvar.wait_timeout_while(mutex.lock().unwrap(), limit, |_| true).unwrap();
        assert!(waited.1.timed_out() && start.elapsed() >= limit);
    });
}

#[test]
fn channels() {
    armed("mpsc", || {
        let (send, receive) = mpsc::channel();
        assert_eq!(left_alone(|| receive.recv(), move || send.send(7).unwrap()), Ok(7));
        let (send, receive) = mpsc::sync_channel(0);
        let received = thread::scope(|scope| {
            let receiver = scope.spawn(move || receive.recv());
            send.send(8).unwrap();
            receiver.join().unwrap()
        });
        assert_eq!(received, Ok(8));
        let (_send, receive) = mpsc::channel::<()>();
        let limit = Duration::from_millis(20);
        assert_eq!(receive.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Timeout));
    });
}

#[test]
fn park_join_barrier_and_rwlock() {
    armed("park", || {
        let unparked = AtomicBool::new(false);
        let here = thread::current();
        left_alone(
            || {
                while !unparked.load(Ordering::Acquire) {
                    thread::park();
                }
            },
            || {
                unparked.store(true, Ordering::Release);
                here.unpark();
            },
        );
        let (end, ends) = mpsc::channel::<()>();
        let other = thread::spawn(move || ends.recv().is_err());
        assert!(left_alone(|| other.join(), || drop(end)).unwrap());
        let barrier = Barrier::new(2);
        left_alone(|| barrier.wait(), || _ = barrier.wait());
        let lock = Arc::new(RwLock::new(1));
        let held = lock.clone();
        let (locks, locked) = mpsc::channel();
        let here = gettid();
        let holder = thread::spawn(move || {
            let mut value = held.write().unwrap();
            locks.send(()).unwrap();
            wait_until_blocked(here, libc::SYS_futex);
            *value = 2;
        });
        locked.recv().unwrap();
        assert_eq!(*lock.read().unwrap(), 2);
        holder.join().unwrap();
    });
}

#[test]
fn raw_syscalls_have_their_results() {
    armed("getpid", || {
        for _ in 0..10_000 {
            // SAFETY: no arguments.
            assert_eq!(unsafe { libc::syscall(libc::SYS_getpid) }, i64::from(std::process::id()));
        }
        // SAFETY: no such descriptor.
        assert_eq!(unsafe { libc::close(-1) }, -1);
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EBADF));
        // SAFETY: no such syscall.
        assert_eq!(unsafe { libc::syscall(1_000_000) }, -1);
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOSYS));
    });
}

fn wait_status(child: i32) -> i32 {
    let mut status = 0;
    // SAFETY: an integer is written.
    assert_eq!(eintr::mask(|| unsafe { libc::waitpid(child, &mut status, 0) }), child);
    status
}

/// A thread that is made by a reached one is none; the maker is one still.
#[test]
fn threads() {
    armed("threads", || {
        for _ in 0..20 {
            let (mut reader, writer) = io::pipe().unwrap();
            let (tell, told) = mpsc::channel();
            let other = thread::spawn(move || {
                tell.send(gettid()).unwrap();
                reader.read(&mut [0]).unwrap()
            });
            assert_reached();
            // libc blocks all signals around the clone, and restores what it saw before.
            assert!(!is_blocked(libc::SIGSYS));
            wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
            drop(writer);
            assert_eq!(other.join().unwrap(), 0);
        }
    });
}

/// In the child the forking thread's task goes on: it is reached as well.
#[test]
fn fork() {
    armed("fork", || {
        for _ in 0..10 {
            let (mut reader, _writer) = io::pipe().unwrap();
            // SAFETY: the child makes a read and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let refused = reader.read(&mut [0]).unwrap_err().raw_os_error();
                let status = i32::from(refused != Some(libc::ECANCELED));
                // SAFETY: it ends here.
                unsafe { libc::_exit(status) };
            }
            assert_reached();
            assert_eq!(wait_status(child), 0);
        }
    });
}

#[test]
fn posix_spawn_and_exec() {
    armed("spawn", || {
        for _ in 0..10 {
            let mut child = Command::new("true").spawn().unwrap();
            assert_reached();
            assert!(eintr::mask(|| child.wait()).unwrap().success());
            // SAFETY: nothing runs in the child but exec.
            let mut child =
                unsafe { Command::new("sleep").arg("0.001").pre_exec(|| Ok(())).spawn() }.unwrap();
            assert_reached();
            assert!(
                eintr::mask(|| child.wait()).unwrap().success(),
                "it slept, so it is not reached"
            );
        }
        let command = c"/bin/sh";
        let arguments = [command.as_ptr(), c"-c".as_ptr(), c"exit 3".as_ptr(), ptr::null()];
        let mut child = 0;
        // SAFETY: texts and a list of them, each ended; no actions, no attributes, no environment.
        let spawned = unsafe {
            libc::posix_spawn(
                &mut child,
                command.as_ptr(),
                ptr::null(),
                ptr::null(),
                arguments.as_ptr().cast(),
                [ptr::null_mut()].as_ptr(),
            )
        };
        assert_reached();
        assert_eq!(spawned, 0);
        assert_eq!(libc::WEXITSTATUS(wait_status(child)), 3);
    });
}

#[test]
fn threads_that_end_armed() {
    thread_local!(static LATE: Late = const { Late });
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            // SAFETY: no arguments.
            unsafe { libc::syscall(libc::SYS_getpid) };
            println!("dropped");
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    if !has_dispatch("threads that end armed") {
        return;
    }
    alone(|| {
        (0..30).for_each(|_| on_an_armed_thread(|| LATE.with(|_| ())));
        assert_eq!(DROPPED.load(Ordering::Relaxed), 30);
    });
}

fn alternate_stack(new: Option<&libc::stack_t>) -> libc::stack_t {
    // SAFETY: a stack is read, if given, and one is written.
    unsafe {
        let mut old = mem::zeroed();
        let new = new.map_or(ptr::null(), ptr::from_ref);
        assert_eq!(libc::sigaltstack(new, &mut old), 0);
        old
    }
}

static STACK_SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn see_stack(_: i32) {
    let on_it = 0_u8;
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_getuid) };
    STACK_SEEN.store(&raw const on_it as usize, Ordering::Relaxed);
}

#[test]
fn an_alternate_stack_that_is_set_while_armed() {
    armed("sigaltstack", || {
        let before = alternate_stack(None);
        let mut memory = vec![0_u8; 64 * 1024];
        let stack =
            libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
        // SAFETY: an action of our own, on a signal that nothing else here uses.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = see_stack as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGURG, &action, ptr::null_mut()), 0);
        }
        alternate_stack(Some(&stack));
        let seen_in_handler = || {
            assert_eq!(alternate_stack(None).ss_sp, stack.ss_sp);
            STACK_SEEN.store(0, Ordering::Relaxed);
            // SAFETY: the handler is async-signal-safe.
            unsafe { libc::raise(libc::SIGURG) };
            STACK_SEEN.load(Ordering::Relaxed) as *const u8
        };
        let is_lent = || {
            let (seen, on_it) = (seen_in_handler(), 0_u8);
            assert!(!memory.as_ptr_range().contains(&seen), "{seen:?}");
            let apart = (&raw const on_it as usize).abs_diff(seen as usize);
            assert!(apart > 64 * 1024, "on an alternate one: {seen:?}");
        };
        is_lent();
        assert_reached();
        is_lent();
        eintr::mask(|| {
            let seen = seen_in_handler();
            assert!(memory.as_ptr_range().contains(&seen), "{seen:?}");
        });
        is_lent();
        alternate_stack(Some(&before));
        assert_eq!(alternate_stack(None).ss_sp, before.ss_sp);
        let too_small = libc::stack_t { ss_size: 100, ..stack };
        // SAFETY: a stack is read.
        let refused = unsafe { libc::sigaltstack(&too_small, ptr::null_mut()) };
        assert_eq!((refused, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ENOMEM)));
    });
}

fn change_mask(how: i32, blocked: &[i32]) {
    // SAFETY: a set is read.
    let changed = unsafe { libc::pthread_sigmask(how, &signals::set_of(blocked), ptr::null_mut()) };
    assert_eq!(changed, 0);
}

fn is_blocked(signal: i32) -> bool {
    // SAFETY: a set is written, and read.
    unsafe {
        let mut set = mem::zeroed();
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut set), 0);
        libc::sigismember(&set, signal) == 1
    }
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_getuid) };
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn masks_of_signals() {
    armed("masks", || {
        const OTHERS: [i32; 2] = [libc::SIGWINCH, libc::SIGSYS];
        // SAFETY: the handler is async-signal-safe.
        unsafe { libc::signal(libc::SIGWINCH, count as extern "C" fn(i32) as usize) };
        for signal in OTHERS {
            assert!(!is_blocked(signal));
            change_mask(libc::SIG_BLOCK, &[signal]);
            assert!(is_blocked(signal));
            assert_reached();
            assert!(is_blocked(signal));
            eintr::mask(|| assert!(is_blocked(signal), "also where nothing is armed"));
            assert!(is_blocked(signal));
            change_mask(libc::SIG_UNBLOCK, &[signal]);
            assert!(!is_blocked(signal));
            eintr::mask(|| assert!(!is_blocked(signal), "also where nothing is armed"));
        }
        change_mask(libc::SIG_SETMASK, &OTHERS);
        assert!(OTHERS.into_iter().all(is_blocked));
        // SAFETY: the handler is async-signal-safe.
        unsafe { libc::raise(libc::SIGWINCH) };
        assert_eq!(HANDLED.load(Ordering::Relaxed), 0, "blocked");
        change_mask(libc::SIG_SETMASK, &[libc::SIGSYS]);
        assert_eq!(HANDLED.load(Ordering::Relaxed), 1, "let in");
        assert!(!is_blocked(libc::SIGWINCH) && is_blocked(libc::SIGSYS));
        assert!(is_blocked(libc::SIGSYS));
        change_mask(libc::SIG_SETMASK, &[]);
        assert!(!is_blocked(libc::SIGSYS));
    });
}

/// Dispatch cannot begin while SIGSYS is blocked; it begins when it is not.
#[test]
fn sigsys_blocked_before_arming() {
    if !has_dispatch("sigsys blocked") {
        return;
    }
    alone(|| {
        let (reader, _writer) = io::pipe().unwrap();
        let (task, interrupter) = eintr::task();
        let (tell, told) = mpsc::channel();
        let worker = thread::spawn(move || {
            change_mask(libc::SIG_BLOCK, &[libc::SIGSYS]);
            let refused = task.run(|| {
                tell.send(gettid()).unwrap();
                (&reader).read(&mut [0]).unwrap_err().raw_os_error()
            });
            assert_eq!(refused, Some(libc::ECANCELED));
            is_blocked(libc::SIGSYS)
        });
        wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
        interrupter.interrupt();
        assert!(worker.join().unwrap(), "as it was");
    });
}

thread_local! {
    /// Where the handler below jumps to.
    static WAY_OUT: Cell<usize> = const { Cell::new(0) };
    /// With which mask.
    static MASK: Cell<u64> = const { Cell::new(0) };
}

fn kernels_mask(new: Option<u64>) -> u64 {
    let mut old = 0_u64;
    let new = new.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: one set is read, if there is one, and one is written.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, new, &mut old, 8) };
    assert_eq!(result, 0);
    old
}

/// Makes a syscall that waits, which is refused, and leaves by a jump, with the mask that was before:
/// as siglongjmp does.
extern "C" fn work_and_escape(_: i32) {
    // SAFETY: no descriptors.
    assert_eq!(unsafe { libc::poll(ptr::null_mut(), 0, -1) }, -1);
    kernels_mask(Some(MASK.get()));
    WAY_OUT.with(|place| {
        // SAFETY: the case below has called escapably, and what lies between owns nothing that it
        // would miss: frames of the two handlers, and of a raise.
        unsafe { escape::escape(place.as_ptr()) }
    });
}

/// One that is too small is replaced, and can be set again.
#[test]
fn an_alternate_stack_that_was_set_before() {
    if !has_dispatch("an_alternate_stack_that_was_set_before") {
        return;
    }
    alone(|| {
        thread::spawn(|| {
            let mut memory = vec![0_u8; 8192];
            let (ss_sp, ss_size) = (memory.as_mut_ptr().cast(), memory.len());
            let stds = alternate_stack(Some(&libc::stack_t { ss_sp, ss_flags: 0, ss_size }));
            let is_told =
                |now: libc::stack_t| assert_eq!((now.ss_sp, now.ss_size), (ss_sp, ss_size));
            let (task, interrupter) = eintr::task();
            interrupter.interrupt();
            task.run(|| {
                assert_reached();
                is_told(alternate_stack(None));
            });
            is_told(alternate_stack(Some(&stds)));
        })
        .join()
        .unwrap();
    });
}

/// What a reached thread was given goes with it.
#[test]
fn threads_leave_no_stack_behind() {
    const THREADS: usize = 200;
    if !has_dispatch("threads_leave_no_stack_behind") {
        return;
    }
    let mappings = || fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    alone(|| {
        let reached = || {
            let (task, interrupter) = eintr::task();
            interrupter.interrupt();
            task.run(assert_reached);
        };
        thread::spawn(reached).join().unwrap();
        let before = mappings();
        for _ in 0..THREADS {
            thread::spawn(reached).join().unwrap();
        }
        // Two for each, if they stayed.
        let now = mappings();
        assert!(now < before + THREADS, "{before} and then {now}");
    });
}

/// The application's handlers have full masks and an alternate stack of their own, and leave by a
/// jump: out of a syscall that our handler of SIGSYS makes in its place. (The stack that std gives
/// each thread has no room for two frames with AVX-512.)
#[test]
fn handlers_that_leave_by_a_jump() {
    armed("handlers_that_leave_by_a_jump", || {
        // SAFETY: an action is plain numbers.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = work_and_escape as extern "C" fn(i32) as usize;
        for flags in [0, libc::SA_ONSTACK] {
            action.sa_flags = flags;
            // SAFETY: a set is written, an action read; the handler is async-signal-safe.
            unsafe {
                libc::sigfillset(&mut action.sa_mask);
                assert_eq!(libc::sigaction(libc::SIGIO, &action, ptr::null_mut()), 0);
            }
            let before = kernels_mask(None);
            MASK.set(before);
            for _ in 0..1000 {
                // SAFETY: the handler is async-signal-safe.
                let raise = || _ = unsafe { libc::raise(libc::SIGIO) };
                // SAFETY: between here and the handler nothing owns anything.
                let escaped =
                    WAY_OUT.with(|place| unsafe { escape::call_escapably(place.as_ptr(), raise) });
                assert!(escaped);
                assert_eq!(kernels_mask(None), before, "as it was");
                // Heeded: there is no back-off.
                assert!(eintr::checkpoint().is_err());
            }
            assert_reached();
        }
    });
}
