//! Reports: what they say of a thread that is stuck, that they come in time, and that the threads
//! do not notice.
//!
//! The tests here work like this: threads are brought into a call, `/proc` is asked whether they
//! are in it, and the report must say the same in words.

use std::cell::UnsafeCell;
use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use eintr::{Interrupter, Outcome, Report, ThreadState};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use test_support::child::alone;
use test_support::target::{Target, own_read, pipe, plain_read, spawn, target, unreached};
use test_support::{
    LIMIT, child, signals, skipped_under_emulation, wait_until, wait_until_blocked,
};

/// The report on a target, taken while it sleeps in that syscall.
fn report_in<T>(target: &Target<T>, syscall: i64) -> Report {
    wait_until_blocked(target.tid, syscall);
    target.thread.interrupter().report()
}

/// What the report says of the syscall, and on what.
fn told(report: &Report) -> (String, Option<i32>, String) {
    let thread = report.thread.as_ref().unwrap();
    let what = thread.waits_on.clone().unwrap_or_default();
    (thread.syscall.clone().unwrap_or_default(), thread.fd, what)
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

// What it waits on.

#[test]
fn a_socket_is_told_with_its_addresses() {
    alone(|| {
        let (client, server) = connection();
        let [own, peer] = [server.local_addr().unwrap(), server.peer_addr().unwrap()];
        let fd = server.as_raw_fd();
        let reader = target(move || (&server).read(&mut [0]).map(drop));
        let report = report_in(&reader, libc::SYS_recvfrom);
        let what = format!("TCP socket {own}, peer {peer}");
        assert_eq!(told(&report), ("recvfrom".into(), Some(fd), what.clone()));
        let line = format!("sleeping in recvfrom of fd {fd} ({what}), not asked");
        assert!(report.to_string().contains(&line), "{report}");
        drop(client);
        reader.result().unwrap();
    });
}

#[test]
fn a_listener_is_told() {
    alone(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (fd, address) = (listener.as_raw_fd(), listener.local_addr().unwrap());
        let acceptor = target(move || listener.accept().map(drop));
        let report = report_in(&acceptor, libc::SYS_accept4);
        let (syscall, told_fd, what) = told(&report);
        assert!(syscall.starts_with("accept"), "{report}");
        assert_eq!((told_fd, what), (Some(fd), format!("TCP listener {address}")));
        TcpStream::connect(address).unwrap();
        acceptor.result().unwrap();
    });
}

#[test]
fn a_pipe_and_a_file_are_told() {
    alone(|| {
        let (reader, writer) = pipe();
        let fd = reader.as_raw_fd();
        let stuck = target(move || plain_read(reader));
        let (syscall, told_fd, what) = told(&report_in(&stuck, libc::SYS_read));
        assert_eq!((&*syscall, told_fd), ("read", Some(fd)));
        assert!(what.starts_with("pipe:["), "{what}");
        nix::unistd::write(&writer, b"x").unwrap();
        stuck.result().unwrap();

        let path = std::env::temp_dir().join(format!("eintr-report-{}", std::process::id()));
        let [held, wanted] = [(); 2].map(|()| File::create(&path).unwrap());
        held.lock().unwrap();
        let fd = wanted.as_raw_fd();
        let stuck = target(move || wanted.lock());
        let report = report_in(&stuck, libc::SYS_flock);
        assert_eq!(told(&report), ("flock".into(), Some(fd), path.display().to_string()));
        std::fs::remove_file(&path).unwrap();
        drop(held);
        stuck.result().unwrap();
    });
}

#[test]
fn a_child_is_told_by_name() {
    alone(|| {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let waiter = target(move || {
            let ended = child.wait();
            let _ = child.kill();
            (ended.is_err(), child.wait())
        });
        let report = report_in(&waiter, libc::SYS_wait4);
        // It may be on its way to its sleep.
        assert!(told(&report).2.starts_with(&format!("child {pid} (sleep), ")), "{report}");
        // SAFETY: no pointers; the child is not reaped before this.
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
        waiter.result().1.unwrap();
    });
}

#[test]
fn a_path_and_what_is_polled_are_told() {
    if skipped_under_emulation("paths and pollfds", "the kernel's addresses are the emulator's") {
        return;
    }
    alone(|| {
        let path = std::env::temp_dir().join(format!("eintr-fifo-{}", std::process::id()));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let opened = path.clone();
        let opener = target(move || File::open(opened).map(drop));
        let report = report_in(&opener, libc::SYS_openat);
        assert_eq!(told(&report), ("openat".into(), None, path.display().to_string()));
        drop(File::options().write(true).open(&path).unwrap());
        opener.result().unwrap();
        std::fs::remove_file(&path).unwrap();

        let (reader, writer) = pipe();
        let fd = reader.as_raw_fd();
        let poller = target(move || plain_poll(reader));
        wait_until("it polls", || is_in(&poller, "poll"));
        let report = poller.thread.interrupter().report();
        let (syscall, told_fd, what) = told(&report);
        assert!(syscall.ends_with("poll") && told_fd == Some(fd), "{report}");
        assert!(what.starts_with("pipe:["), "{what}");
        drop(writer);
        assert!(poller.result());
    });
}

// The cure.

#[test]
fn a_foreign_lock_is_told_with_its_cure() {
    alone(|| {
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        let wanted = lock.clone();
        let stuck = target(move || drop(wanted.lock().unwrap())).blocked_in(libc::SYS_futex);
        assert_eq!(stuck.thread.interrupter().report().cure(), None, "nobody has asked");
        // Not reached exactly, it is woken now and then.
        wait_until("its cure is told", || {
            let outcome = stuck.thread.interrupt().wait(Duration::from_millis(1));
            let Outcome::Stuck(report) = outcome else { panic!("a lock's wait is not broken") };
            let cure = report.cure().unwrap();
            let is_told = cure.contains("eintr::sync") && cure.contains("with_hook");
            assert!(!is_told || report.to_string().contains(&format!("\n    cure: {cure}")));
            is_told
        });
        drop(held);
        stuck.result();
    });
}

#[test]
fn a_masked_task_and_one_that_computes_are_told_theirs() {
    alone(|| {
        let (reader, writer) = pipe();
        let masked = target(|| eintr::mask(|| own_read(reader))).blocked_in(libc::SYS_read);
        let Outcome::Masked(report) = masked.thread.interrupt().wait(Duration::from_millis(1))
        else {
            panic!("it is masked");
        };
        assert!(report.cure().unwrap().contains("mask"), "{report}");
        drop(writer);
        let _ = masked.result();

        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let busy = target(move || while !stopped.load(SeqCst) {});
        busy.thread.interrupt();
        let interrupter = busy.thread.interrupter();
        wait_until("it is seen to compute", || {
            interrupter.report().cure().is_some_and(|cure| cure.contains("checkpoint"))
        });
        stop.store(true, SeqCst);
        busy.result();
    });
}

#[test]
fn the_last_raise_has_an_age() {
    let (task, interrupter) = eintr::task();
    task.run(|| {
        assert_eq!(interrupter.report().last_raised, None);
        interrupter.interrupt();
        assert!(eintr::checkpoint().is_err());
        let start = Instant::now();
        wait_until("a moment has passed", || start.elapsed() > Duration::from_millis(2));
        assert!(interrupter.report().last_raised.unwrap() > Duration::from_millis(2));
        assert!(eintr::checkpoint().is_err());
        let report = interrupter.report();
        let tick = Duration::from_millis(10);
        assert!(report.last_raised.unwrap() <= start.elapsed() + tick);
        assert!(report.to_string().contains("raised 2 times, last "), "{report}");
    });
}

// All tasks.

fn reports_of(interrupters: &[Interrupter]) -> Vec<Report> {
    let wanted: Vec<_> = interrupters.iter().map(|each| each.report().task).collect();
    eintr::report().into_iter().filter(|report| wanted.contains(&report.task)).collect()
}

#[test]
fn all_running_tasks_are_reported_and_no_others() {
    alone(|| {
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let threads: Vec<_> = (0..20)
            .map(|i| {
                let wait = wait.clone();
                target(move || {
                    let inner = eintr::Task::new().name(format!("inner {i}"));
                    inner.run(|| wait.lock().unwrap().recv().is_err())
                })
            })
            .collect();
        let is_inner =
            |report: &Report| report.name.as_ref().is_some_and(|name| name.starts_with("inner "));
        let begun = || eintr::report().iter().filter(|report| is_inner(report)).count();
        wait_until("all have begun", || begun() == 20);
        let (unrun, waiting) = eintr::task();
        let mut interrupters: Vec<_> =
            threads.iter().map(|each| each.thread.interrupter()).collect();
        interrupters.push(waiting);
        assert_eq!(reports_of(&interrupters).len(), 20);
        let all = eintr::report();
        assert!(all.is_sorted_by_key(|report| report.task));
        for i in 0..20 {
            let name = format!("inner {i}");
            let inner = all.iter().find(|report| report.name.as_ref() == Some(&name)).unwrap();
            let thread = inner.thread.as_ref().unwrap();
            assert!(threads.iter().any(|each| each.tid == thread.tid), "{inner}");
        }
        drop((go, unrun));
        threads.into_iter().for_each(|each| assert!(each.result()));
        assert_eq!(reports_of(&interrupters).len(), 0);
    });
}

#[test]
fn a_child_of_a_fork_reports_its_own_task() {
    alone(|| {
        let (reader, writer) = pipe();
        let other = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        let (task, _interrupter) = eintr::task();
        task.name("forker").run(|| {
            assert_eq!(eintr::report().len(), 2);
            // SAFETY: the child allocates and takes locks, which glibc's and the library's handlers
            // allow; it ends by `_exit`.
            match unsafe { fork() }.unwrap() {
                ForkResult::Child => {
                    let names = |reports: Vec<Report>| {
                        reports.into_iter().filter_map(|report| report.name).collect::<Vec<_>>()
                    };
                    let alone = names(eintr::report()) == ["forker"];
                    let (reader, _writer) = pipe();
                    let new = eintr::Builder::new().name("new".into());
                    let new = new.spawn(move || own_read(reader)).unwrap();
                    wait_until("both are there", || names(eintr::report()) == ["forker", "new"]);
                    new.interrupt();
                    let ended = new.join().unwrap().is_err();
                    // SAFETY: no arguments that matter.
                    unsafe { libc::_exit(i32::from(!(alone && ended))) }
                }
                ForkResult::Parent { child } => {
                    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
                }
            }
        });
        drop(writer);
        other.result().unwrap();
    });
}

// Nobody notices, and nobody waits for long.

/// Whether a target is in a syscall with such a name.
fn is_in<T>(target: &Target<T>, name: &str) -> bool {
    let thread = target.thread.interrupter().report().thread;
    thread.is_some_and(|thread| thread.syscall.is_some_and(|syscall| syscall.contains(name)))
}

/// Reports on everything until that is set; it has begun.
fn reporting(done: &Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    let done = done.clone();
    let (begin, begun) = mpsc::channel();
    let reporter = std::thread::spawn(move || {
        let mut reports = 0;
        while !done.load(SeqCst) {
            reports += eintr::report().len();
            let _ = begin.send(());
        }
        reports
    });
    begun.recv().unwrap();
    reporter
}

/// A semaphore of C's.
struct Semaphore(Box<UnsafeCell<libc::sem_t>>);

// SAFETY: it is made for being shared.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    fn new() -> Arc<Self> {
        // SAFETY: all bytes zero are room for a semaphore, which stays where it is.
        let semaphore = Self(Box::new(UnsafeCell::new(unsafe { std::mem::zeroed() })));
        // SAFETY: as above.
        unsafe { libc::sem_init(semaphore.0.get(), 0, 0) };
        Arc::new(semaphore)
    }

    /// Waits for an hour at most; whether it was posted.
    fn wait(&self) -> bool {
        // SAFETY: the kernel writes a time; the semaphore was made in `new`.
        unsafe {
            let mut until: libc::timespec = std::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_REALTIME, &mut until);
            until.tv_sec += 3600;
            libc::sem_timedwait(self.0.get(), &until) == 0
        }
    }

    fn post(&self) {
        // SAFETY: it was made in `new`.
        unsafe { libc::sem_post(self.0.get()) };
    }
}

/// Polls for input without a limit; whether there is any.
fn plain_poll(fd: std::os::fd::OwnedFd) -> bool {
    let mut polled = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which is borrowed.
    unsafe { libc::poll(&mut polled, 1, -1) == 1 }
}

/// Reads on by the call that could also read at a position.
fn preadv2(socket: &TcpStream) -> isize {
    let mut bytes = [0_u8; 2];
    let vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: one buffer, which is borrowed.
    unsafe {
        libc::syscall(libc::SYS_preadv2, socket.as_raw_fd(), &raw const vector, 1, -1_i64, 0, 0)
            as isize
    }
}

#[test]
fn calls_go_on_while_they_are_reported() {
    // Alone: other tests' reports may come just before the poll begins.
    alone(|| {
        let (reader, writer) = pipe();
        let plain = unreached(move || plain_read(reader)).blocked_in(libc::SYS_read);
        let (client, server) = connection();
        // A limit of its own: the kernel does not restart that.
        server.set_read_timeout(Some(LIMIT)).unwrap();
        let limited = unreached(move || (&server).read(&mut [0; 2]));
        let limited = limited.blocked_in(libc::SYS_recvfrom);
        // By preadv2, where there is one.
        let vectored = (!test_support::emulated()).then(|| {
            let (client, server) = connection();
            server.set_read_timeout(Some(LIMIT)).unwrap();
            let vectored = unreached(move || preadv2(&server)).blocked_in(libc::SYS_preadv2);
            (client, vectored)
        });
        // Blocking writes return when all is written, if nothing comes between.
        let (sink, source) = pipe();
        let written = vec![7; 1 << 20];
        let size = written.len();
        let writer_of_all = unreached(move || nix::unistd::write(&source, &written));
        let writer_of_all = writer_of_all.blocked_in(libc::SYS_write);
        let semaphore = Semaphore::new();
        let posted = semaphore.clone();
        let waiter = unreached(move || posted.wait()).blocked_in(libc::SYS_futex);
        let (polled, input) = pipe();
        let poller = unreached(move || plain_poll(polled));
        wait_until("it polls", || is_in(&poller, "poll"));
        let done = Arc::new(AtomicBool::new(false));
        let reporter = reporting(&done);
        let nap = Duration::from_millis(300);
        let sleeper = target(move || {
            let start = Instant::now();
            eintr::time::sleep(nap).map(|()| start.elapsed())
        });
        assert!(sleeper.result().unwrap() >= nap, "its sleep was cut short");
        done.store(true, SeqCst);
        assert!(reporter.join().unwrap() > 0);
        nix::unistd::write(&input, b"x").unwrap();
        assert!(poller.result(), "its poll was cut short");
        semaphore.post();
        assert!(waiter.result(), "its semaphore was cut short");
        let mut all = vec![0; size];
        File::from(sink).read_exact(&mut all).unwrap();
        assert_eq!(writer_of_all.result(), Ok(size), "its write was cut short");
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(plain.result().unwrap(), b'x');
        std::io::Write::write_all(&mut &client, b"xy").unwrap();
        assert_eq!(limited.result().unwrap(), 2);
        if let Some((client, vectored)) = vectored {
            std::io::Write::write_all(&mut &client, b"xy").unwrap();
            assert_eq!(vectored.result(), 2);
        }
    });
}

/// Our signal is the application's by now: it is not sent, and that is told.
#[test]
fn a_handler_in_the_place_of_ours_does_not_run() {
    alone(|| {
        eintr::install(eintr::Signal::USR1).unwrap();
        let (reader, writer) = pipe();
        let stuck = target(move || plain_read(reader)).blocked_in(libc::SYS_read);
        signals::handle(signals::ours(), signals::count, libc::SA_RESTART, &[]);
        let reports = eintr::report();
        assert!(reports.len() == 1 && reports[0].handler_replaced, "{reports:?}");
        stuck.thread.interrupt();
        let cure = eintr::report()[0].cure().unwrap();
        assert!(cure.contains("eintr::install"), "{cure}");
        // The request has sent one.
        wait_until("it has run", || signals::RUNS.load(SeqCst) == 1);
        let _ = eintr::report();
        nix::unistd::write(&writer, b"x").unwrap();
        stuck.result().unwrap();
        assert_eq!(signals::RUNS.load(SeqCst), 1);
    });
}

/// A process forks while its threads are reported, and the child reports as well.
#[test]
fn a_process_may_fork_while_it_is_reported() {
    alone(|| {
        let (reader, writer) = pipe();
        let others: Vec<_> = (0..4)
            .map(|_| {
                let reader = reader.try_clone().unwrap();
                target(move || own_read(reader))
            })
            .collect();
        let done = Arc::new(AtomicBool::new(false));
        let reporters = [reporting(&done), reporting(&done)];
        eintr::Task::root().run(|| {
            for _ in 0..if test_support::emulated() { 5 } else { 50 } {
                // SAFETY: as above.
                match unsafe { fork() }.unwrap() {
                    ForkResult::Child => {
                        child::limit_life();
                        let alone = eintr::report().len() == 1;
                        // SAFETY: no arguments that matter.
                        unsafe { libc::_exit(i32::from(!alone)) }
                    }
                    ForkResult::Parent { child } => {
                        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
                    }
                }
            }
        });
        done.store(true, SeqCst);
        reporters.into_iter().for_each(|reporter| assert!(reporter.join().unwrap() > 0));
        drop((reader, writer));
        others.into_iter().for_each(|other| assert!(other.result().is_ok()));
    });
}

/// Threads and tasks come and go under several reporters' eyes.
#[test]
fn threads_may_end_while_they_are_reported() {
    alone(|| {
        let done = Arc::new(AtomicBool::new(false));
        let reporters: Vec<_> = (0..3).map(|_| reporting(&done)).collect();
        let rounds = if test_support::emulated() { 50 } else { 500 };
        let counted = Arc::new(AtomicUsize::new(0));
        for round in 0..rounds {
            let counted = counted.clone();
            let count = move || {
                for _ in 0..20 {
                    eintr::Task::root().run(|| counted.fetch_add(1, SeqCst));
                }
            };
            let [one, other] = [count.clone(), count].map(|count| spawn(round % 2 == 0, count));
            one.thread.interrupt();
            one.result();
            other.result();
        }
        done.store(true, SeqCst);
        assert_eq!(counted.load(SeqCst), rounds * 40);
        for reporter in reporters {
            reporter.join().unwrap();
        }
    });
}

/// A thread that waits for its vfork child is in state D, and no signal of ours gets through.
#[test]
fn state_d_is_reported_from_outside() {
    if skipped_under_emulation("state D", "a vfork child is forked there") {
        return;
    }
    alone(|| {
        let (reader, writer) = pipe();
        let stuck = target(move || {
            let flags = libc::CLONE_VFORK | libc::SIGCHLD;
            // SAFETY: the child has memory of its own; it reads and ends by `_exit`.
            unsafe {
                let child = libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0);
                if child == 0 {
                    let mut byte = 0u8;
                    libc::read(reader.as_raw_fd(), (&raw mut byte).cast(), 1);
                    libc::_exit(0);
                }
                child as i32
            }
        });
        let interrupter = stuck.thread.interrupter();
        let state = |report: &Report| report.thread.as_ref().and_then(|thread| thread.state);
        wait_until("it is in state D", || {
            state(&interrupter.report()) == Some(ThreadState::Uninterruptible)
        });
        let Outcome::Stuck(report) = interrupter.interrupt().wait(Duration::from_millis(1)) else {
            panic!("nobody can reach it");
        };
        assert!(report.to_string().contains("nobody can reach it"), "{report}");
        assert!(report.cure().unwrap().starts_with("none"), "{report}");
        assert!(
            eintr::report().iter().any(|report| report.thread.as_ref().unwrap().tid == stuck.tid)
        );
        nix::unistd::write(&writer, b"x").unwrap();
        let child = stuck.result();
        waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
    });
}

#[cfg(feature = "stacks")]
mod stacks {
    use super::*;
    use test_support::seccomp::forbid;
    use test_support::{emulated, gettid};

    /// The functions on the stack in a dump's report of that thread.
    fn functions(tid: i32) -> Option<Vec<String>> {
        let report = eintr::report();
        let of_target = |report: &Report| Some(report.thread.as_ref()?.tid == tid);
        let report = report.into_iter().find(|report| of_target(report) == Some(true))?;
        let stack = report.thread?.stack?;
        assert!(!stack.to_string().is_empty());
        Some(stack.frames().into_iter().filter_map(|frame| frame.function).collect())
    }

    fn wait_for_function<T>(target: &Target<T>, name: &str) {
        wait_for_function_of(target.tid, name);
    }

    fn wait_for_function_of(tid: i32, name: &str) {
        let mut seen = None;
        wait_until(&format!("{name} is on the stack"), || {
            seen = functions(tid);
            seen.iter().flatten().any(|function| function.contains(name))
        });
    }

    #[inline(never)]
    fn stuck_in_a_plain_read(fd: std::os::fd::OwnedFd) -> bool {
        std::hint::black_box(plain_read(&fd).is_ok())
    }

    #[inline(never)]
    fn stuck_in_a_call_of_ours(fd: std::os::fd::OwnedFd) -> bool {
        std::hint::black_box(own_read(&fd).is_ok())
    }

    #[inline(never)]
    fn stuck_in_a_sleep_of_ours() -> bool {
        std::hint::black_box(eintr::time::sleep(Duration::MAX).is_err())
    }

    #[inline(never)]
    fn stuck_in_a_loop(stop: &AtomicBool) -> bool {
        while !std::hint::black_box(stop).load(SeqCst) {}
        true
    }

    #[inline(never)]
    fn stuck_in_a_lock(lock: &Mutex<()>) -> bool {
        std::hint::black_box(lock.lock().is_ok())
    }

    #[test]
    fn the_function_is_named_wherever_it_is_stuck() {
        alone(|| {
            let (reader, writer) = pipe();
            let plain = target(move || stuck_in_a_plain_read(reader)).blocked_in(libc::SYS_read);
            wait_for_function(&plain, "stuck_in_a_plain_read");
            drop(writer);
            plain.result();
            if skipped_under_emulation("other places", "names are looked up too slowly") {
                return;
            }

            let (reader, writer) = pipe();
            let own = target(move || stuck_in_a_call_of_ours(reader)).blocked_in(libc::SYS_read);
            wait_for_function(&own, "stuck_in_a_call_of_ours");
            drop(writer);
            own.result();

            let asleep = target(stuck_in_a_sleep_of_ours).blocked_in(libc::SYS_clock_nanosleep);
            wait_for_function(&asleep, "stuck_in_a_sleep_of_ours");
            asleep.thread.interrupt();
            assert!(asleep.result());

            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let busy = target(move || stuck_in_a_loop(&stopped));
            wait_for_function(&busy, "stuck_in_a_loop");
            stop.store(true, SeqCst);
            busy.result();
        });
    }

    #[test]
    fn the_stack_of_a_straggler_is_told() {
        alone(|| {
            let lock = Arc::new(Mutex::new(()));
            let held = lock.lock().unwrap();
            let wanted = lock.clone();
            let stuck = target(move || stuck_in_a_lock(&wanted)).blocked_in(libc::SYS_futex);
            let mut seen = String::new();
            // A busy machine may not let it answer in time.
            wait_until("its stack is told", || {
                let outcome = stuck.thread.interrupt().wait(Duration::from_millis(1));
                let Outcome::Stuck(report) = outcome else { panic!("{outcome:?}") };
                seen = report.to_string();
                seen.contains("stuck_in_a_lock")
            });
            assert!(seen.contains("\n    stack:\n"), "{seen}");
            assert!(!seen.contains("on_sigsys"), "how it is reached is nobody's business: {seen}");
            let waited = stuck.thread.interrupter().wait_finished(Duration::from_millis(1));
            assert!(waited.unwrap_err().thread.is_some());
            drop(held);
            stuck.result();
        });
    }

    const STACK: usize = 1 << 20;
    const NEIGHBOUR: usize = 256 << 10;

    /// A mapping for a stack, and a neighbour right behind it.
    fn stack_and_neighbour() -> (usize, usize) {
        let nothing = std::ptr::null_mut();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping.
        let mapped = unsafe { libc::mmap(nothing, STACK + NEIGHBOUR, protection, flags, -1, 0) };
        assert_ne!(mapped, libc::MAP_FAILED);
        (mapped.addr(), mapped.addr() + STACK)
    }

    /// Runs `body` on a thread with that stack.
    fn spawn_on(stack: usize, body: Box<dyn FnOnce() + Send>) -> libc::pthread_t {
        extern "C" fn run(body: *mut libc::c_void) -> *mut libc::c_void {
            // SAFETY: from `Box::into_raw`, below.
            let body = unsafe { Box::from_raw(body.cast::<Box<dyn FnOnce() + Send>>()) };
            body();
            std::ptr::null_mut()
        }
        let body = Box::into_raw(Box::new(body)).cast();
        // SAFETY: all bytes zero are a valid attribute, until it is made; the stack is a mapping.
        unsafe {
            let (mut thread, mut attributes) = (std::mem::zeroed(), std::mem::zeroed());
            assert_eq!(libc::pthread_attr_init(&mut attributes), 0);
            let stack = stack as *mut libc::c_void;
            assert_eq!(libc::pthread_attr_setstack(&mut attributes, stack, STACK), 0);
            assert_eq!(libc::pthread_create(&mut thread, &attributes, run, body), 0);
            libc::pthread_attr_destroy(&mut attributes);
            thread
        }
    }

    /// Nobody knows where a stack ends, and what lies behind it belongs to others.
    #[test]
    fn a_sandboxed_stack_is_told_while_its_neighbour_comes_and_goes() {
        alone(|| {
            // An emulator has none.
            if !emulated() {
                forbid(libc::SYS_process_vm_readv);
            }
            let (reader, writer) = pipe();
            let (stack, neighbour) = stack_and_neighbour();
            let (tell, told) = mpsc::channel();
            let stuck = move || {
                eintr::Task::new().run(|| {
                    tell.send(gettid()).unwrap();
                    assert!(stuck_in_a_plain_read(reader));
                });
            };
            let thread = spawn_on(stack, Box::new(stuck));
            let tid = told.recv().unwrap();
            wait_until_blocked(tid, libc::SYS_read);
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let comes_and_goes = std::thread::spawn(move || {
                for protection in [libc::PROT_NONE, libc::PROT_READ].into_iter().cycle() {
                    // SAFETY: a mapping of this test's own.
                    let done = unsafe {
                        libc::mprotect(neighbour as *mut libc::c_void, NEIGHBOUR, protection)
                    };
                    assert_eq!(done, 0);
                    if stopped.load(SeqCst) {
                        break;
                    }
                }
            });
            let (mut told, often) = (0, if emulated() { 50 } else { 500 });
            wait_until("it was told often", || {
                let dump = eintr::report();
                let stacks =
                    dump.iter().filter_map(|report| report.thread.as_ref()?.stack.as_ref());
                told += stacks.count();
                told >= often
            });
            wait_for_function_of(tid, "stuck_in_a_plain_read");
            stop.store(true, SeqCst);
            comes_and_goes.join().unwrap();
            assert_eq!(nix::unistd::write(&writer, b"x"), Ok(1));
            // SAFETY: the thread has not been joined.
            assert_eq!(unsafe { libc::pthread_join(thread, std::ptr::null_mut()) }, 0);
        });
    }

    #[test]
    fn one_that_would_notice_or_not_answer_keeps_its_stack() {
        alone(|| {
            let (polled, input) = pipe();
            let poller = unreached(move || plain_poll(polled));
            wait_until("it polls", || is_in(&poller, "poll"));
            assert_eq!(functions(poller.tid), None);
            nix::unistd::write(&input, b"x").unwrap();
            assert!(poller.result(), "its poll was cut short");

            let (reader, writer) = pipe();
            let deaf = target(move || {
                let ours = signal_set();
                // SAFETY: the set is borrowed.
                unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &ours, std::ptr::null_mut()) };
                plain_read(reader)
            });
            let deaf = deaf.blocked_in(libc::SYS_read);
            assert_eq!(functions(deaf.tid), None);
            nix::unistd::write(&writer, b"x").unwrap();
            deaf.result().unwrap();
        });
    }

    /// All signals that libc lets go of.
    fn signal_set() -> libc::sigset_t {
        // SAFETY: all bytes zero are a valid set; it is borrowed.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigfillset(&mut set);
            set
        }
    }

    /// Its own stack, from within a task, and one deep enough that not all of it is copied.
    #[test]
    fn a_thread_may_report_itself_however_deep_it_is() {
        #[inline(never)]
        fn deeper(depth: usize, f: &mut dyn FnMut()) {
            let room = std::hint::black_box([depth; 64]);
            if room[0] == 0 {
                f()
            } else {
                deeper(depth - 1, f)
            }
            std::hint::black_box(room);
        }
        alone(|| {
            let depths: &[usize] = if test_support::emulated() { &[10] } else { &[0, 10, 200] };
            for &depth in depths {
                let told = target(move || {
                    let mut frames = Vec::new();
                    deeper(depth, &mut || {
                        let tid = gettid();
                        let own = eintr::report().into_iter().filter_map(|report| report.thread);
                        let own = own.filter(|thread| thread.tid == tid);
                        let stack = own.last().unwrap().stack.expect("it answers itself");
                        frames = stack.frames();
                    });
                    frames
                });
                let frames = told.result();
                let named = |name| {
                    let functions = frames.iter().filter_map(|frame| frame.function.as_ref());
                    functions.filter(|function| function.contains(name)).count()
                };
                assert!(named("deeper") > depth.min(20), "{frames:?}");
                assert!(frames.iter().all(|frame| frame.module.is_some()), "{frames:?}");
            }
        });
    }
}
