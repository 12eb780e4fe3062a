//! Nothing is allocated and nothing is freed behind the gate (S22).
//!
//! The test here works like this: a thread that takes the gate notes where. The allocator of this
//! binary, when it is called by such a thread, notes that place as a fault. Each operation of the
//! table brings about what it is named for; together they must have come by every place in the
//! sources where the gate is taken, so that none can be added and left untried.
//!
//! # Safety
//!
//! The allocator is the system's. A place is a constant, and lives for ever. A forked child does what
//! libc allows it, and ends by `_exit`. The kernel is handed structures of the function's own.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{env, fs, hint, io, ptr, thread};

use crate::deadline::open::{Limit, Open};
use crate::entry::futex_wait;
use crate::kernel::{futex, signals};
use crate::mask::Mask;
use crate::reach::Reach;
use crate::termination::Heartbeat;
use crate::thread::block;
use crate::{
    Error, Group, Interrupted, Interrupter, JoinHandle, Outcome, Signal, Task, TimedOut,
    checkpoint, cleanup, is_interrupted, mask, observed, report, scope, spawn, take, task,
    termination, timeout, try_scope, with_hook, within,
};

type Place = Location<'static>;

thread_local! {
    /// Where the calling thread has taken the gate that it holds.
    static HELD_SINCE: Cell<Option<&'static Place>> = const { Cell::new(None) };
}

/// Places where the gate was taken, each once for each piece of compiled code.
static TAKEN_AT: [AtomicPtr<Place>; 512] = [const { AtomicPtr::new(ptr::null_mut()) }; 512];
/// The first place behind which something was allocated or freed.
static FAULT: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());

/// The gate is held by this thread.
pub(crate) struct Held(());

impl Held {
    #[track_caller]
    pub(crate) fn here() -> Self {
        let place = Location::caller();
        assert!(HELD_SINCE.replace(Some(place)).is_none(), "the gate was taken twice");
        let place = ptr::from_ref(place).cast_mut();
        for known in &TAKEN_AT {
            let noted = known.compare_exchange(ptr::null_mut(), place, Relaxed, Relaxed);
            if noted.is_ok() || noted == Err(place) {
                break;
            }
        }
        Self(())
    }

    pub(crate) fn end() {
        HELD_SINCE.set(None);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        Self::end();
    }
}

struct NotBehindTheGate;

#[global_allocator]
static ALLOCATOR: NotBehindTheGate = NotBehindTheGate;

fn check() {
    if let Some(place) = HELD_SINCE.get() {
        let place = ptr::from_ref(place).cast_mut();
        let _ = FAULT.compare_exchange(ptr::null_mut(), place, SeqCst, SeqCst);
    }
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for NotBehindTheGate {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        check();
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check();
        // SAFETY: the caller's promise, unchanged.
        unsafe { System.realloc(memory, layout, size) }
    }
}

fn fault() -> Option<&'static Place> {
    // SAFETY: null, or a place, which is a constant.
    unsafe { FAULT.load(SeqCst).as_ref() }
}

const OPERATIONS: &[(&str, fn())] = &[
    ("the first use", the_first_use),
    ("tasks and masks, nested", tasks_and_masks),
    ("requests of all kinds", requests),
    ("a request while the thread ends", a_request_while_the_thread_ends),
    ("a thread that ends in a task", a_thread_that_ends_in_a_task),
    ("waits for tasks", waits),
    ("a report, and a thread that does not answer it", reports),
    ("a group", a_group),
    ("a scope", a_scope),
    ("hooks", hooks),
    ("deadlines", deadlines),
    ("what ends on another thread", what_ends_elsewhere),
    ("a signal that is lost", a_lost_signal),
    ("a result and a request at once", a_result_and_a_request),
    ("a signal that is taken from us", a_signal_that_is_taken),
    ("forks", forks),
    ("another program that is not there", another_program),
    ("deadlines without timers", deadlines_without_timers),
    ("signals, and a heartbeat", signals_and_a_heartbeat),
    ("an observer", an_observer),
    #[cfg(feature = "capi")]
    ("the numbers that C has", numbers),
];

#[test]
fn nothing_is_allocated_or_freed_behind_the_gate() {
    an_allocation_would_be_noticed();
    // An emulator has a queue of signals of its own: without timers, nothing comes at a deadline there.
    let is_tried = |name: &str| !is_emulated() || name != "deadlines without timers";
    for (name, operation) in OPERATIONS.iter().filter(|(name, _)| is_tried(name)) {
        watched(name, operation);
        assert!(fault().is_none(), "{name}: an allocation behind the gate of {}", fault().unwrap());
    }
    // An emulator lacks some of the syscalls that lead there.
    if !is_emulated() {
        let taken = taken_at();
        let left_out: Vec<_> = in_sources().difference(&taken).cloned().collect();
        assert!(left_out.is_empty(), "no operation comes by {left_out:?}");
    }
}

/// The checker is checked.
fn an_allocation_would_be_noticed() {
    let gate = crate::thread::fork_gate::gate();
    drop(hint::black_box(Box::new(1)));
    drop(gate);
    assert!(fault().is_some_and(|place| place.file().ends_with("fork_gate/tests.rs")));
    FAULT.store(ptr::null_mut(), SeqCst);
}

/// Aborts the process, with the operation's name, if it does not come to its end.
fn watched(name: &'static str, operation: impl FnOnce()) {
    let (done, ended) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        let slower = std::env::var("EINTR_SLOWER").map_or(1, |times| times.parse().unwrap());
        let limit = Duration::from_secs(60 * slower);
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} is stuck");
            std::process::abort();
        }
    });
    operation();
    drop(done);
    watchdog.join().unwrap();
}

/// Where the gate was taken, as `file:line`.
fn taken_at() -> BTreeSet<String> {
    let places = TAKEN_AT.iter().map(|place| place.load(Relaxed)).take_while(|at| !at.is_null());
    // SAFETY: a place, which is a constant.
    let places = places.map(|place| unsafe { &*place });
    places.map(|place| format!("{}:{}", place.file(), place.line())).collect()
}

/// Where the sources take it.
fn in_sources() -> BTreeSet<String> {
    fn visit(path: &Path, found: &mut BTreeSet<String>) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if here.is_dir() {
            for entry in fs::read_dir(here).unwrap().flatten() {
                visit(&path.join(entry.file_name()), found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for (index, line) in fs::read_to_string(here).unwrap().lines().enumerate() {
                let is_code = !line.trim_start().starts_with("//");
                let takes = ["fork_gate::gate()", "fork_gate::with_room("]
                    .iter()
                    .any(|it| line.contains(it));
                if is_code && takes && !path.ends_with("fork_gate/tests.rs") {
                    found.insert(format!("{}:{}", path.display(), index + 1));
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    visit(Path::new("src"), &mut found);
    if cfg!(not(feature = "capi")) {
        found.retain(|place| !place.starts_with("src/capi"));
    }
    assert!(found.len() > 30, "the sources were not read right: {found:?}");
    found
}

// The operations.

fn the_first_use() {
    task().0.run(checkpoint).unwrap();
    assert!(crate::install(Signal::USR2).is_err());
}

fn signals_and_a_heartbeat() {
    let heartbeat = Heartbeat::fed_in("beats", Some(Duration::from_millis(1))).unwrap();
    termination::status("tested").unwrap();
    let (tell, told) = mpsc::channel();
    let registration = termination::on(&[libc::SIGWINCH], move |_| tell.send(()).unwrap());
    // When the second is heard, all else has been looked at after the first.
    for _ in 0..2 {
        heartbeat.beat();
        signal_hook::low_level::raise(libc::SIGWINCH).unwrap();
        told.recv().unwrap();
    }
    drop((registration, heartbeat));
}

/// To the end: there is no way to get rid of it.
fn an_observer() {
    observed::by(|happening| drop(format!("{happening:?}"))).unwrap();
    let (task, interrupter) = task();
    interrupter.interrupt_with("observed");
    task.name("observed").run(|| assert!(checkpoint().is_err()));
}

fn tasks_and_masks() {
    fn nested(depth: u32) {
        let task = if depth % 2 == 0 { Task::root() } else { Task::new() };
        task.name(format!("task {depth}")).name("again").run(|| {
            assert!(Interrupter::current().is_some() && checkpoint().is_ok());
            mask(|| {
                if depth > 0 {
                    nested(depth - 1)
                }
            });
        });
    }
    nested(9);
    drop(task());
}

fn requests() {
    let (outer, outers) = task();
    // More than there is room for, before it runs and after.
    (0..9).for_each(|number| drop(outers.interrupt_with(number.to_string())));
    outer.run(|| {
        (0..9).for_each(|number| drop(outers.interrupt_with(number.to_string())));
        let request = outers.interrupt();
        assert!(checkpoint().is_err() && is_interrupted() && outers.raised().is_some());
        assert!(Interrupted::of(&io::Error::from_raw_os_error(libc::ECANCELED)).is_none());
        assert!(!format!("{outers:?} {request:?} {}", outers.report()).is_empty());
        while take().is_some() {}
        assert!(matches!(request.wait(Duration::ZERO), Outcome::Raised));
        assert!(outers.wait_finished(Duration::ZERO).is_err());
    });
    assert!(matches!(outers.interrupt().wait(Duration::ZERO), Outcome::Finished));
}

/// The requester may have the last count of the thread's record, or of its hooks.
fn a_request_while_the_thread_ends() {
    for _ in 0..300 {
        let both = Arc::new(Barrier::new(2));
        let ending = both.clone();
        let worker = spawn(move || {
            with_hook(|_| {}, || ending.wait());
        });
        let interrupter = worker.interrupter();
        both.wait();
        interrupter.interrupt();
        interrupter.report();
        report();
        worker.join().unwrap();
    }
}

/// What ends it does not unwind.
fn a_thread_that_ends_in_a_task() {
    let (task, interrupter) = task();
    thread::spawn(move || std::mem::forget(task.begin())).join().unwrap();
    assert!(interrupter.is_finished());
}

fn waits() {
    let worker = spawn(|| crate::time::sleep(Duration::MAX).is_err());
    let waiter = {
        let interrupter = worker.interrupter();
        thread::spawn(move || interrupter.wait_finished(Duration::MAX).is_ok())
    };
    assert!(!worker.interrupter().is_finished());
    assert!(matches!(worker.interrupt().wait(Duration::MAX), Outcome::Raised | Outcome::Finished));
    worker.wait().unwrap();
    assert!(worker.join().unwrap() && waiter.join().unwrap());
}

fn reports() {
    let (tell, told) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let deaf = spawn(move || {
        signals::change_mask(libc::SIG_SETMASK, signals::ALL_BUT_SIGSYS);
        tell.send(()).unwrap();
        wait.recv().is_err()
    });
    told.recv().unwrap();
    #[cfg(feature = "stacks")]
    {
        let node = &deaf.interrupter().0.tasks()[0];
        let record = node.record().unwrap();
        assert!(
            crate::report::snapshot::take(&record, node, false, Duration::from_millis(1)).is_none()
        );
    }
    assert!(!report().is_empty());
    drop(go);
    assert!(deaf.join().unwrap());
}

fn a_group() {
    let group = Group::new();
    let inner = Group::new();
    group.add(&inner);
    let made: Vec<_> = (0..20).map(|_| task()).collect();
    // Not in the order of their ids.
    made.iter().rev().for_each(|(_, interrupter)| group.add(interrupter));
    let workers = (0..20).map(|number| {
        let group = if number % 2 == 0 { &group } else { &inner };
        group.spawn(|| crate::time::sleep(Duration::MAX))
    });
    let workers: Vec<_> = workers.collect();
    let panics = [(); 66].map(|()| group.spawn(|| resume_unwind(Box::new("on purpose"))));
    panics.into_iter().for_each(|panicked: JoinHandle<()>| assert!(panicked.join().is_err()));
    drop(made);
    assert!(!group.is_empty());
    assert_eq!(group.stop(Duration::MAX).unwrap_err().panic_count(), 66);
    workers.into_iter().for_each(|worker| assert!(worker.join().unwrap().is_err()));
    group.spawn(|| assert!(checkpoint().is_err())).join().unwrap();
    assert!(format!("{group:?}").contains("interrupted: true"));
}

fn a_scope() {
    let (outer, outers) = task();
    outer.run(|| {
        let all = Barrier::new(7);
        let interrupted = within(Duration::MAX, || {
            scope(|s| {
                let worker = || {
                    with_hook(
                        |_| {},
                        || {
                            all.wait();
                            let interrupted = crate::time::sleep(Duration::MAX).is_err();
                            all.wait();
                            // Taken by the body.
                            all.wait();
                            interrupted
                        },
                    )
                };
                let threads: Vec<_> = (0..6).map(|_| s.spawn(worker)).collect();
                all.wait();
                outers.interrupt_with("of many threads");
                all.wait();
                let (inner, _) = task();
                assert!(inner.run(take).is_none());
                all.wait();
                threads.into_iter().all(|thread| thread.join().unwrap())
            })
        });
        assert!(interrupted.value && take().is_some());
    });
    let failed = try_scope(|s| {
        s.spawn(|| Err::<(), _>(Error::Io(io::Error::other("one"))));
        s.spawn(|| Err::<(), _>(Error::Io(io::Error::other("two"))));
        Ok(())
    });
    assert!(failed.is_err());
}

fn hooks() {
    fn nested(depth: u32, runs: &AtomicU32) {
        let hook = |_: &Interrupted| {
            runs.fetch_add(1, SeqCst);
        };
        with_hook(hook, || match depth {
            0 => {
                let interrupter = Interrupter::current().unwrap();
                thread::spawn(move || drop(interrupter.interrupt())).join().unwrap();
                mask(|| assert!(!is_interrupted()));
                assert!(take().is_some());
            }
            _ => nested(depth - 1, runs),
        });
    }
    let runs = AtomicU32::new(0);
    task().0.run(|| nested(9, &runs));
    assert_eq!(runs.load(SeqCst), 10);
    let (panicking, interrupter) = task();
    let ended = panicking.run(|| {
        let hook = |_: &Interrupted| resume_unwind(Box::new("on purpose"));
        catch_unwind(AssertUnwindSafe(|| with_hook(hook, || drop(interrupter.interrupt()))))
    });
    assert!(ended.is_err());
}

fn deadlines() {
    let told = timeout(Duration::from_millis(5), || {
        with_hook(
            |_| {},
            || {
                mask(|| cleanup(Duration::from_millis(1), spin).value);
                spin();
                Err::<(), _>(TimedOut)
            },
        )
    });
    assert_eq!(told, Err(TimedOut));
}

fn spin() {
    while !is_interrupted() {
        hint::spin_loop();
    }
    assert!(checkpoint().is_err());
}

/// As code on a coroutine does that goes on elsewhere. Nobody is told, for each is a destructor that
/// a panic runs.
fn what_ends_elsewhere() {
    fn elsewhere<T: Send + 'static>(begun: T) {
        let panicking = move || {
            let _begun = begun;
            resume_unwind(Box::new("on purpose"))
        };
        thread::spawn(panicking).join().unwrap_err();
    }
    thread::spawn(|| {
        let (task, interrupter) = task();
        interrupter.interrupt();
        elsewhere(task.begin());
        elsewhere(Mask::begin());
        elsewhere(Reach::set(true));
        elsewhere(Open::begin(Limit::after(Duration::ZERO)).unwrap());
        assert!(interrupter.is_finished() && checkpoint().is_ok());
        assert!(!is_interrupted() && Interrupter::current().is_none());
    })
    .join()
    .unwrap();
}

fn a_lost_signal() {
    let lost = || block::with(|block| block.delivery.announce());
    let in_flight = || block::with(|block| block.delivery.is_announced());
    lost();
    task().0.run(|| assert!(!in_flight()));
    // What was announced is waited for.
    lost();
    crate::after_change::sync_to_word();
    assert!(in_flight());
    task().0.run(|| assert!(!in_flight()));
}

/// A thread that waits by futex is woken by a requester, and by what it waits for before it has run.
fn a_result_and_a_request() {
    let is_told = || taken_at().iter().any(|place| place.starts_with("src/entry/futex_wait.rs"));
    // An emulator has no wait on two words: there nobody is told so.
    for _ in 0..if is_emulated() { 10 } else { 100_000 } {
        if is_told() {
            break;
        }
        let word = Arc::new(AtomicU32::new(0));
        let awaited = word.clone();
        let (tell, told) = mpsc::channel();
        let worker = spawn(move || {
            tell.send(crate::kernel::raw::gettid()).unwrap();
            futex_wait::wait(&awaited, 0)
        });
        let tid = told.recv().unwrap();
        while !sleeps(tid) {
            thread::yield_now();
        }
        word.store(1, SeqCst);
        worker.interrupt();
        futex::wake_all(&word);
        let _ = worker.join().unwrap();
    }
}

fn is_emulated() -> bool {
    env::var_os("EINTR_EMULATED").is_some()
}

fn sleeps(tid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
}

/// In a child too, the fault is the status.
fn in_fork(checks: impl FnOnce()) {
    // SAFETY: the child runs what glibc allows it.
    match unsafe { libc::fork() } {
        0 => {
            let held = catch_unwind(AssertUnwindSafe(checks)).is_ok();
            // SAFETY: no destructor or buffer of the parent's is to be run here.
            unsafe { libc::_exit(i32::from(!held) + 2 * i32::from(fault().is_some())) }
        }
        child => {
            let mut status = 0;
            // SAFETY: the kernel writes the status.
            let waited = mask(|| unsafe { libc::waitpid(child, &mut status, 0) });
            assert_eq!((waited, status), (child, 0));
        }
    }
}

fn forks() {
    in_fork(|| {});
    let others = spawn(|| crate::time::sleep(Duration::MAX));
    let (outer, outers) = task();
    let ran = AtomicBool::new(false);
    outer.run(|| {
        outers.interrupt();
        in_fork(|| {
            assert!(take().is_some() && others.interrupter().is_finished());
            assert_eq!(report().len(), 1);
            spawn(checkpoint).join().unwrap().unwrap();
        });
        take();
        within(Duration::from_millis(20), || {
            with_hook(
                |_| ran.store(true, SeqCst),
                || {
                    in_fork(|| {
                        while !ran.load(SeqCst) {
                            thread::yield_now();
                        }
                    });
                },
            );
        });
        scope(|s| {
            s.spawn(|| in_fork(|| assert!(checkpoint().is_ok())));
        });
    });
    others.interrupt();
    others.join().unwrap().unwrap_err();
}

fn a_signal_that_is_taken() {
    let number = crate::support().signal.unwrap();
    // SAFETY: a disposition that is no handler.
    unsafe { libc::signal(number, libc::SIG_IGN) };
    let (task, interrupter) = crate::task();
    task.run(|| {
        interrupter.interrupt();
        assert!(checkpoint().is_err());
    });
    assert_ne!(crate::support().signal, Some(number));
}

fn another_program() {
    let (task, interrupter) = crate::task();
    task.run(|| {
        interrupter.interrupt();
        crate::process::exec(&mut std::process::Command::new("/nonexistent"));
    });
}

/// At the limit on queued signals, a helper thread keeps them.
fn deadlines_without_timers() {
    let [before, none] = [(); 2].map(|()| libc::rlimit { rlim_cur: 0, rlim_max: 0 });
    let mut before = before;
    // SAFETY: the kernel writes a limit.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_SIGPENDING, &mut before) }, 0);
    let none = libc::rlimit { rlim_max: before.rlim_max, ..none };
    // SAFETY: the kernel reads a limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &none) }, 0);
    let workers = [(); 9].map(|()| {
        thread::spawn(|| {
            timeout(Duration::from_millis(5), || {
                spin();
                Err::<(), _>(TimedOut)
            })
        })
    });
    workers.into_iter().for_each(|worker| assert_eq!(worker.join().unwrap(), Err(TimedOut)));
    thread::spawn(|| {
        let told = timeout(Duration::from_millis(20), || {
            within(Duration::from_secs(3600), || in_fork(spin));
            spin();
            Err::<(), _>(TimedOut)
        });
        assert_eq!(told, Err(TimedOut));
    })
    .join()
    .unwrap();
    // SAFETY: the kernel reads a limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &before) }, 0);
}

#[cfg(feature = "capi")]
fn numbers() {
    // SAFETY: as in `src/capi`; the name is null.
    unsafe extern "C" {
        safe fn eintr_task_new(name: *const std::ffi::c_char, flags: u32) -> u64;
        safe fn eintr_task_interrupter(task: u64) -> u64;
        safe fn eintr_task_free(task: u64) -> i32;
        safe fn eintr_interrupt(interrupter: u64) -> i64;
        safe fn eintr_interrupter_free(interrupter: u64) -> i32;
    }
    let tasks: Vec<_> = (0..20).map(|_| eintr_task_new(ptr::null(), 0)).collect();
    let interrupters: Vec<_> = tasks.iter().map(|task| eintr_task_interrupter(*task)).collect();
    assert!(interrupters.iter().all(|number| eintr_interrupt(*number) == 1));
    assert!(tasks.iter().all(|number| eintr_task_free(*number) == 0));
    assert!(interrupters.iter().all(|number| eintr_interrupter_free(*number) == 0));
    assert_eq!(eintr_interrupt(interrupters[0]), -1);
}
