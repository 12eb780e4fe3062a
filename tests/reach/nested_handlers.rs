//! A handler of the application's interrupts our own call, and the request comes while that handler
//! runs (S3, P1): the call must come back when the handler returns, or when it is left by a jump.
//!
//! The tests here work like this: each case runs in a process of its own, for handlers are the
//! process's. The thread sleeps in our own read (`/proc` says so); SIGUSR2 brings it into a handler
//! that spins until it is told to go on; then the thread is asked. `/proc` says when our signal
//! waits for the handler's end. Only then may the handler go on.

use std::cell::Cell;
use std::hint::{black_box, spin_loop};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eintr::Outcome;
use libc::{SA_NODEFER, SA_ONSTACK, SA_RESTART, SIGHUP, SIGUSR2, c_int};
use test_support::child::alone;
use test_support::target::{Target, came_back, is_interrupt, own_read, pipe, plain_read, spawn};
use test_support::{
    LIMIT, escape, gettid, signals, skipped_under_emulation, wait_until, wait_until_blocked,
};

/// How many handlers have begun, and how many of them may end.
static BEGUN: AtomicUsize = AtomicUsize::new(0);
static MAY_END: AtomicUsize = AtomicUsize::new(0);

extern "C" fn hold(_signal: c_int) {
    let mine = BEGUN.fetch_add(1, SeqCst);
    while MAY_END.load(SeqCst) <= mine {
        spin_loop();
    }
}

/// Runs a case, in a process of its own, with reach and without.
fn in_both_ways(case: impl Fn(bool)) {
    alone(|| {
        for reach in [true, false] {
            BEGUN.store(0, SeqCst);
            MAY_END.store(0, SeqCst);
            case(reach);
        }
    });
}

/// Brings a thread into a handler that holds it.
fn enter_handler(tid: i32, signal: c_int) {
    let begun = BEGUN.load(SeqCst);
    signals::send(tid, signal);
    wait_until("the application's handler runs", || BEGUN.load(SeqCst) > begun);
}

/// Waits until our signal waits for the end of the handler that runs.
fn wait_until_deferred(tid: i32) {
    let ours = signals::ours();
    wait_until("our signal waits for the handler's end", || {
        signals::is_pending(tid, ours) && signals::is_blocked(tid, ours)
    });
}

/// The whole story, for one handler.
fn request_while_handler_runs(reach: bool, body: impl FnOnce(&OwnedFd) -> bool + Send + 'static) {
    let (reader, writer) = pipe();
    let stuck = spawn(reach, move || (body(&reader), reader)).blocked_in(libc::SYS_read);
    enter_handler(stuck.tid, SIGUSR2);
    let request = stuck.thread.interrupt();
    wait_until_deferred(stuck.tid);
    // What comes meanwhile is not lost either (P2).
    nix::unistd::write(&writer, b"x").unwrap();
    assert!(matches!(request.wait(Duration::ZERO), Outcome::Stuck(_)));
    MAY_END.store(1, SeqCst);
    assert!(matches!(request.wait(LIMIT), Outcome::Raised));
    let (interrupted, reader) = stuck.result();
    assert!(interrupted);
    assert_eq!(plain_read(&reader).unwrap(), b'x');
}

fn own_read_is_interrupted(reader: &OwnedFd) -> bool {
    is_interrupt(&own_read(reader))
}

#[test]
fn in_a_handler_with_restart() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, hold, SA_RESTART, &[]);
        request_while_handler_runs(reach, own_read_is_interrupted);
    });
}

#[test]
fn in_a_handler_without_restart() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, hold, 0, &[]);
        request_while_handler_runs(reach, own_read_is_interrupted);
    });
}

#[test]
fn in_a_handler_with_a_full_mask() {
    in_both_ways(|reach| {
        signals::handle_alone(SIGUSR2, hold, SA_RESTART);
        request_while_handler_runs(reach, own_read_is_interrupted);
    });
}

#[test]
fn in_a_handler_on_an_alternate_stack() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, hold, SA_RESTART | SA_ONSTACK, &[]);
        request_while_handler_runs(reach, |reader| {
            let mut stack = vec![0u8; 64 * 1024];
            on_alternate_stack(&mut stack, || own_read_is_interrupted(reader))
        });
    });
}

/// With SS_AUTODISARM the kernel does not tell, while the handler runs, that it has a stack of its
/// own. Here that one lies above the thread's, as if the stack had grown back past the call.
#[test]
fn in_a_handler_on_an_alternate_stack_that_is_disarmed() {
    if skipped_under_emulation("SS_AUTODISARM", "the emulator has none") {
        return;
    }
    // The kernel maps from the top down, and the stacks of the case's threads are mapped after.
    let memory = Arc::new(Mutex::new(vec![0u8; 1 << 20]));
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, hold, SA_RESTART | SA_ONSTACK, &[]);
        let memory = memory.clone();
        request_while_handler_runs(reach, move |reader| {
            let mut memory = memory.lock().unwrap();
            let here = &raw const reader as usize;
            assert!(here < memory.as_ptr() as usize, "the stacks are the other way round");
            on_alternate_stack_with(SS_AUTODISARM, &mut memory, || own_read_is_interrupted(reader))
        });
    });
}

const SS_AUTODISARM: c_int = 1 << 31;

/// Runs `f` while the thread's handlers may run on that stack.
fn on_alternate_stack<T>(stack: &mut [u8], f: impl FnOnce() -> T) -> T {
    on_alternate_stack_with(0, stack, f)
}

fn on_alternate_stack_with<T>(flags: c_int, stack: &mut [u8], f: impl FnOnce() -> T) -> T {
    let set = |flags, address: *mut u8, size| {
        let stack = libc::stack_t { ss_sp: address.cast(), ss_flags: flags, ss_size: size };
        // SAFETY: the stack is borrowed for as long as it is set.
        assert_eq!(unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) }, 0);
    };
    set(flags, stack.as_mut_ptr(), stack.len());
    let value = f();
    set(libc::SS_DISABLE, std::ptr::null_mut(), 0);
    value
}

#[test]
fn in_a_handler_upon_a_handler() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, hold, SA_RESTART, &[]);
        signals::handle(SIGHUP, hold, SA_RESTART, &[]);
        let (reader, _writer) = pipe();
        let stuck = spawn(reach, move || own_read(reader)).blocked_in(libc::SYS_read);
        enter_handler(stuck.tid, SIGUSR2);
        enter_handler(stuck.tid, SIGHUP);
        let request = stuck.thread.interrupt();
        wait_until_deferred(stuck.tid);
        MAY_END.store(2, SeqCst);
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        assert!(is_interrupt(&stuck.result()));
    });
}

#[test]
fn in_the_second_of_two_handlers() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, hold, SA_RESTART, &[]);
        let (reader, _writer) = pipe();
        let stuck = spawn(reach, move || own_read(reader)).blocked_in(libc::SYS_read);
        for handler in 1..=20 {
            enter_handler(stuck.tid, SIGUSR2);
            if handler < 20 {
                MAY_END.store(handler, SeqCst);
                wait_until_blocked(stuck.tid, libc::SYS_read);
            }
        }
        let request = stuck.thread.interrupt();
        wait_until_deferred(stuck.tid);
        MAY_END.store(20, SeqCst);
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        assert!(is_interrupt(&stuck.result()));
    });
}

#[test]
fn again_and_again() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, hold, SA_RESTART, &[]);
        let (reader, _writer) = pipe();
        let stuck = spawn(reach, move || {
            [(); 20].map(|()| (is_interrupt(&own_read(&reader)), eintr::take().is_some()))
        });
        for round in 1..=20 {
            wait_until_blocked(stuck.tid, libc::SYS_read);
            enter_handler(stuck.tid, SIGUSR2);
            let request = stuck.thread.interrupt();
            wait_until_deferred(stuck.tid);
            MAY_END.store(round, SeqCst);
            assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        }
        assert_eq!(stuck.result(), [(true, true); 20]);
    });
}

extern "C" fn hold_and_unblock(_signal: c_int) {
    let mine = BEGUN.fetch_add(1, SeqCst);
    while MAY_END.load(SeqCst) <= mine {
        signals::unblock(&[signals::ours()]);
        spin_loop();
    }
}

#[test]
fn in_a_handler_that_unblocks_everything() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, hold_and_unblock, SA_RESTART, &[]);
        let (reader, _writer) = pipe();
        let stuck = spawn(reach, move || own_read(reader)).blocked_in(libc::SYS_read);
        enter_handler(stuck.tid, SIGUSR2);
        let request = stuck.thread.interrupt();
        // It lands in the handler as often as it is sent; what comes after the handler's end is the
        // timer's.
        assert!(matches!(request.wait(Duration::from_millis(20)), Outcome::Stuck(_)));
        MAY_END.store(1, SeqCst);
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        assert!(is_interrupt(&stuck.result()));
    });
}

/// What the handler below reads, and whether that was interrupted.
static INNER: AtomicI32 = AtomicI32::new(-1);
static INNER_INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn read_ours(_signal: c_int) {
    BEGUN.fetch_add(1, SeqCst);
    // SAFETY: the case keeps the descriptor open.
    let inner = unsafe { BorrowedFd::borrow_raw(INNER.load(SeqCst)) };
    INNER_INTERRUPTED.store(is_interrupt(&own_read(inner)), SeqCst);
}

#[test]
fn in_our_own_call_in_a_handler() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, read_ours, SA_RESTART, &[]);
        let (reader, _writer) = pipe();
        let (inner, _inner_writer) = pipe();
        INNER.store(inner.as_raw_fd(), SeqCst);
        let stuck = spawn(reach, move || own_read(reader)).blocked_in(libc::SYS_read);
        enter_handler(stuck.tid, SIGUSR2);
        wait_until_blocked(stuck.tid, libc::SYS_read);
        assert!(matches!(stuck.thread.interrupt().wait(LIMIT), Outcome::Raised));
        // The handler's call was interrupted, and the call under the handler too.
        assert!(is_interrupt(&stuck.result()));
        assert!(INNER_INTERRUPTED.load(SeqCst));
    });
}

#[test]
fn after_our_own_call_in_a_handler() {
    in_both_ways(|reach| {
        signals::handle(SIGUSR2, read_ours, SA_RESTART, &[]);
        let (reader, _writer) = pipe();
        let (inner, inner_writer) = pipe();
        INNER.store(inner.as_raw_fd(), SeqCst);
        let stuck = spawn(reach, move || own_read(reader)).blocked_in(libc::SYS_read);
        enter_handler(stuck.tid, SIGUSR2);
        nix::unistd::write(&inner_writer, b"x").unwrap();
        wait_until_blocked(stuck.tid, libc::SYS_read);
        assert!(matches!(stuck.thread.interrupt().wait(LIMIT), Outcome::Raised));
        assert!(is_interrupt(&stuck.result()));
        assert!(!INNER_INTERRUPTED.load(SeqCst));
    });
}

thread_local! {
    /// Where the handler below jumps to.
    static WAY_OUT: Cell<usize> = const { Cell::new(0) };
}

/// Waits, then leaves by a jump, with the mask that was before: as siglongjmp does.
extern "C" fn hold_and_escape(signal: c_int) {
    hold(signal);
    signals::change_mask(libc::SIG_SETMASK, &signals::set_of(&[]));
    WAY_OUT.with(|place| {
        // SAFETY: the case has called `read_until_escaped`, and what lies between owns nothing.
        unsafe { escape::escape(place.as_ptr()) }
    });
}

/// Our own read, deep down, until the handler jumps out of it.
fn read_until_escaped(reader: &OwnedFd) {
    let mut result = None;
    let read = || deep(64, &mut || result = Some(own_read(reader).is_ok()));
    // SAFETY: the frames between here and our call hold a reference to the descriptor and a result
    // without a destructor.
    let escaped = WAY_OUT.with(|place| unsafe { escape::call_escapably(place.as_ptr(), read) });
    assert!(escaped && result.is_none());
}

/// Calls `f` so many KiB down the stack.
#[inline(never)]
fn deep(kib: usize, f: &mut dyn FnMut()) {
    let room = [0u8; 1024];
    match kib {
        0 => f(),
        _ => deep(kib - 1, f),
    }
    black_box(&room);
}

/// Brings a thread, and us, to where its own read was left by a jump out of a handler.
fn escaped_and<T: Send + 'static>(
    reach: bool,
    then: impl FnOnce(&OwnedFd) -> T + Send + 'static,
) -> Target<T> {
    signals::handle(SIGUSR2, hold_and_escape, SA_RESTART | SA_NODEFER, &[]);
    let (reader, writer) = pipe();
    let stuck = spawn(reach, move || {
        read_until_escaped(&reader);
        let _open = writer;
        then(&reader)
    })
    .blocked_in(libc::SYS_read);
    enter_handler(stuck.tid, SIGUSR2);
    stuck
}

#[test]
fn in_a_handler_that_is_left_by_a_jump() {
    in_both_ways(|reach| {
        let stuck = escaped_and(reach, |reader| {
            let plain = came_back(&plain_read(reader));
            (plain, is_interrupt(&own_read(reader)))
        });
        let request = stuck.thread.interrupt();
        wait_until_deferred(stuck.tid);
        MAY_END.store(1, SeqCst);
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        assert_eq!(stuck.result(), (true, true));
    });
}

#[test]
fn after_a_handler_was_left_by_a_jump() {
    in_both_ways(|reach| {
        let stuck = escaped_and(reach, |reader| {
            let plain = [(); 3].map(|()| came_back(&plain_read(reader)));
            (plain, is_interrupt(&own_read(reader)))
        });
        MAY_END.store(1, SeqCst);
        wait_until_blocked(stuck.tid, libc::SYS_read);
        let request = stuck.thread.interrupt();
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        assert_eq!(stuck.result(), ([true; 3], true));
    });
}

#[test]
fn deeper_than_a_call_that_was_left_by_a_jump() {
    in_both_ways(|reach| {
        let (tell, told) = std::sync::mpsc::channel();
        let stuck = escaped_and(reach, move |reader| {
            let mut results = Vec::new();
            deep(128, &mut || {
                // Nothing tells this code from a handler's, the first time.
                results.push(came_back(&plain_read(reader)));
                results.push(eintr::checkpoint().is_err() && eintr::take().is_some());
                tell.send(gettid()).unwrap();
                results.push(is_interrupt(&own_read(reader)));
            });
            results
        });
        MAY_END.store(1, SeqCst);
        wait_until_blocked(stuck.tid, libc::SYS_read);
        assert!(matches!(stuck.thread.interrupt().wait(LIMIT), Outcome::Raised));
        wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
        assert!(matches!(stuck.thread.interrupt().wait(LIMIT), Outcome::Raised));
        assert_eq!(stuck.result(), [true; 3]);
    });
}

#[test]
fn a_task_deeper_than_a_call_that_was_left_by_a_jump() {
    in_both_ways(|reach| {
        let (tell, told) = std::sync::mpsc::channel();
        let stuck = escaped_and(reach, move |reader| {
            let mut results = Vec::new();
            deep(128, &mut || {
                results.push(came_back(&plain_read(reader)));
                let (task, interrupter) = eintr::task();
                eintr::mask(|| {
                    task.run(|| {
                        tell.send(interrupter).unwrap();
                        results.push(is_interrupt(&own_read(reader)));
                    });
                });
                // The outer request was deferred once more at the mask's end; with it gone, nothing
                // is left behind.
                results.push(eintr::take().is_some() && signals::blocked().is_empty());
            });
            results
        });
        MAY_END.store(1, SeqCst);
        wait_until_blocked(stuck.tid, libc::SYS_read);
        stuck.thread.interrupt();
        let inner = told.recv().unwrap();
        wait_until_blocked(stuck.tid, libc::SYS_read);
        assert!(matches!(inner.interrupt().wait(LIMIT), Outcome::Raised));
        assert_eq!(stuck.result(), [true; 3]);
    });
}
