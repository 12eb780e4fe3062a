//! What is run as asked, for it ends by itself as a rule, and then waits after all (S18). The tests
//! work like this: a file has a lease, whose holder does not hear that somebody else wants the file.
//! So an open of it waits, and so does a truncate, of which the table knows nothing. And a call that
//! is watched by a sandbox's supervisor waits for its answer.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use test_support::child::alone;
use test_support::target::target;
use test_support::{has_dispatch, signals, times_asleep, wait_until, wait_until_blocked};

/// A file with a lease on it, which is not given back for the kernel's time, by default 45 s.
struct Leased {
    path: PathBuf,
    _file: File,
}

impl Leased {
    /// In a process of the test's own: SIGIO tells the holder.
    fn new(name: &str) -> Self {
        signals::ignore(libc::SIGIO);
        let path = std::env::temp_dir().join(format!("eintr-{name}-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        // SAFETY: plain numbers.
        let leased = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
        assert_eq!(leased, 0, "{}", io::Error::last_os_error());
        Self { path, _file: file }
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn truncate(path: &std::path::Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a path.
    match unsafe { libc::truncate(path.as_ptr(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// What it tells a thread that is asked when it waits, and one that is asked before.
fn told(call: impl Fn() -> Option<i32> + Send + Clone + 'static, syscall: i64) -> [Option<i32>; 2] {
    let while_it_waits = target(call.clone()).blocked_in(syscall);
    while_it_waits.thread.interrupt();
    let asked_before = move || {
        eintr::Interrupter::current().unwrap().interrupt();
        let start = Instant::now();
        let told = call();
        assert!(start.elapsed() >= Duration::from_millis(100), "it was not given its time");
        told
    };
    [while_it_waits.result(), target(asked_before).result()]
}

#[test]
fn an_open_that_waits_for_a_lease_is_refused() {
    if !has_dispatch("an_open_that_waits_for_a_lease") {
        return;
    }
    alone(|| {
        let leased = Leased::new("open");
        let path = leased.path.clone();
        // std makes it again after EINTR.
        let open = move || errno(File::open(&path));
        assert_eq!(told(open, libc::SYS_openat), [Some(libc::ECANCELED); 2]);
    });
}

/// SPLICE_F_NONBLOCK says that it does not wait, and TCP does not look at it.
#[test]
fn a_splice_that_was_said_not_to_wait_is_refused() {
    if !has_dispatch("a_splice_that_was_said_not_to_wait") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let socket = Arc::new(listener.accept().unwrap().0);
    let pipe = Arc::new(io::pipe().unwrap());
    let splice = move || {
        let [from, to] = [socket.as_raw_fd(), pipe.1.as_raw_fd()];
        let (none, flag) = (ptr::null_mut(), libc::SPLICE_F_NONBLOCK);
        // SAFETY: no offsets.
        match unsafe { libc::splice(from, none, to, none, 1, flag) } {
            -1 => errno(Err::<(), _>(io::Error::last_os_error())),
            _ => None,
        }
    };
    assert_eq!(told(splice, libc::SYS_splice), [Some(libc::ECANCELED); 2]);
}

#[test]
fn a_call_without_a_row_is_interrupted() {
    if !has_dispatch("a_call_without_a_row") {
        return;
    }
    alone(|| {
        let leased = Leased::new("truncate");
        let path = leased.path.clone();
        let truncate = move || errno(truncate(&path));
        assert_eq!(told(truncate, libc::SYS_truncate), [Some(libc::EINTR); 2]);
        drop(leased);
    });
}

#[test]
fn a_deadline_ends_it_as_well() {
    if !has_dispatch("a_deadline_ends_it") {
        return;
    }
    alone(|| {
        let leased = Leased::new("deadline");
        let limited = eintr::timeout(Duration::from_millis(10), || File::open(&leased.path));
        assert_eq!(limited.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

static HANDLED: AtomicBool = AtomicBool::new(false);

/// It goes on for longer than the timer stands still, and makes no call.
extern "C" fn lingering(_: i32) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(150) {
        std::hint::spin_loop();
    }
    HANDLED.store(true, SeqCst);
}

/// The timer's shot comes in a handler, and the call that it is for goes on below.
#[test]
fn one_below_a_handler_of_the_applications_is_ended() {
    if !has_dispatch("one_below_a_handler") {
        return;
    }
    alone(|| {
        let leased = Leased::new("handler");
        signals::handle(libc::SIGHUP, lingering, libc::SA_RESTART, &[]);
        let path = leased.path.clone();
        let waits = target(move || errno(truncate(&path))).blocked_in(libc::SYS_truncate);
        let times = times_asleep(waits.tid);
        waits.thread.interrupt();
        // It is made again, and watched.
        wait_until("it waits again", || times_asleep(waits.tid) > times);
        wait_until_blocked(waits.tid, libc::SYS_truncate);
        signals::send(waits.tid, libc::SIGHUP);
        assert_eq!(waits.result(), Some(libc::EINTR));
        assert!(HANDLED.load(SeqCst));
    });
}
