//! Another user of Syscall User Dispatch, in threads that nobody interrupts (S26): it goes on as if
//! we were not there, whoever comes first.
//!
//! The tests here work like this: a dispatcher answers `getppid` by itself and makes all other
//! syscalls as they are. As the kernel's documentation has it, the restorer of its handler may make
//! syscalls, and everything else only while the selector says so. Each case runs in a process of its
//! own.

#![cfg(target_arch = "x86_64")]

use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::thread;

use eintr::Road;
use libc::{SIGSYS, SIGUSR1, c_int, c_void, siginfo_t};
use nix::errno::Errno;
use test_support::child::alone_with_dispatch as alone;
use test_support::signals::{self, Informed, RUNS};
use test_support::target::{came_back, is_interrupt, own_read, pipe, plain_read, target};
use test_support::{escape, gettid, wait_until};

const ALLOW: u8 = 0;
const BLOCK: u8 = 1;
static SELECTOR: AtomicU8 = AtomicU8::new(ALLOW);
static STOPPED: AtomicUsize = AtomicUsize::new(0);
const ANSWER: i64 = 4242;

extern "C" fn dispatcher(_signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    const SYS_USER_DISPATCH: c_int = 2;
    SELECTOR.store(ALLOW, SeqCst);
    // SAFETY: the kernel's siginfo and context, and the syscall that was stopped.
    unsafe {
        if (*info).si_code == SYS_USER_DISPATCH {
            let errno = *libc::__errno_location();
            let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
            registers[libc::REG_RAX as usize] = answer(registers);
            *libc::__errno_location() = errno;
        }
    }
    STOPPED.fetch_add(1, SeqCst);
    SELECTOR.store(BLOCK, SeqCst);
}

unsafe fn answer(registers: &[i64; 23]) -> i64 {
    let register = |index: c_int| registers[index as usize];
    match register(libc::REG_RAX) {
        libc::SYS_getppid => ANSWER,
        // It would return from this very handler.
        libc::SYS_rt_sigreturn => std::process::abort(),
        number => {
            let [a, b, c] = [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX].map(register);
            let [d, e, f] = [libc::REG_R10, libc::REG_R8, libc::REG_R9].map(register);
            // SAFETY: the syscall that was stopped.
            match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
                // SAFETY: errno is this thread's.
                -1 => -i64::from(unsafe { *libc::__errno_location() }),
                result => result,
            }
        }
    }
}

/// Makes `handler` that of SIGSYS, and tells what its restorer is. libc hides that.
fn install(handler: Informed) -> usize {
    signals::handle_informed(SIGSYS, handler, 0, &[]);
    let mut action = [0_usize; 4];
    let none = ptr::null::<usize>();
    // SAFETY: the kernel writes an action.
    let asked = unsafe { libc::syscall(libc::SYS_rt_sigaction, SIGSYS, none, &raw mut action, 8) };
    assert_eq!(asked, 0);
    action[2]
}

const OFF: c_int = 0;
const ON: c_int = 1;

fn prctl(mode: c_int, start: usize, length: usize, selector: *const u8) {
    const PR_SET_SYSCALL_USER_DISPATCH: c_int = 59;
    // SAFETY: the selector is a static, or none.
    let result =
        unsafe { libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, start, length, selector) };
    assert_eq!(result, 0);
}

fn begin(restorer: usize) {
    prctl(ON, restorer, 16, SELECTOR.as_ptr());
}

/// Runs `f` with its syscalls stopped.
fn stopped<T>(f: impl FnOnce() -> T) -> T {
    SELECTOR.store(BLOCK, SeqCst);
    let value = f();
    SELECTOR.store(ALLOW, SeqCst);
    value
}

fn getppid() -> i64 {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_getppid) }
}

#[track_caller]
fn is_answered() {
    assert_eq!(answered_beside(), 0);
}

/// How many other syscalls were stopped meanwhile.
#[track_caller]
fn answered_beside() -> usize {
    let before = STOPPED.load(SeqCst);
    let answers = stopped(|| {
        // SAFETY: no arguments.
        unsafe { libc::syscall(libc::SYS_getuid) };
        [getppid(), getppid(), getppid()]
    });
    assert_eq!(answers, [ANSWER; 3]);
    STOPPED.load(SeqCst) - before - 4
}

fn end() {
    prctl(OFF, 0, 0, ptr::null());
    assert_ne!(getppid(), ANSWER);
}

/// Ends a thread's last request, which has come by whatever road.
fn is_taken() {
    assert!(eintr::take().is_some());
}

fn requests_arrive() {
    let (reader, _writer) = pipe();
    let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read).interrupted();
    assert!(is_interrupt(&stuck.result()));
    let (reader, _writer) = pipe();
    let stuck = target(move || plain_read(reader)).blocked_in(libc::SYS_read).interrupted();
    assert!(came_back(&stuck.result()));
}

#[test]
fn a_thread_that_is_not_ours() {
    alone(|| {
        let restorer = install(dispatcher);
        requests_arrive();
        begin(restorer);
        is_answered();
        requests_arrive();
        is_answered();
        end();
    });
}

#[test]
fn a_thread_with_a_task_that_nobody_asks() {
    alone(|| {
        let restorer = install(dispatcher);
        eintr::task().0.run(|| {
            begin(restorer);
            is_answered();
            eintr::checkpoint().unwrap();
            stopped(|| eintr::mask(|| eintr::Task::root().run(|| eintr::checkpoint().unwrap())));
            is_answered();
        });
        is_answered();
        end();
    });
}

#[test]
fn a_thread_that_was_reached_before() {
    alone(|| {
        let restorer = install(dispatcher);
        let (task, interrupter) = eintr::task();
        task.run(|| {
            interrupter.interrupt();
            let (reader, _writer) = pipe();
            assert!(came_back(&plain_read(&reader)));
        });
        begin(restorer);
        is_answered();
        end();
    });
}

#[test]
fn a_thread_that_dispatches_when_it_uses_us_first() {
    alone(|| {
        let restorer = install(dispatcher);
        begin(restorer);
        assert_eq!(eintr::support().reach, Road::Exact);
        is_answered();
        requests_arrive();
        is_answered();
        end();
    });
}

#[test]
fn the_first_use_is_stopped_itself() {
    alone(|| {
        let restorer = install(dispatcher);
        begin(restorer);
        assert_eq!(stopped(eintr::support).reach, Road::Exact);
        is_answered();
        end();
        requests_arrive();
    });
}

/// A reached thread's own calls are never another's, up to its end: here it ends without unwinding,
/// and a request that was left over is dropped with dispatch still on.
#[test]
fn a_reached_thread_that_ends() {
    #[derive(Debug)]
    struct CallOnDrop;
    impl Drop for CallOnDrop {
        fn drop(&mut self) {
            assert_ne!(getppid(), ANSWER);
            DROPPED.fetch_add(1, SeqCst);
        }
    }
    impl std::fmt::Display for CallOnDrop {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("one that makes a syscall when it is dropped")
        }
    }
    impl std::error::Error for CallOnDrop {}
    static DROPPED: AtomicUsize = AtomicUsize::new(0);

    alone(|| {
        install(dispatcher);
        assert_eq!(eintr::support().reach, Road::Exact);
        thread::spawn(|| {
            let mut place = 0;
            let place = &raw mut place;
            let (task, interrupter) = eintr::task();
            let mut task = Some(task);
            let escaped = || {
                task.take().unwrap().run(|| {
                    interrupter.interrupt();
                    interrupter.interrupt_with(CallOnDrop);
                    let (reader, _writer) = pipe();
                    assert!(came_back(&plain_read(&reader)));
                    // SAFETY: what lies between is leaked, and is not used again.
                    unsafe { escape::escape(place) }
                })
            };
            // SAFETY: as above.
            assert!(unsafe { escape::call_escapably(place, escaped) });
        })
        .join()
        .unwrap();
        assert_eq!((DROPPED.load(SeqCst), STOPPED.load(SeqCst)), (1, 0));
    });
}

/// A signal of our number that is the application's comes while nothing but the restorer may make
/// syscalls.
#[test]
fn a_signal_for_the_handler_that_was_there_before() {
    alone(|| {
        let restorer = install(dispatcher);
        signals::share_the_signal();
        requests_arrive();
        let tid = gettid();
        begin(restorer);
        for sent in 1..=10 {
            let sender = thread::spawn(move || {
                wait_until("syscalls are stopped", || SELECTOR.load(SeqCst) == BLOCK);
                signals::send(tid, SIGUSR1);
            });
            stopped(|| while RUNS.load(SeqCst) < sent {});
            sender.join().unwrap();
        }
        is_answered();
        end();
    });
}

/// It stops what our signal's handler asks the kernel for, and is left alone. (With its selector open it could
/// not be told.)
#[test]
fn a_thread_that_is_asked_while_it_dispatches() {
    alone(|| {
        let restorer = install(dispatcher);
        let asked = target(move || {
            begin(restorer);
            for _ in 0..10 {
                let interrupter = eintr::Interrupter::current().unwrap();
                let requester = thread::spawn(move || {
                    wait_until("syscalls are stopped", || SELECTOR.load(SeqCst) == BLOCK);
                    interrupter.interrupt();
                });
                let before = STOPPED.load(SeqCst);
                // Until our handler has come, and has been stopped.
                stopped(|| while STOPPED.load(SeqCst) == before {});
                requester.join().unwrap();
                // Beside the calls of our handler, which comes again as long as the request stands.
                answered_beside();
                is_taken();
                is_answered();
            }
            end();
            let (reader, _writer) = pipe();
            eintr::Interrupter::current().unwrap().interrupt();
            came_back(&plain_read(&reader))
        });
        assert!(asked.result());
    });
}

/// While we have its calls stopped, nobody else can.
#[test]
fn a_reached_thread_that_would_dispatch() {
    alone(|| {
        let asked = target(|| {
            eintr::Interrupter::current().unwrap().interrupt();
            for _ in 0..3 {
                let (reader, _writer) = pipe();
                assert!(came_back(&plain_read(&reader)));
                // SAFETY: with no selector the kernel keeps two numbers.
                assert_eq!(unsafe { libc::prctl(59, ON, 0, 0, ptr::null::<u8>()) }, -1);
                assert_eq!(Errno::last(), Errno::EBUSY);
                assert_eq!(eintr::support().reach, Road::Exact);
                prctl(OFF, 0, 0, ptr::null());
            }
            is_taken();
        });
        asked.result();
    });
}

/// What a later dispatcher found installed.
static BEFORE: AtomicUsize = AtomicUsize::new(0);

/// Hands on what it has answered, as handlers do that know nothing of dispatch.
extern "C" fn dispatcher_and_the_one_before(
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    dispatcher(signal, info, context);
    // SAFETY: a handler with SA_SIGINFO, as ours are.
    let before: Informed = unsafe { std::mem::transmute(BEFORE.load(SeqCst)) };
    before(signal, info, context);
}

fn dispatches_later(handler: Informed) {
    requests_arrive();
    BEFORE.store(signals::action(SIGSYS).sa_sigaction, SeqCst);
    let restorer = install(handler);
    begin(restorer);
    is_answered();
    assert_eq!(eintr::support().reach, Road::SecondBest);
    requests_arrive();
    is_answered();
    end();
    eintr::task().0.run(|| {
        begin(restorer);
        is_answered();
        end();
    });
}

#[test]
fn a_dispatcher_that_comes_later() {
    alone(|| dispatches_later(dispatcher));
}

#[test]
fn a_dispatcher_that_comes_later_and_hands_on() {
    alone(|| {
        dispatches_later(dispatcher_and_the_one_before);
    });
}
