//! What the tests share: a watchdog that names what is stuck, and questions to the kernel in place
//! of sleeps.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

pub mod allocations;
pub mod asked;
pub mod child;
mod emulation;
pub mod escape;
pub mod notices;
pub mod public;
pub mod seccomp;
pub mod signals;
pub mod tables;
pub mod target;

pub use emulation::{emulated, kernels_number, skipped_under_emulation};

/// Long enough for a loaded machine under emulation; nothing waits for it unless it has failed.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How long a test may take. `EINTR_SLOWER` says how many times longer, for a machine that is
/// emulated as a whole.
fn patience() -> Duration {
    static TIMES: LazyLock<u32> = LazyLock::new(|| {
        env::var("EINTR_SLOWER").map_or(1, |times| times.parse().expect("a number"))
    });
    LIMIT * *TIMES
}

/// Runs a test's body; aborts the process, with the name and the threads' whereabouts, if it does
/// not come back.
pub fn watched<T>(name: &str, body: impl FnOnce() -> T) -> T {
    let (done, ended) = mpsc::channel::<()>();
    let name = name.to_owned();
    let limit = patience();
    let watchdog = thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            // Not by `eprintln!`: the test harness keeps that to itself, and does not live to show
            // it.
            let _ =
                writeln!(io::stderr(), "watchdog: {name} is stuck after {limit:?}\n{}", threads());
            std::process::abort();
        }
    });
    let result = body();
    drop(done);
    watchdog.join().unwrap();
    result
}

/// So many rounds, or fewer on a machine on which they would take the watchdog's time.
pub fn rounds(most: usize) -> impl Iterator<Item = usize> {
    let start = Instant::now();
    (0..most).take_while(move |_| start.elapsed() < LIMIT / 2)
}

/// Whether plain calls are reached by Syscall User Dispatch; if they are not, it says what is left
/// out.
pub fn has_dispatch(what: &str) -> bool {
    let has = eintr::support().reach == eintr::Road::Exact;
    if !has {
        eprintln!("skipped: {what}: no Syscall User Dispatch here");
    }
    has
}

/// A line for each thread of this process: name, state, syscall, and what it sleeps on.
pub fn threads() -> String {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let line = |path: std::path::PathBuf| {
        let read = |file| fs::read_to_string(path.join(file)).unwrap_or_default().trim().to_owned();
        format!("{} {} | {} | {}\n", path.display(), read("comm"), read("syscall"), read("wchan"))
    };
    tasks.map(|task| line(task.path())).collect()
}

/// How many threads of this process have that name.
pub fn threads_named(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let comm = |path: std::path::PathBuf| fs::read_to_string(path.join("comm")).unwrap_or_default();
    tasks.filter(|task| comm(task.path()).trim() == name).count()
}

/// The calling thread's id.
pub fn gettid() -> i32 {
    nix::unistd::gettid().as_raw()
}

/// Whether a thread of this process sleeps in that syscall.
pub fn sleeps_in(tid: i32, syscall: i64) -> bool {
    sleeping_in(tid) == Some(kernels_number(syscall))
}

/// The kernel's number of the syscall in which a thread of this process sleeps; none if it runs, or
/// sleeps outside of one.
pub fn sleeping_in(tid: i32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
    let state = stat.rsplit(") ").next()?.chars().next()?;
    let syscall = fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).ok()?;
    let number = syscall.split_whitespace().next()?.parse().ok()?;
    (state == 'S').then(|| under_its_later_name(number))
}

/// musl's `open` and `nanosleep` make the syscalls of those names; other libcs make those that came
/// later.
fn under_its_later_name(number: i64) -> i64 {
    match number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => libc::SYS_openat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_nanosleep => libc::SYS_clock_nanosleep,
        number => number,
    }
}

/// Waits until a thread of this process sleeps in a syscall.
pub fn wait_until_blocked(tid: i32, syscall: i64) {
    wait_until(&format!("thread {tid} sleeps in syscall {syscall}"), || sleeps_in(tid, syscall));
}

/// How often a thread of this process has gone to sleep so far. One that sleeps, and is woken by a
/// signal to sleep on, has gone to sleep once more.
pub fn times_asleep(tid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("the kernel counts").trim().parse().unwrap()
}

/// Waits until a thread of this process sleeps on a futex, by itself or as one of two.
pub fn wait_until_on_futex(tid: i32) {
    const FUTEX_WAITV: i64 = 449;
    // An emulator has locks of its own, on which its threads sleep by another operation.
    let waits_by_bits = || {
        let line = fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).unwrap_or_default();
        let operation = libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG;
        line.split_whitespace().nth(2) == Some(&format!("{operation:#x}"))
    };
    let sleeps = || match sleeping_in(tid) {
        Some(number) if number == kernels_number(libc::SYS_futex) => !emulated() || waits_by_bits(),
        number => number == Some(FUTEX_WAITV),
    };
    wait_until(&format!("thread {tid} sleeps on a futex"), sleeps);
}

/// Waits for something that another thread or process is about to bring about.
pub fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let (start, limit) = (Instant::now(), patience());
    while !happened() {
        assert!(start.elapsed() < limit, "not after {limit:?}: {what}\n{}", threads());
        thread::yield_now();
    }
}
