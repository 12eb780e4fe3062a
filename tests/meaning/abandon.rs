//! Road 4: a plain call that never comes back is left, and only where it may be.
//!
//! The calls here are `extern "C"` functions with nothing to drop, as the list of `abandon` demands.
//! The tests work like this: the call tells that it runs, the thread is asked, and what becomes of
//! the call is what it has written by then.

use std::ffi::c_void;
use std::hint::spin_loop;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::panic::catch_unwind;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use eintr::{Interrupted, Outcome, abandon};
use test_support::child::alone;
use test_support::signals::{handle, send};
use test_support::{LIMIT, gettid, has_dispatch, wait_until, watched};

/// What a call and its test tell each other.
#[derive(Default)]
struct Talk {
    tid: AtomicI32,
    may_end: AtomicBool,
    ended: AtomicBool,
    depth: AtomicUsize,
}

impl Talk {
    fn argument(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// # Safety
    ///
    /// The argument must come from [`argument`](Self::argument).
    unsafe fn of<'a>(argument: *mut c_void) -> &'a Self {
        // SAFETY: the caller's promise; the test keeps it for as long as the call runs.
        unsafe { &*argument.cast() }
    }

    fn wait_until_running(&self) {
        wait_until("the call runs", || self.tid.load(SeqCst) != 0);
    }
}

unsafe extern "C" fn endless(argument: *mut c_void) -> isize {
    // SAFETY: the argument of a talk.
    let talk = unsafe { Talk::of(argument) };
    talk.tid.store(gettid(), SeqCst);
    while !talk.may_end.load(SeqCst) {
        spin_loop();
    }
    talk.ended.store(true, SeqCst);
    7
}

/// Runs a call on a managed thread, and beside it what attends to it.
fn attended<T: Send>(
    name: &str,
    talk: &Talk,
    body: impl FnOnce() -> T + Send,
    attend: impl FnOnce(&eintr::Interrupter),
) -> T {
    watched(name, || {
        let (task, interrupter) = eintr::task();
        thread::scope(|scope| {
            let worker = scope.spawn(|| task.run(body));
            talk.wait_until_running();
            attend(&interrupter);
            worker.join().unwrap()
        })
    })
}

fn ask(interrupter: &eintr::Interrupter) {
    let outcome = interrupter.interrupt().wait(LIMIT);
    assert!(matches!(outcome, Outcome::Raised | Outcome::Finished), "{outcome:?}");
}

#[test]
fn a_loop_that_never_returns_is_left() {
    let talk = Talk::default();
    let body = || {
        // SAFETY: `endless` has nothing to undo.
        let left = unsafe { abandon(endless, talk.argument()) };
        (left, eintr::checkpoint())
    };
    let (left, after) = attended("a loop", &talk, body, ask);
    assert!(left.is_err() && after.is_err(), "{left:?} {after:?}");
    assert!(!talk.ended.load(SeqCst));
}

unsafe extern "C" fn deep(argument: *mut c_void) -> isize {
    // SAFETY: the argument of a talk.
    let talk = unsafe { Talk::of(argument) };
    let depth = talk.depth.fetch_add(1, SeqCst);
    let local = [depth; 32];
    if depth == 2_000 {
        talk.tid.store(gettid(), SeqCst);
    }
    // Down to the depth, and then up and down there for ever.
    if depth < 2_000 || !talk.may_end.load(SeqCst) {
        if depth >= 2_100 {
            talk.depth.fetch_sub(1, SeqCst);
            return 0;
        }
        loop {
            // SAFETY: as above.
            unsafe { deep(argument) };
            if std::hint::black_box(&local)[depth % 32] != depth {
                std::process::abort();
            }
        }
    }
    0
}

#[test]
fn a_deep_recursion_is_left_and_the_stack_is_as_it_was() {
    let name = "a recursion";
    watched(name, || {
        let worker = thread::spawn(|| {
            // Again and again on one thread: if frames were left behind, it would overflow.
            for round in 0..50_u32 {
                let talk = Talk::default();
                let (task, interrupter) = eintr::task();
                let kept = (f64::from(round) * 1.5, u64::from(round) << 40);
                let kept = std::hint::black_box(kept);
                let left = thread::scope(|scope| {
                    scope.spawn(|| {
                        talk.wait_until_running();
                        interrupter.interrupt();
                    });
                    // SAFETY: `deep` has nothing to undo.
                    task.run(|| unsafe { abandon(deep, talk.argument()) })
                });
                assert!(left.is_err());
                assert_eq!(kept, (f64::from(round) * 1.5, u64::from(round) << 40));
            }
        });
        worker.join().unwrap();
    });
}

#[test]
fn inside_a_mask_it_runs_until_it_returns() {
    let talk = Talk::default();
    let body = || {
        // SAFETY: `endless` has nothing to undo.
        let masked = eintr::mask(|| unsafe { abandon(endless, talk.argument()) });
        (masked, eintr::checkpoint())
    };
    let (masked, after) = attended("a mask", &talk, body, |interrupter| {
        let outcome = interrupter.interrupt().wait(Duration::from_millis(20));
        assert!(matches!(outcome, Outcome::Masked(_)), "{outcome:?}");
        assert!(!talk.ended.load(SeqCst));
        talk.may_end.store(true, SeqCst);
    });
    assert_eq!(masked.unwrap(), 7);
    assert!(after.is_err());
}

#[test]
fn one_that_is_asked_before_does_not_begin() {
    watched("asked before", || {
        let talk = Talk::default();
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        // SAFETY: `endless` has nothing to undo.
        let left = task.run(|| unsafe { abandon(endless, talk.argument()) });
        assert!(left.is_err() && talk.tid.load(SeqCst) == 0);
    });
}

#[test]
fn a_deadline_leaves_it() {
    watched("a deadline", || {
        let talk = Talk::default();
        // SAFETY: `endless` has nothing to undo.
        let call = || unsafe { abandon(endless, talk.argument()) };
        let within = eintr::within(Duration::from_millis(20), call);
        assert!(within.expired);
        assert!(matches!(within.value.unwrap_err().reason(), eintr::Reason::Deadline));
        assert!(eintr::checkpoint().is_ok());
    });
}

#[test]
fn afterwards_plain_calls_are_refused_as_ever() {
    if !has_dispatch("plain calls afterwards") {
        return;
    }
    let talk = Talk::default();
    let body = || {
        // SAFETY: `endless` has nothing to undo.
        let left = unsafe { abandon(endless, talk.argument()) };
        let (mut reader, _writer) = UnixStream::pair().unwrap();
        (left, reader.read(&mut [0]))
    };
    let (left, read) = attended("refused", &talk, body, ask);
    assert!(left.is_err());
    assert_eq!(read.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
}

/// Has the thread asked, with our signal blocked, and returns: the word says armed, and nobody has
/// left the call. What comes when the signal does must not take the result away.
unsafe extern "C" fn asked_and_blocked(argument: *mut c_void) -> isize {
    let number = eintr::support().signal.unwrap_or(0);
    // SAFETY: a set of this frame's; the interrupter is the test's.
    unsafe {
        let mut ours: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut ours);
        libc::sigaddset(&mut ours, number);
        libc::pthread_sigmask(libc::SIG_BLOCK, &ours, ptr::null_mut());
        (*argument.cast::<eintr::Interrupter>()).interrupt();
    }
    isize::MIN
}

#[test]
fn a_result_that_is_in_hand_is_kept() {
    watched("a result", || {
        let (task, mut interrupter) = eintr::task();
        let (kept, after) = task.run(|| {
            // SAFETY: it is not left while it holds a lock of ours: the signal is blocked.
            let kept = unsafe { abandon(asked_and_blocked, (&raw mut interrupter).cast()) };
            (kept, eintr::checkpoint())
        });
        assert_eq!(
            kept.unwrap(),
            isize::MIN,
            "of all numbers, the one that calls use for something"
        );
        assert!(after.is_err());
    });
}

unsafe extern "C" fn count_to(argument: *mut c_void) -> isize {
    // SAFETY: a number of the test's.
    let end = unsafe { *argument.cast::<usize>() };
    for i in 0..end {
        std::hint::black_box(i);
    }
    end as isize
}

/// Requests at any instruction of a call that begins and ends all the time: until some have left it
/// and some have found it ended.
#[test]
fn whatever_the_moment_it_is_the_result_or_the_interrupt() {
    watched("any moment", || {
        let (mut kept, mut left) = (0_usize, 0_usize);
        for round in 0_usize.. {
            if kept.min(left) >= 20 && round >= 300 {
                break;
            }
            let (task, interrupter) = eintr::task();
            let begun = AtomicBool::new(false);
            let mut end = round * 131 % 4_000;
            let result = thread::scope(|scope| {
                scope.spawn(|| {
                    while !begun.load(SeqCst) {
                        spin_loop();
                    }
                    for i in 0..round * 37 % 4_000 {
                        std::hint::black_box(i);
                    }
                    interrupter.interrupt();
                });
                task.run(|| {
                    begun.store(true, SeqCst);
                    let argument = (&raw mut end).cast();
                    // SAFETY: `count_to` has nothing to undo.
                    let result = unsafe { abandon(count_to, argument) };
                    // The frames are in order: so is everything that lies above.
                    (result, std::hint::black_box(round))
                })
            });
            assert_eq!(result.1, round);
            match result.0 {
                Ok(value) => {
                    assert_eq!(value as usize, end);
                    kept += 1;
                }
                Err(_) => left += 1,
            }
        }
    });
}

/// The talk of the test whose handler runs; one at a time.
static HANDLERS: AtomicU32 = AtomicU32::new(0);
static HANDLER_MAY_END: AtomicBool = AtomicBool::new(false);
static REFUSED: AtomicBool = AtomicBool::new(false);

extern "C" fn lingering(_: i32) {
    HANDLERS.fetch_add(1, SeqCst);
    while !HANDLER_MAY_END.load(SeqCst) {
        spin_loop();
    }
    HANDLERS.fetch_add(1, SeqCst);
}

extern "C" fn abandoning(_: i32) {
    let refused = catch_unwind(|| {
        let talk = Talk::default();
        talk.may_end.store(true, SeqCst);
        // SAFETY: `endless` has nothing to undo.
        unsafe { abandon(endless, talk.argument()) }.is_ok()
    });
    REFUSED.store(refused.is_err(), SeqCst);
}

/// A handler of the program's runs over the call when it is asked: it ends, and then the call is
/// left.
fn a_handler_ends_first(signal: i32, flags: i32) {
    HANDLERS.store(0, SeqCst);
    HANDLER_MAY_END.store(false, SeqCst);
    handle(signal, lingering, flags, &[]);
    let talk = Talk::default();
    // SAFETY: `endless` has nothing to undo.
    let body = || on_large_alternate_stack(|| unsafe { abandon(endless, talk.argument()) });
    let left: Result<isize, Interrupted> = attended("a handler", &talk, body, |interrupter| {
        send(talk.tid.load(SeqCst), signal);
        wait_until("the handler runs", || HANDLERS.load(SeqCst) == 1);
        let outcome = interrupter.interrupt().wait(Duration::from_millis(20));
        assert!(matches!(outcome, Outcome::Stuck(_)), "{outcome:?}");
        HANDLER_MAY_END.store(true, SeqCst);
    });
    assert!(left.is_err());
    assert_eq!(HANDLERS.load(SeqCst), 2, "the handler was left halfway");
}

/// How many syscalls have come back since the handler ended.
static MADE_AFTER: AtomicU32 = AtomicU32::new(0);

/// It makes syscalls all the time, once a handler has run.
unsafe extern "C" fn with_syscalls(argument: *mut c_void) -> isize {
    // SAFETY: the test's talk.
    let talk = unsafe { Talk::of(argument) };
    talk.tid.store(gettid(), SeqCst);
    while !talk.may_end.load(SeqCst) {
        if HANDLERS.load(SeqCst) == 2 {
            // SAFETY: no pointers.
            unsafe { libc::syscall(libc::SYS_getppid) };
            MADE_AFTER.fetch_add(1, SeqCst);
        }
    }
    0
}

/// Our signal came when the call was not to be left, and the next may be long in coming.
fn it_is_left_at_its_next_syscall() {
    HANDLERS.store(0, SeqCst);
    HANDLER_MAY_END.store(false, SeqCst);
    handle(libc::SIGUSR2, lingering, 0, &[]);
    let talk = Talk::default();
    // SAFETY: `with_syscalls` has nothing to undo.
    let body = || unsafe { abandon(with_syscalls, talk.argument()) };
    let left: Result<isize, Interrupted> = attended("syscalls", &talk, body, |interrupter| {
        send(talk.tid.load(SeqCst), libc::SIGUSR2);
        wait_until("the handler runs", || HANDLERS.load(SeqCst) == 1);
        let outcome = interrupter.interrupt().wait(Duration::from_millis(100));
        assert!(matches!(outcome, Outcome::Stuck(_)), "{outcome:?}");
        HANDLER_MAY_END.store(true, SeqCst);
    });
    assert!(left.is_err());
    assert_eq!(MADE_AFTER.load(SeqCst), 0);
}

/// std's own, of 8 KB, has no room for two frames with all registers, nor for a panic's message.
fn on_large_alternate_stack<T>(f: impl FnOnce() -> T) -> T {
    let mut memory = vec![0_u8; 1 << 20];
    let stack =
        libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    let mut before = stack;
    // SAFETY: the memory is there until the stack is taken back.
    unsafe { assert_eq!(libc::sigaltstack(&stack, &mut before), 0) };
    let value = f();
    // SAFETY: the stack that was there before.
    unsafe { assert_eq!(libc::sigaltstack(&before, ptr::null_mut()), 0) };
    value
}

/// One test, for they share the handler's state.
#[test]
fn handlers_and_alternate_stacks() {
    alone(|| {
        a_handler_ends_first(libc::SIGUSR2, 0);
        a_handler_ends_first(libc::SIGUSR2, libc::SA_ONSTACK);
        if has_dispatch("syscalls of a call that is left") {
            it_is_left_at_its_next_syscall();
        }

        handle(libc::SIGURG, abandoning, libc::SA_ONSTACK, &[]);
        watched("an alternate stack", || {
            // SAFETY: no pointers.
            let worker = || on_large_alternate_stack(|| unsafe { libc::raise(libc::SIGURG) });
            eintr::spawn(worker).join().unwrap();
        });
        assert!(REFUSED.load(SeqCst));
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_rounding_mode_is_given_back() {
    fn control() -> u32 {
        let mut control = 0_u32;
        // SAFETY: the register is written into a word of ours.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control) };
        control & !0x3f
    }
    unsafe extern "C" fn round_down(argument: *mut c_void) -> isize {
        let mut control = 0_u32;
        // SAFETY: rounding down, and the argument of a talk. What the call has on the x87's stack
        // is to be gone, too.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control);
            control |= 0x2000;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control);
            for _ in 0..8 {
                std::arch::asm!("fld1");
            }
            Talk::of(argument).tid.store(gettid(), SeqCst);
            std::arch::asm!("std", "2:", "pause", "jmp 2b", options(noreturn));
        }
    }
    let talk = Talk::default();
    let body = || {
        let before = control();
        // SAFETY: `round_down` changes the thread's control bits, which are given back.
        let left = unsafe { abandon(round_down, talk.argument()) };
        let ten = std::hint::black_box(10.0_f64);
        (left, control() == before, ten.powf(std::hint::black_box(2.0)))
    };
    let (left, same, hundred) = attended("a rounding mode", &talk, body, ask);
    assert!(left.is_err() && same);
    assert_eq!(hundred, 100.0);
}
