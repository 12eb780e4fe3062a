//! Plain calls of an armed thread return EINTR, again and again while the cause stands (P11, S9);
//! those of any other thread do not (P5); and what must never fail never does.
//!
//! The tests here work like this: a table of libc's waiting calls, each with the event that lets it
//! come back by itself. The thread is in the call (`/proc` says so) when it is asked. SIGUSR1 is
//! ours; the application has a handler for it that counts, with SA_RESTART, so that a signal that
//! is not ours is seen to land. The table runs in one process for each question, for the handler is
//! the process's.

use std::ffi::CString;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{fs, mem, ptr, thread};

use eintr::Outcome;
use libc::{SIGUSR1, c_int, c_long};
use test_support::child::alone;
use test_support::signals::{RUNS, share_the_signal};
use test_support::target::{is_eintr, pipe, plain_read, rest, unreached, unreached_task};
use test_support::{
    LIMIT, gettid, signals, skipped_under_emulation, target, wait_until, wait_until_blocked,
};

/// A plain call, as often as it is wanted: its result, or errno.
type Call = Box<dyn FnMut() -> io::Result<i64> + Send>;
/// What lets it come back by itself.
type Event = Box<dyn FnOnce() + Send>;

struct Waiting {
    name: &'static str,
    syscall: c_long,
    call: Call,
    event: Event,
}

/// libc's way of telling.
fn told(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn waiting(
    name: &'static str,
    syscall: c_long,
    call: impl FnMut() -> io::Result<i64> + Send + 'static,
    event: impl FnOnce() + Send + 'static,
) -> Waiting {
    Waiting { name, syscall, call: Box::new(call), event: Box::new(event) }
}

/// The calls that the kernel can restart.
fn table() -> Vec<Waiting> {
    let mut table =
        vec![read(), accept(), flock(), waitpid(), wait4(), lock(libc::F_SETLKW), open_fifo()];
    table.push(lock(libc::F_OFD_SETLKW));
    table.push(connect());
    table
}

fn read() -> Waiting {
    let (reader, writer) = pipe();
    let call = move || plain_read(&reader).map(i64::from);
    let event = move || assert_eq!(nix::unistd::write(&writer, b"x").unwrap(), 1);
    waiting("read", libc::SYS_read, call, event)
}

fn accept() -> Waiting {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let call = move || {
        // SAFETY: no address is asked for.
        told(unsafe { libc::accept(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut()) }.into())
    };
    waiting("accept", libc::SYS_accept, call, move || drop(TcpStream::connect(address).unwrap()))
}

/// A file of one's own.
fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("eintr-{}-{name}", std::process::id()))
}

/// The same file, opened twice.
fn opened_twice(name: &str) -> [fs::File; 2] {
    let path = temporary(name);
    let open = || fs::File::options().create(true).truncate(false).write(true).open(&path).unwrap();
    let files = [open(), open()];
    fs::remove_file(&path).unwrap();
    files
}

fn flock() -> Waiting {
    let [held, wanted] = opened_twice("flock");
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::flock(held.as_raw_fd(), libc::LOCK_EX) }, 0);
    // SAFETY: no pointers.
    let call = move || told(unsafe { libc::flock(wanted.as_raw_fd(), libc::LOCK_EX) }.into());
    waiting("flock", libc::SYS_flock, call, move || drop(held))
}

/// A lock of one kind, held by the other kind: the two exclude each other even within a process.
fn lock(command: c_int) -> Waiting {
    let (name, other) = match command {
        libc::F_SETLKW => ("fcntl F_SETLKW", libc::F_OFD_SETLK),
        _ => ("fcntl F_OFD_SETLKW", libc::F_SETLK),
    };
    let [held, wanted] = opened_twice(name.rsplit(' ').next().unwrap());
    fn fcntl(file: &fs::File, command: c_int, kind: c_int) -> io::Result<i64> {
        // SAFETY: all bytes zero are a valid lock, the whole file; it is borrowed.
        let result = unsafe {
            let mut lock: libc::flock = mem::zeroed();
            lock.l_type = kind as libc::c_short;
            libc::fcntl(file.as_raw_fd(), command, &lock)
        };
        told(result.into())
    }
    fcntl(&held, other, libc::F_WRLCK).unwrap();
    let call = move || fcntl(&wanted, command, libc::F_WRLCK);
    let event = move || assert_eq!(fcntl(&held, other, libc::F_UNLCK).unwrap(), 0);
    waiting(name, libc::SYS_fcntl, call, event)
}

/// A child that ends when its input does.
#[expect(clippy::zombie_processes, reason = "to wait for it is what the table does")]
fn child() -> (libc::pid_t, Event) {
    let mut child =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let input = child.stdin.take();
    (child.id() as libc::pid_t, Box::new(move || drop(input)))
}

fn waitpid() -> Waiting {
    let (pid, event) = child();
    let call = move || {
        let mut status = 0;
        // SAFETY: the status is borrowed.
        told(unsafe { libc::waitpid(pid, &mut status, 0) }.into())
    };
    waiting("waitpid", libc::SYS_wait4, call, event)
}

fn wait4() -> Waiting {
    let (pid, event) = child();
    let call = move || {
        // SAFETY: nothing but the pid is asked for.
        told(unsafe { libc::wait4(pid, ptr::null_mut(), 0, ptr::null_mut()) }.into())
    };
    waiting("wait4", libc::SYS_wait4, call, event)
}

/// A FIFO, as long as it lives.
struct Fifo(PathBuf);

impl Drop for Fifo {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn open_fifo() -> Waiting {
    let fifo = Arc::new(Fifo(temporary("fifo")));
    let name = CString::new(fifo.0.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name is borrowed.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // SAFETY: the name is the call's own.
    let call = move || told(unsafe { libc::open(name.as_ptr(), libc::O_RDONLY) }.into());
    let event = move || drop(fs::File::options().write(true).open(&fifo.0).unwrap());
    waiting("open of a FIFO", libc::SYS_openat, call, event)
}

/// To a Unix socket whose backlog is full.
fn connect() -> Waiting {
    // SAFETY: the address is all zero but for the family, and as long as it says: an autobound,
    // abstract one.
    unsafe {
        let mut address: libc::sockaddr_un = mem::zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let mut length = size_of::<libc::sa_family_t>() as libc::socklen_t;
        let at = (&raw mut address).cast::<libc::sockaddr>();
        let listener = socket();
        assert_eq!(libc::bind(listener.as_raw_fd(), at, length), 0);
        length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        assert_eq!(libc::getsockname(listener.as_raw_fd(), at, &mut length), 0);
        assert_eq!(libc::listen(listener.as_raw_fd(), 0), 0);
        let first = socket();
        assert_eq!(libc::connect(first.as_raw_fd(), at, length), 0);
        let second = socket();
        let call = move || {
            let at = (&raw const address).cast::<libc::sockaddr>();
            told(libc::connect(second.as_raw_fd(), at, length).into())
        };
        let event = move || {
            let accepted = libc::accept(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut());
            assert!(accepted >= 0);
            // Kept open, or the connection that waits is refused.
            mem::forget((listener, first));
        };
        waiting("connect", libc::SYS_connect, call, event)
    }
}

fn socket() -> OwnedFd {
    // SAFETY: no pointers; the descriptor is new.
    unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)) }
}

/// A sleep: a handler ends it, whatever its flags say, so it is not for the threads that nobody
/// asked.
fn nanosleep() -> Waiting {
    let call = || {
        let time = libc::timespec { tv_sec: 3600, tv_nsec: 0 };
        // SAFETY: the time is borrowed.
        told(unsafe { libc::nanosleep(&time, ptr::null_mut()) }.into())
    };
    waiting("nanosleep", libc::SYS_clock_nanosleep, call, || {})
}

/// How long nothing comes any more once the cause is gone: six times the longest pause of the
/// repetition.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn of_an_armed_thread_they_return_eintr_again_and_again() {
    alone(|| {
        for Waiting { name, syscall, mut call, event: _event } in
            table().into_iter().chain([nanosleep()])
        {
            let stuck = unreached(move || {
                let errors = [(); 6].map(|()| call().is_err_and(|error| is_eintr(&error)));
                (errors, eintr::take().is_some(), rest(QUIET))
            })
            .blocked_in(syscall);
            stuck.thread.interrupt();
            assert_eq!(stuck.result(), ([true; 6], true, true), "{name}");
        }
    });
}

#[test]
fn of_a_thread_that_was_armed_before_they_return_eintr() {
    alone(|| {
        for Waiting { name, mut call, event: _event, .. } in
            table().into_iter().chain([nanosleep()])
        {
            let (task, interrupter) = unreached_task();
            interrupter.interrupt();
            let plain = task.run(|| [(); 2].map(|()| call().is_err_and(|error| is_eintr(&error))));
            assert_eq!(plain, [true; 2], "{name}");
        }
    });
}

#[test]
fn after_a_mask_they_return_eintr() {
    alone(|| {
        for Waiting { name, mut call, event: _event, .. } in
            table().into_iter().chain([nanosleep()])
        {
            let (task, interrupter) = unreached_task();
            interrupter.interrupt();
            let (quiet, plain) = task.run(|| {
                let quiet = eintr::mask(|| rest(Duration::from_millis(60)));
                (quiet, call().is_err_and(|error| is_eintr(&error)))
            });
            assert!(quiet && plain, "{name}");
        }
    });
}

#[test]
fn after_a_call_of_our_own_they_return_eintr() {
    alone(|| {
        let (reader, _writer) = pipe();
        let stuck = unreached(move || {
            let own = target::own_read(&reader).is_err();
            (own, plain_read(&reader).is_err_and(|error| is_eintr(&error)))
        })
        .blocked_in(libc::SYS_read);
        stuck.thread.interrupt();
        assert_eq!(stuck.result(), (true, true));
    });
}

/// The repeat timer, for the plain call that may follow, is then set no earlier than the clock's
/// next tick: before that it would have to be written into the hardware, for every interrupt.
#[test]
fn after_a_call_of_our_own_the_timer_waits_for_a_tick() {
    const NAME: &str = "after_a_call_of_our_own_the_timer_waits_for_a_tick";
    if skipped_under_emulation(NAME, "it keeps the timers itself") {
        return;
    }
    const FIRST_PAUSE: Duration = Duration::from_millis(1);
    let tick = time_by(libc::clock_getres, libc::CLOCK_MONOTONIC_COARSE);
    if tick <= 2 * FIRST_PAUSE || !fs::exists("/proc/self/timers").unwrap() {
        return println!("skipped: {NAME}: ticks are short here, or the kernel tells no timers");
    }
    alone(|| {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT / 4 {
            let (reader, _writer) = pipe();
            let stuck = unreached(move || {
                assert!(target::own_read(&reader).is_err());
                (shortest_timer(), Instant::now())
            })
            .blocked_in(libc::SYS_read);
            // The last tick; on a busy machine the next one may be late.
            let coarse = time_by(libc::clock_gettime, libc::CLOCK_MONOTONIC_COARSE);
            let lag = time_by(libc::clock_gettime, libc::CLOCK_MONOTONIC) - coarse;
            let asked = Instant::now();
            stuck.thread.interrupt();
            let (remaining, looked) = stuck.result();
            let took = looked - asked;
            // A look that comes late may see the second shot's time, and tells nothing. Nor does a
            // tick that was late.
            if took < FIRST_PAUSE && lag + took < tick {
                assert!(remaining > FIRST_PAUSE, "{remaining:?}");
                return;
            }
        }
        println!("skipped: {NAME}: an interrupt takes longer than a tick here");
    });
}

/// What a call tells of a clock.
fn time_by(
    ask: unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int,
    clock: libc::clockid_t,
) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls write a time.
    assert_eq!(unsafe { ask(clock, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What remains of this process's timers, at least.
fn shortest_timer() -> Duration {
    let timers = fs::read_to_string("/proc/self/timers").unwrap();
    let ids = timers.lines().filter_map(|line| line.strip_prefix("ID:"));
    let remaining = |id: &str| {
        let id: c_int = id.trim().parse().unwrap();
        // SAFETY: the kernel writes a setting, of which all bytes are valid.
        let left = unsafe {
            let mut setting: libc::itimerspec = mem::zeroed();
            assert_eq!(libc::syscall(libc::SYS_timer_gettime, id, &raw mut setting), 0);
            setting.it_value
        };
        Duration::new(left.tv_sec as u64, left.tv_nsec as u32)
    };
    ids.map(remaining).min().expect("a timer is set")
}

/// What a thread that is not to notice goes through.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unasked {
    /// It is no task of ours at all.
    Unmanaged,
    /// It is a task that nobody asked.
    Managed,
    /// It was asked, and is masked.
    Masked,
    /// It was asked, has taken it, and is a task as before.
    Done,
}

fn goes_on(unasked: Unasked) {
    share_the_signal();
    for Waiting { name, syscall, mut call, event } in table() {
        let (tell, told) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let (task, interrupter) = eintr::task();
        let thread = thread::spawn(move || {
            let mut called = || {
                ready.send(()).unwrap();
                call()
            };
            tell.send(gettid()).unwrap();
            match unasked {
                Unasked::Unmanaged => called(),
                Unasked::Managed => task.run(called),
                Unasked::Masked => task.run(|| eintr::mask(called)),
                Unasked::Done => task.run(|| {
                    while eintr::checkpoint().is_ok() {}
                    assert!(eintr::take().is_some());
                    called()
                }),
            }
        });
        let tid = told.recv().unwrap();
        if unasked == Unasked::Done {
            interrupter.interrupt();
        }
        is_ready.recv().unwrap();
        wait_until_blocked(tid, syscall);
        if unasked == Unasked::Masked {
            let outcome = interrupter.interrupt().wait(Duration::ZERO);
            assert!(matches!(outcome, Outcome::Masked(_)), "{name}: {outcome:?}");
        }
        for _ in 0..20 {
            let runs = RUNS.load(SeqCst);
            signals::send(tid, SIGUSR1);
            wait_until("the signal has landed", || RUNS.load(SeqCst) > runs);
            wait_until_blocked(tid, syscall);
        }
        assert!(!thread.is_finished());
        event();
        let result = thread.join().unwrap();
        assert!(result.is_ok(), "{name} of a thread that is {unasked:?}: {result:?}");
    }
}

#[test]
fn of_an_unmanaged_thread_they_go_on() {
    alone(|| goes_on(Unasked::Unmanaged));
}

#[test]
fn of_a_thread_that_nobody_asked_they_go_on() {
    alone(|| goes_on(Unasked::Managed));
}

#[test]
fn of_a_masked_thread_they_go_on() {
    alone(|| goes_on(Unasked::Masked));
}

#[test]
fn of_a_thread_whose_request_was_taken_they_go_on() {
    alone(|| goes_on(Unasked::Done));
}
