//! The handler takes no lock, allocates nothing, and keeps errno (P10).
//!
//! The tests here work like this: our handler has SA_ONSTACK, so a thread with an alternate stack
//! has it run there. The allocator of this binary aborts when it finds itself called on that stack.
//! That the handler has run there is seen by the marks that it leaves on a stack filled with a
//! pattern. Locks are found out by a thread that is hit by signals while it holds every lock of
//! ours in turn: a handler that takes one never comes back, and the watchdog says so.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use eintr::{Interrupter, Task, checkpoint, mask, take, task};
use libc::{SA_ONSTACK, SA_RESTART, SIGABRT, SIGUSR1, SIGUSR2, c_int};
use test_support::child::{alone, dies_by};
use test_support::signals::{Hammer, RUNS, share_the_signal};
use test_support::target::{came_back, is_interrupt, own_read, pipe, plain_read, spawn};
use test_support::{emulated, gettid, signals, wait_until};

thread_local! {
    /// The thread's alternate stack, as this file has set it.
    static ALTERNATE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct NotInHandlers;

/// Aborts on the alternate stack.
fn check() {
    let here = 0u8;
    let (start, end) = ALTERNATE.get();
    if (start..end).contains(&(&raw const here as usize)) {
        std::process::abort();
    }
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for NotInHandlers {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        check();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: NotInHandlers = NotInHandlers;

const PATTERN: u8 = 0xa5;

/// An alternate stack in force on this thread.
struct Alternate(Vec<u8>);

impl Alternate {
    fn set() -> Self {
        let mut stack = vec![PATTERN; 64 * 1024];
        let Range { start, end } = stack.as_mut_ptr_range();
        let own = libc::stack_t { ss_sp: start.cast(), ss_flags: 0, ss_size: stack.len() };
        // SAFETY: the stack lives until it is disabled.
        assert_eq!(unsafe { libc::sigaltstack(&own, ptr::null_mut()) }, 0);
        ALTERNATE.set((start as usize, end as usize));
        Self(stack)
    }

    /// Whether a handler has run there since the last look. To be asked while none runs.
    fn was_used(&mut self) -> bool {
        let start = self.0.as_mut_ptr();
        let length = self.0.len();
        // SAFETY: the handlers that wrote there have returned; volatile, for the compiler does not
        // know of them.
        let used = (0..length).any(|i| unsafe { start.add(i).read_volatile() } != PATTERN);
        if used {
            self.0.fill(PATTERN);
        }
        used
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        ALTERNATE.set((0, 0));
        let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: nothing is read but the flag.
        assert_eq!(unsafe { libc::sigaltstack(&none, ptr::null_mut()) }, 0);
    }
}

#[test]
fn it_allocates_nothing() {
    alone(|| {
        allocates_nothing(true);
        allocates_nothing(false);
    });
}

fn allocates_nothing(reach: bool) {
    let (reader, _writer) = pipe();
    let (ready, is_ready) = mpsc::channel();
    let stuck = spawn(reach, move || {
        let mut alternate = Alternate::set();
        ready.send(()).unwrap();
        (0..50)
            .map(|round| {
                // In our own call; in a plain one, with a timer made; while computing, in a mask
                // and after it.
                let interrupted = match round % 3 {
                    0 => is_interrupt(&own_read(&reader)),
                    1 => came_back(&plain_read(&reader)),
                    _ => mask(|| true) && computing_is_interrupted(),
                };
                // The signal of a request that was made before our call began may still come.
                wait_until("the handler has run", || alternate.was_used());
                interrupted && take().is_some()
            })
            .collect::<Vec<bool>>()
    });
    is_ready.recv().unwrap();
    let interrupter = stuck.thread.interrupter();
    let mut taken = 0;
    while !interrupter.is_finished() {
        let request = interrupter.interrupt_with(taken.to_string());
        wait_until("it was taken", || {
            interrupter.report().pending_for.is_none() || interrupter.is_finished()
        });
        drop(request);
        taken += 1;
    }
    assert_eq!(stuck.result(), [true; 50]);
    assert!(taken >= 50);
}

fn computing_is_interrupted() -> bool {
    while checkpoint().is_ok() {}
    true
}

extern "C" fn allocate(_signal: c_int) {
    drop(std::hint::black_box(Box::new(1)));
}

#[test]
fn a_handler_that_allocates_is_found_out() {
    dies_by(SIGABRT, || {
        signals::handle(SIGUSR2, allocate, SA_ONSTACK, &[]);
        let _alternate = Alternate::set();
        signals::send(gettid(), SIGUSR2);
    });
}

#[test]
fn it_takes_no_lock() {
    alone(|| {
        share_the_signal();
        takes_no_lock(true);
        takes_no_lock(false);
    });
}

fn takes_no_lock(reach: bool) {
    RUNS.store(0, SeqCst);
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::new(AtomicUsize::new(0));
    let (stopped, has_raised) = (stop.clone(), raised.clone());
    let busy = spawn(reach, move || {
        let _alternate = Alternate::set();
        let own = Interrupter::current().unwrap();
        while !stopped.load(SeqCst) {
            // Every lock of ours, and the allocator's, on this very thread.
            own.interrupt_with("a reason on the heap");
            has_raised.fetch_add(usize::from(checkpoint().is_err()), SeqCst);
            mask(|| Task::root().run(|| task().0.run(|| take().is_none())));
            own.report();
            own.interrupt().wait(Duration::ZERO);
            (0..3).for_each(|_| drop(take()));
        }
    });
    // From another thread, as fast as can be, and from two sides.
    let hammer = Hammer::on(busy.tid, SIGUSR1);
    let interrupter = busy.thread.interrupter();
    let enough = if emulated() { 100 } else { 200 };
    wait_until("enough signals have landed", || {
        interrupter.interrupt();
        RUNS.load(SeqCst) > enough && raised.load(SeqCst) > 0
    });
    drop(hammer);
    stop.store(true, SeqCst);
    busy.result();
}

extern "C" fn spoil_errno(_signal: c_int) {
    RUNS.fetch_add(1, SeqCst);
    // SAFETY: errno is this thread's.
    unsafe { *libc::__errno_location() = libc::EDOM };
}

/// Whether errno is the same after a signal of our number.
fn keeps_errno() -> bool {
    // SAFETY: errno is this thread's; no pointers.
    unsafe {
        let errno = libc::__errno_location();
        errno.write_volatile(libc::EXDEV);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), SIGUSR1);
        errno.read_volatile() == libc::EXDEV
    }
}

#[test]
fn it_keeps_errno() {
    alone(|| {
        signals::handle(SIGUSR1, spoil_errno, SA_RESTART, &[]);
        eintr::install(eintr::Signal::USR1).unwrap();
        let (task, interrupter) = task();
        task.run(|| {
            for _ in 0..10 {
                assert!(keeps_errno());
                interrupter.interrupt();
                assert!(keeps_errno() && keeps_errno());
                assert!(take().is_some());
            }
        });
        // Each of them was passed on as well, to a handler that spoils errno.
        assert_eq!(RUNS.load(SeqCst), 30);
    });
}

#[test]
fn it_keeps_errno_though_its_own_calls_fail() {
    alone(|| {
        // No timer can be made.
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is borrowed.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &none) }, 0);
        let (task, interrupter) = task();
        task.run(|| {
            assert_eq!(signals::ours(), SIGUSR1);
            interrupter.interrupt();
            assert!((0..10).all(|_| keeps_errno()));
        });
    });
}
