//! Every row of the table of answers, and every exception in it, by the raw syscall.
//!
//! The tests work like this: the table is read from the page that the documentation shows, and each
//! row, each of its exceptions must have a probe here, and each probe its row. All probes are made
//! first, with objects on which the call would wait (or, for an exception, has another result than
//! a refusal); then one reached thread makes the calls. It does so when the time for goodbyes is
//! over: what is written then is refused, unless by an exception.
//!
//! Where nobody is reached, the same calls wait: that is how the kernel is asked what it does to
//! them when a signal comes.

#![cfg(target_arch = "x86_64")]

#[allow(dead_code, reason = "the library uses all of it")]
#[path = "../../src/reach/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, pipe};
use std::os::fd::IntoRawFd;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{io, ptr, thread};

use eintr::Outcome;
use libc::{
    EAGAIN, EBADF, ECANCELED, EINTR, EINVAL, SIGUSR1, SIGUSR2, c_int, c_long, c_void, iovec,
};
use table::{Answer, Restarts};
use test_support::child::{alone, alone_with_dispatch};
use test_support::signals::RUNS;
use test_support::{LIMIT, gettid, signals, sleeps_in, wait_until};

const TABLE: &str = include_str!("../../src/reach/answers.md");

/// A row of the page.
struct Row {
    /// How it is made if it need not wait; empty if it is not.
    form: &'static str,
    answer: &'static str,
    unless: Vec<&'static str>,
}

fn rows() -> BTreeMap<&'static str, Row> {
    let lines = TABLE.lines().skip(2).filter(|line| !line.starts_with("| any other"));
    let rows: BTreeMap<_, _> = lines
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let unless = cells[3].split("; ").filter(|words| !words.is_empty()).collect();
            (cells[0], Row { form: cells[1], answer: cells[2], unless })
        })
        .collect();
    assert!(rows.len() > 40, "the page is not what it was");
    rows
}

/// A call that is made on the reached thread. Its result is the kernel's: a number, or an error
/// less than zero.
type Probe = Box<dyn FnOnce() -> i64 + Send>;

/// The probes of one row.
struct Probes {
    syscall: &'static str,
    /// The call as the table answers it.
    waits: Probe,
    /// For each exception: one or more calls, and what each returns if it is run as asked.
    unless: Vec<(&'static str, Probe, i64)>,
    /// The call where it need not wait, again and again, and what it returns.
    ready: Option<(Box<dyn Fn() -> i64 + Send>, i64)>,
}

fn probe(syscall: &'static str, waits: impl FnOnce() -> i64 + Send + 'static) -> Probes {
    Probes { syscall, waits: Box::new(waits), unless: Vec::new(), ready: None }
}

impl Probes {
    fn unless(
        mut self,
        words: &'static str,
        call: impl FnOnce() -> i64 + Send + 'static,
        result: i64,
    ) -> Self {
        self.unless.push((words, Box::new(call), result));
        self
    }

    fn ready(mut self, call: impl Fn() -> i64 + Send + 'static, result: i64) -> Self {
        self.ready = Some((Box::new(call), result));
        self
    }
}

/// Makes a syscall.
fn raw<const N: usize>(number: c_long, arguments: [usize; N]) -> i64 {
    let argument = |index| arguments.get(index).copied().unwrap_or(0);
    let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(argument);
    // SAFETY: each probe answers for its own pointers.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 { -i64::from(io::Error::last_os_error().raw_os_error().unwrap()) } else { result }
}

const fn error(errno: c_int) -> i64 {
    -(errno as i64)
}

// Objects. They are never closed: a probe's descriptor stays what it is.

/// An empty pipe: where one reads and where one writes.
fn empty_pipe(flags: c_int) -> [usize; 2] {
    let mut ends = [0; 2];
    // SAFETY: two numbers are written.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), flags) }, 0);
    ends.map(|end| end as usize)
}

/// The end of a pipe that takes no more.
fn full_pipe(flags: c_int) -> usize {
    let [_, end] = empty_pipe(flags);
    set_nonblocking(end, true);
    while raw(libc::SYS_write, [end, [0_u8; 4096].as_ptr() as usize, 4096]) > 0 {}
    set_nonblocking(end, flags & libc::O_NONBLOCK != 0);
    end
}

fn set_nonblocking(fd: usize, on: bool) {
    let flags = if on { libc::O_NONBLOCK } else { 0 };
    assert_eq!(raw(libc::SYS_fcntl, [fd, libc::F_SETFL as usize, flags as usize]), 0);
}

fn pair(kind: c_int) -> [usize; 2] {
    let mut ends = [0; 2];
    // SAFETY: two numbers are written.
    assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }, 0);
    ends.map(|end| end as usize)
}

/// The near end of what has something to read, again and again.
fn filled([near, far]: [usize; 2]) -> usize {
    assert_eq!(raw(libc::SYS_write, [far, [0_u8; 1024].as_ptr() as usize, 1024]), 1024);
    near
}

fn stream() -> usize {
    pair(libc::SOCK_STREAM)[0]
}

/// A stream that takes no more.
fn full_stream() -> usize {
    let stream = stream();
    set_nonblocking(stream, true);
    while raw(libc::SYS_write, [stream, [0_u8; 4096].as_ptr() as usize, 4096]) > 0 {}
    set_nonblocking(stream, false);
    stream
}

fn nonblocking_stream() -> usize {
    pair(libc::SOCK_STREAM | libc::SOCK_NONBLOCK)[0]
}

fn fd(from: impl IntoRawFd) -> usize {
    from.into_raw_fd() as usize
}

fn listener(nonblocking: bool) -> usize {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(nonblocking).unwrap();
    fd(listener)
}

/// A file of a few bytes, which has no name any more.
fn file() -> usize {
    let path = path("file");
    std::fs::write(&path, b"some bytes").unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    fd(file)
}

fn device() -> usize {
    fd(File::options().read(true).write(true).open("/dev/zero").unwrap())
}

fn path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("eintr-each-answer-{name}-{}", std::process::id()))
}

/// The path of a FIFO, which ends with a null byte.
fn fifo(name: &str) -> Vec<u8> {
    let path = path(name);
    let _ = std::fs::remove_file(&path);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let made = path.clone();
    at_the_end(move || std::fs::remove_file(made).unwrap());
    let mut bytes = path.into_os_string().into_encoded_bytes();
    bytes.push(0);
    bytes
}

// Arguments. They live as long as the process.

fn buffer() -> usize {
    buffer_of(64)
}

fn buffer_of(length: usize) -> usize {
    vec![0_u8; length].leak().as_mut_ptr() as usize
}

fn vector() -> usize {
    let vector = iovec { iov_base: buffer() as *mut c_void, iov_len: 8 };
    ptr::from_mut(Box::leak(Box::new(vector))) as usize
}

/// A `struct msghdr`, or the first of an array of `struct mmsghdr`.
fn message() -> usize {
    // SAFETY: all zeros are a message with no name and nothing to receive into.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_iov = vector() as *mut iovec;
    message.msg_hdr.msg_iovlen = 1;
    ptr::from_mut(Box::leak(Box::new(message))) as usize
}

fn words<const N: usize>(words: [i64; N]) -> usize {
    Box::leak(Box::new(words)).as_mut_ptr() as usize
}

/// A `struct timespec` or `struct timeval`.
fn time(seconds: i64) -> usize {
    words([seconds, 0])
}

fn an_hour() -> usize {
    time(3600)
}

const NULL: usize = 0;
/// The size of the kernel's signal sets.
const SET: usize = 8;

/// What is to be done when the probes have run: some objects outlive the process.
static AT_THE_END: Mutex<Vec<Box<dyn FnOnce() + Send>>> = Mutex::new(Vec::new());

fn at_the_end(cleanup: impl FnOnce() + Send + 'static) {
    AT_THE_END.lock().unwrap().push(Box::new(cleanup));
}

// The probes.

/// A read of the eight bytes by which std's child tells that it could not exec.
const EXEC_STATUS: &str = "4 or 8 bytes, close-on-exec, after a fork or of packets";
const READY: &str = "a file, or a device that is ready";
const NONBLOCKING: &str = "O_NONBLOCK";
const BOTH: &str = "O_NONBLOCK on both";
const DONTWAIT: &str = "MSG_DONTWAIT";
const ZERO: &str = "its timeout is zero";
const OUTPUT: &str = "descriptor 1 or 2";
const DYING: &str = "the child was killed by SIGKILL, or could not exec";

fn connections() -> Vec<Probes> {
    let connect = |kind| {
        let path = path(&format!("listener-{kind}"));
        let _ = std::fs::remove_file(&path);
        fd(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let made = path.clone();
        at_the_end(move || std::fs::remove_file(made).unwrap());
        // SAFETY: numbers; the path is shorter than the place for it.
        let address: &'static mut libc::sockaddr_un =
            Box::leak(Box::new(unsafe { std::mem::zeroed() }));
        address.sun_family = libc::AF_UNIX as u16;
        for (place, byte) in address.sun_path.iter_mut().zip(path.as_os_str().as_encoded_bytes()) {
            *place = *byte as _;
        }
        // SAFETY: no pointers.
        let socket = unsafe { libc::socket(libc::AF_UNIX, kind, 0) } as usize;
        [socket, ptr::from_mut(address) as usize, size_of::<libc::sockaddr_un>()]
    };
    let nonblocking = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
    let [blocking, nonblocking, datagrams] =
        [libc::SOCK_STREAM, nonblocking, libc::SOCK_DGRAM].map(connect);
    let accept = |number, name| {
        let [waits, does_not] = [false, true].map(listener);
        probe(name, move || raw(number, [waits])).unless(
            NONBLOCKING,
            move || raw(number, [does_not]),
            error(EAGAIN),
        )
    };
    vec![
        accept(libc::SYS_accept, "accept"),
        accept(libc::SYS_accept4, "accept4"),
        // The listener is none for datagrams, and says so.
        probe("connect", move || raw(libc::SYS_connect, blocking))
            .unless(NONBLOCKING, move || raw(libc::SYS_connect, nonblocking), 0)
            .unless(
                "a socket of datagrams",
                move || raw(libc::SYS_connect, datagrams),
                error(libc::EPROTOTYPE),
            )
            .ready(
                move || {
                    let [_, address, length] = blocking;
                    // SAFETY: no pointers.
                    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) };
                    raw(libc::SYS_connect, [socket as usize, address, length])
                },
                0,
            ),
    ]
}

fn receiving() -> Vec<Probes> {
    let dontwait = libc::MSG_DONTWAIT as usize;
    let each = |name, number, arguments: fn(usize, usize) -> [usize; 6]| {
        let [waits, again, nonblocking] = [stream(), stream(), nonblocking_stream()];
        let ready = filled(pair(libc::SOCK_STREAM));
        let received = if name == "recvmmsg" { 1 } else { 8 };
        probe(name, move || raw(number, arguments(waits, 0)))
            .unless(NONBLOCKING, move || raw(number, arguments(nonblocking, 0)), error(EAGAIN))
            .unless(DONTWAIT, move || raw(number, arguments(again, dontwait)), error(EAGAIN))
            .ready(move || raw(number, arguments(ready, 0)), received)
    };
    let packets = {
        let [near, far] = pair(libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC);
        assert_eq!(raw(libc::SYS_write, [far, buffer(), 8]), 8);
        move || raw(libc::SYS_recvfrom, [near, buffer(), 8])
    };
    vec![
        each("recvfrom", libc::SYS_recvfrom, |fd, flags| [fd, buffer(), 8, flags, NULL, NULL])
            .unless(EXEC_STATUS, packets, 8),
        each("recvmsg", libc::SYS_recvmsg, |fd, flags| [fd, message(), flags, 0, 0, 0]),
        each("recvmmsg", libc::SYS_recvmmsg, |fd, flags| [fd, message(), 1, flags, NULL, 0]),
    ]
}

fn sending() -> Vec<Probes> {
    let dontwait = libc::MSG_DONTWAIT as usize;
    let each = |name, number, arguments: fn(usize, usize) -> [usize; 6], sent| {
        let [waits, again, nonblocking] = [stream(), stream(), nonblocking_stream()];
        probe(name, move || raw(number, arguments(waits, 0)))
            .unless(NONBLOCKING, move || raw(number, arguments(nonblocking, 0)), sent)
            .unless(DONTWAIT, move || raw(number, arguments(again, dontwait)), sent)
            .ready(move || raw(number, arguments(waits, 0)), sent)
    };
    vec![
        each("sendto", libc::SYS_sendto, |fd, flags| [fd, buffer(), 8, flags, NULL, 0], 8),
        each("sendmsg", libc::SYS_sendmsg, |fd, flags| [fd, message(), flags, 0, 0, 0], 8),
        each("sendmmsg", libc::SYS_sendmmsg, |fd, flags| [fd, message(), 1, flags, 0, 0], 1),
    ]
}

/// A byte in a pipe that is libuv's lock.
const UV_LOCK: &str = "1 byte, close-on-exec, ready, signals blocked, with libuv";
const UV_UNLOCK: &str = "1 byte, close-on-exec, ready, with libuv";

/// Maps a file whose name is libuv's.
fn map_libuv() {
    let path = std::env::temp_dir().join(format!("libuv-each-answer-{}", std::process::id()));
    std::fs::write(&path, [0; 4096]).unwrap();
    let file = fd(File::open(&path).unwrap());
    // SAFETY: a page that nobody uses.
    let map = unsafe {
        libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, file as c_int, 0)
    };
    assert_ne!(map, libc::MAP_FAILED);
    at_the_end(move || std::fs::remove_file(path).unwrap());
}

/// For each read and write: its number, and its arguments with those flags that it has.
type Transfer = fn(usize, usize) -> [usize; 6];

const ON: usize = usize::MAX;
const NOWAIT: usize = libc::RWF_NOWAIT as usize;

fn reading() -> Vec<Probes> {
    let each = |name, number, arguments: Transfer| {
        let [waits, nonblocking] = [0, libc::O_NONBLOCK].map(|flags| empty_pipe(flags)[0]);
        let [file, device] = [file(), device()];
        let [near, far] = empty_pipe(0);
        let ready = filled([near, far]);
        probe(name, move || raw(number, arguments(waits, 0)))
            .unless(NONBLOCKING, move || raw(number, arguments(nonblocking, 0)), error(EAGAIN))
            .unless(READY, move || raw(number, arguments(file, 0)), 8)
            .unless(READY, move || raw(number, arguments(device, 0)), 8)
            .ready(move || raw(number, arguments(ready, 0)), 8)
    };
    let status = {
        let [near, far] = empty_pipe(libc::O_CLOEXEC);
        assert_eq!(raw(libc::SYS_write, [far, buffer(), 8]), 8);
        move || {
            let child = Command::new("true").stdin(Stdio::null()).spawn();
            let _ = child.map(|mut child| child.kill().map(|()| child.wait()));
            // As std does it: in the process that has forked.
            // SAFETY: the child makes one call, which does not return.
            let forked = unsafe { libc::fork() };
            if forked == 0 {
                // SAFETY: it ends the child.
                unsafe { libc::_exit(0) };
            }
            let read = raw(libc::SYS_read, [near, buffer(), 8]);
            assert_eq!(raw(libc::SYS_kill, [forked as usize, libc::SIGKILL as usize]), 0);
            assert_eq!(raw(libc::SYS_wait4, [forked as usize]), i64::from(forked));
            read
        }
    };
    map_libuv();
    let lock = filled(empty_pipe(libc::O_CLOEXEC));
    let uv_lock = move || {
        let before = words([0]);
        let set = |mask, before| {
            raw(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, mask, before, SET])
        };
        assert_eq!(set(words([-1]), before), 0);
        let locked = raw(libc::SYS_read, [lock, buffer(), 1]);
        assert_eq!(set(before, NULL), 0);
        assert_eq!(raw(libc::SYS_read, [lock, buffer(), 1]), error(ECANCELED), "none of libuv's");
        locked
    };
    let now = empty_pipe(0)[0];
    vec![
        each("read", libc::SYS_read, |fd, _| [fd, buffer(), 8, 0, 0, 0])
            .unless(EXEC_STATUS, status, 8)
            .unless(UV_LOCK, uv_lock, 1),
        each("readv", libc::SYS_readv, |fd, _| [fd, vector(), 1, 0, 0, 0]),
        each("preadv2", libc::SYS_preadv2, |fd, flags| [fd, vector(), 1, ON, ON, flags]).unless(
            "RWF_NOWAIT",
            move || raw(libc::SYS_preadv2, [now, vector(), 1, ON, ON, NOWAIT]),
            error(EAGAIN),
        ),
    ]
}

fn writing() -> Vec<Probes> {
    let each = |name, number, arguments: Transfer| {
        let [waits, nonblocking] = [empty_pipe(0)[1], empty_pipe(libc::O_NONBLOCK)[1]];
        let [file, device] = [file(), device()];
        probe(name, move || raw(number, arguments(waits, 0)))
            .unless(NONBLOCKING, move || raw(number, arguments(nonblocking, 0)), 8)
            .unless(READY, move || raw(number, arguments(file, 0)), 8)
            .unless(READY, move || raw(number, arguments(device, 0)), 8)
            .ready(move || raw(number, arguments(waits, 0)), 8)
    };
    let lock = empty_pipe(libc::O_CLOEXEC)[1];
    let now = full_pipe(0);
    // Nothing is written: an empty buffer will do.
    let empty = words([NULL as i64, 0]);
    vec![
        each("write", libc::SYS_write, |fd, _| [fd, buffer(), 8, 0, 0, 0])
            .unless(OUTPUT, || raw(libc::SYS_write, [1, buffer(), 0]), 0)
            .unless(OUTPUT, || raw(libc::SYS_write, [2, buffer(), 0]), 0)
            .unless("4 or 8 bytes, close-on-exec, in a forked child", report_of_a_child, 8)
            .unless(UV_UNLOCK, move || raw(libc::SYS_write, [lock, buffer(), 1]), 1),
        each("writev", libc::SYS_writev, |fd, _| [fd, vector(), 1, 0, 0, 0]).unless(
            OUTPUT,
            move || raw(libc::SYS_writev, [1, empty, 1]),
            0,
        ),
        each("pwritev2", libc::SYS_pwritev2, |fd, flags| [fd, vector(), 1, ON, ON, flags])
            .unless(OUTPUT, move || raw(libc::SYS_pwritev2, [2, empty, 1, ON, ON, 0]), 0)
            .unless(
                "RWF_NOWAIT",
                move || raw(libc::SYS_pwritev2, [now, vector(), 1, ON, ON, NOWAIT]),
                error(EAGAIN),
            ),
    ]
}

/// A child of the reached thread's writes to such a pipe when its own time for goodbyes is over. How
/// much it could.
fn report_of_a_child() -> i64 {
    let [near, far] = empty_pipe(libc::O_CLOEXEC);
    let other = empty_pipe(0)[1];
    // SAFETY: the child makes raw syscalls only.
    let child = unsafe { libc::fork() };
    if child == 0 {
        wait_for_the_end_of_goodbyes();
        let refused = raw(libc::SYS_write, [other, buffer(), 8]) == error(ECANCELED);
        let written = raw(libc::SYS_write, [far, buffer(), 8]);
        // SAFETY: it ends the child.
        unsafe { libc::_exit(if refused { written as c_int } else { 99 }) };
    }
    // Refused at first: it is not known to be dying. Nobody waits for it but this thread.
    let mut status = 0;
    let wait = |status: &mut c_int| {
        raw(libc::SYS_wait4, [child as usize, &raw mut *status as usize, libc::WNOHANG as usize])
    };
    while wait(&mut status) == 0 {
        thread::yield_now();
    }
    set_nonblocking(near, true);
    assert_eq!(raw(libc::SYS_read, [near, buffer(), 16]), 8);
    i64::from(libc::WEXITSTATUS(status))
}

fn moving() -> Vec<Probes> {
    let flag = libc::SPLICE_F_NONBLOCK as usize;
    let ends = |flags| [empty_pipe(flags)[0], empty_pipe(flags)[1]];
    let splice = |[from, to]: [usize; 2], flags| {
        move || raw(libc::SYS_splice, [from, NULL, to, NULL, 8, flags])
    };
    let tee =
        |[from, to]: [usize; 2], flags| move || raw(libc::SYS_tee, [from, to, 8, flags, 0, 0]);
    let vmsplice = |to, flags| move || raw(libc::SYS_vmsplice, [to, vector(), 1, flags]);
    let sendfile = |to| {
        let from = file();
        move || raw(libc::SYS_sendfile, [to, from, words([0]), 8])
    };
    let nonblocking = libc::O_NONBLOCK;
    vec![
        probe("splice", splice(ends(0), 0))
            .unless("SPLICE_F_NONBLOCK", splice(ends(0), flag), error(EAGAIN))
            .unless(BOTH, splice(ends(nonblocking), 0), error(EAGAIN))
            .ready(splice([filled(pair(libc::SOCK_STREAM)), empty_pipe(0)[1]], 0), 8),
        probe("tee", tee(ends(0), 0))
            .unless("SPLICE_F_NONBLOCK", tee(ends(0), flag), error(EAGAIN))
            .unless(BOTH, tee(ends(nonblocking), 0), error(EAGAIN))
            .ready(tee([filled(empty_pipe(0)), empty_pipe(0)[1]], 0), 8),
        probe("vmsplice", vmsplice(full_pipe(0), 0))
            .unless("SPLICE_F_NONBLOCK", vmsplice(full_pipe(0), flag), error(EAGAIN))
            .ready(vmsplice(empty_pipe(0)[1], 0), 8),
        probe("sendfile", sendfile(full_pipe(0)))
            .unless(NONBLOCKING, sendfile(full_pipe(nonblocking)), error(EAGAIN))
            .unless(READY, sendfile(file()), 8)
            .ready(sendfile(empty_pipe(0)[1]), 8),
    ]
}

fn opening() -> Vec<Probes> {
    const NO_FIFO: &str = "it is no FIFO, or with O_NONBLOCK or O_RDWR";
    let here = libc::AT_FDCWD as usize;
    let open = |path: &[u8], flags: c_int| {
        let path: &'static [u8] = path.to_vec().leak();
        move || raw(libc::SYS_open, [path.as_ptr() as usize, flags as usize])
    };
    let openat = |path: &[u8], flags: c_int| {
        let path: &'static [u8] = path.to_vec().leak();
        move || raw(libc::SYS_openat, [here, path.as_ptr() as usize, flags as usize])
    };
    let openat2 = |path: &[u8], flags: c_int| {
        let path: &'static [u8] = path.to_vec().leak();
        let how = words([i64::from(flags), 0, 0]);
        move || raw(libc::SYS_openat2, [here, path.as_ptr() as usize, how, 24])
    };
    let creat = |path: &[u8]| {
        let path: &'static [u8] = path.to_vec().leak();
        move || raw(libc::SYS_creat, [path.as_ptr() as usize, 0o600])
    };
    let fifo = fifo("fifo");
    let each = |probes: Probes, call: &dyn Fn(&[u8], c_int) -> Probe| {
        let opens = |path, flags| {
            let call = call(path, flags);
            move || call().min(0)
        };
        probes
            .unless(NO_FIFO, opens(b"/dev/null\0", libc::O_RDONLY), 0)
            .unless(NO_FIFO, opens(&fifo, libc::O_RDONLY | libc::O_NONBLOCK), 0)
            .unless(NO_FIFO, opens(&fifo, libc::O_RDWR), 0)
            .unless(NO_FIFO, opens(&fifo, libc::O_PATH), 0)
    };
    let [read, write] = [libc::O_RDONLY, libc::O_WRONLY];
    vec![
        each(probe("open", open(&fifo, read)), &|path, flags| Box::new(open(path, flags))),
        probe("creat", creat(&fifo)).unless(
            NO_FIFO,
            {
                let creat = creat(b"/dev/null\0");
                move || creat().min(0)
            },
            0,
        ),
        each(probe("openat", openat(&fifo, write)), &|path, flags| Box::new(openat(path, flags))),
        each(probe("openat2", openat2(&fifo, read)), &|path, flags| Box::new(openat2(path, flags))),
    ]
}

/// Which libc lacks.
const IO_PGETEVENTS: i64 = if cfg!(target_arch = "x86_64") { 333 } else { 292 };

/// A context of asynchronous reads and writes (see io_submit(2)), some of which are done.
fn reads_that_are_done() -> usize {
    let [context, file] = [words([0]), file()];
    assert_eq!(raw(libc::SYS_io_setup, [32, context]), 0);
    // SAFETY: a word of ours, which the kernel has written.
    let context = unsafe { *(context as *const usize) };
    for _ in 0..16 {
        // data, flags, what to do (0: read) and the descriptor, buffer, length, offset
        let request = words([0, 0, (file as i64) << 32, buffer() as i64, 8, 0, 0, 0]);
        assert_eq!(raw(libc::SYS_io_submit, [context, 1, words([request as i64])]), 1);
    }
    context
}

/// A ring of io_uring's, with a completion or without; none if there are no rings.
fn ring(done: bool) -> Option<usize> {
    const SUBMISSIONS: i64 = 0;
    const ENTRIES: i64 = 0x1000_0000;
    let parameters = buffer_of(120);
    let ring = usize::try_from(raw(libc::SYS_io_uring_setup, [4, parameters])).ok()?;
    if done {
        let map = |offset| {
            let [access, shared] = [libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED];
            // SAFETY: new memory, of a page.
            let map =
                unsafe { libc::mmap(ptr::null_mut(), 4096, access, shared, ring as i32, offset) };
            assert_ne!(map, libc::MAP_FAILED);
            map.cast::<u32>()
        };
        // An entry of zeros does nothing, and is done.
        let (queue, _entries) = (map(SUBMISSIONS), map(ENTRIES));
        // SAFETY: the kernel's offsets into the queue: that of its tail.
        unsafe { *queue.byte_add(*(parameters as *const u32).add(11) as usize) = 1 };
        assert_eq!(raw(libc::SYS_io_uring_enter, [ring, 1, 0, 0, NULL, 0]), 1);
    }
    Some(ring)
}

fn readiness() -> Vec<Probes> {
    let context = reads_that_are_done();
    // SAFETY: no pointers.
    let epoll = unsafe { libc::epoll_create1(0) } as usize;
    let served = ring(true);
    let wait_in_ring = |ring| raw(libc::SYS_io_uring_enter, [ring, 0, 1, 1, NULL, SET]);
    let pollfd = |fd: usize| words([fd as i64 | i64::from(libc::POLLIN) << 32]);
    let [waits, ready] = [empty_pipe(0)[0], filled(empty_pipe(0))];
    let [waits, polled] = [waits, ready].map(pollfd);
    let selected = move |number| {
        let sets = [(); 3].map(|()| words([0; 16]));
        assert!(ready < 1024);
        // SAFETY: words of ours, of which the first 16 are the set.
        let set = unsafe { &mut *(sets[0] as *mut [u64; 16]) };
        set[ready / 64] = 1 << (ready % 64);
        let count = raw(number, [ready + 1, sets[0], sets[1], sets[2], an_hour(), NULL]);
        assert_eq!(set[ready / 64], 1 << (ready % 64), "it is ready, or the set is as it was");
        count
    };
    let has_events = {
        // SAFETY: no pointers.
        let epoll = unsafe { libc::epoll_create1(0) } as usize;
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 7 };
        let arguments = [epoll, libc::EPOLL_CTL_ADD as usize, ready, &raw mut event as usize];
        assert_eq!(raw(libc::SYS_epoll_ctl, arguments), 0);
        epoll
    };
    vec![
        probe("poll", move || raw(libc::SYS_poll, [waits, 1, ON]))
            .unless(ZERO, || raw(libc::SYS_poll, [NULL, 0, 0]), 0)
            .ready(move || raw(libc::SYS_poll, [polled, 1, ON]), 1),
        probe("ppoll", || raw(libc::SYS_ppoll, [NULL, 0, an_hour(), NULL, SET]))
            .unless(ZERO, || raw(libc::SYS_ppoll, [NULL, 0, time(0), NULL, SET]), 0)
            .ready(move || raw(libc::SYS_ppoll, [polled, 1, an_hour(), NULL, SET]), 1),
        probe("select", || raw(libc::SYS_select, [0, NULL, NULL, NULL, an_hour()]))
            .unless(ZERO, || raw(libc::SYS_select, [0, NULL, NULL, NULL, time(0)]), 0)
            .ready(move || selected(libc::SYS_select), 1),
        probe("pselect6", || raw(libc::SYS_pselect6, [0, NULL, NULL, NULL, NULL, NULL]))
            .unless(ZERO, || raw(libc::SYS_pselect6, [0, NULL, NULL, NULL, time(0), NULL]), 0)
            .ready(move || selected(libc::SYS_pselect6), 1),
        probe("epoll_wait", move || raw(libc::SYS_epoll_wait, [epoll, buffer(), 1, ON]))
            .unless(ZERO, move || raw(libc::SYS_epoll_wait, [epoll, buffer(), 1, 0]), 0)
            .ready(move || raw(libc::SYS_epoll_wait, [has_events, buffer(), 1, ON]), 1),
        probe("epoll_pwait", move || {
            raw(libc::SYS_epoll_pwait, [epoll, buffer(), 1, ON, NULL, SET])
        })
        .unless(ZERO, move || raw(libc::SYS_epoll_pwait, [epoll, buffer(), 1, 0, NULL, SET]), 0)
        .ready(move || raw(libc::SYS_epoll_pwait, [has_events, buffer(), 1, ON, NULL, SET]), 1),
        probe("epoll_pwait2", move || {
            raw(libc::SYS_epoll_pwait2, [epoll, buffer(), 1, an_hour(), NULL, SET])
        })
        .unless(
            ZERO,
            move || raw(libc::SYS_epoll_pwait2, [epoll, buffer(), 1, time(0), NULL, SET]),
            0,
        )
        .ready(
            move || raw(libc::SYS_epoll_pwait2, [has_events, buffer(), 1, an_hour(), NULL, SET]),
            1,
        ),
        // No ring and no context: run as asked they find fault with that.
        probe("io_uring_enter", move || ring(false).map_or(error(EINTR), wait_in_ring))
            .ready(move || served.map_or(0, wait_in_ring), 0)
            .unless(
                "without IORING_ENTER_GETEVENTS",
                || raw(libc::SYS_io_uring_enter, [ON, 0, 1, 0, NULL, SET]),
                error(EBADF),
            )
            .unless(
                "it asks for none",
                || raw(libc::SYS_io_uring_enter, [ON, 0, 0, 1, NULL, SET]),
                error(EBADF),
            ),
        probe("io_getevents", || raw(libc::SYS_io_getevents, [0, 1, 1, buffer(), NULL]))
            .unless(
                "it asks for none",
                || raw(libc::SYS_io_getevents, [0, 0, 1, buffer(), NULL]),
                error(EINVAL),
            )
            .unless(
                ZERO,
                || raw(libc::SYS_io_getevents, [0, 1, 1, buffer(), time(0)]),
                error(EINVAL),
            )
            .ready(move || raw(libc::SYS_io_getevents, [context, 1, 1, buffer(), NULL]), 1),
        probe("io_pgetevents", || raw(IO_PGETEVENTS, [0, 1, 1, buffer(), NULL, NULL]))
            .unless(
                "it asks for none",
                || raw(IO_PGETEVENTS, [0, 0, 1, buffer(), NULL, NULL]),
                error(EINVAL),
            )
            .unless(ZERO, || raw(IO_PGETEVENTS, [0, 1, 1, buffer(), time(0), NULL]), error(EINVAL))
            .ready(move || raw(IO_PGETEVENTS, [context, 1, 1, buffer(), NULL, NULL]), 1),
    ]
}

fn waiting() -> Vec<Probes> {
    let kill = |child: usize| raw(libc::SYS_kill, [child, libc::SIGKILL as usize]);
    let [first, second] = [(); 2].map(|()| {
        // It must not keep the outputs of a test that has failed.
        let mut child = Command::new("sleep");
        child.arg("1000").stdout(Stdio::null()).stderr(Stdio::null());
        child.spawn().unwrap().id() as usize
    });
    let wait4 = move |options: c_int| raw(libc::SYS_wait4, [first, NULL, options as usize, NULL]);
    let waitid = move |options: c_int| {
        let options = (libc::WEXITED | options) as usize;
        raw(libc::SYS_waitid, [libc::P_PID as usize, second, NULL, options, NULL])
    };
    let killed_and = move |child, wait: &dyn Fn(c_int) -> i64| {
        assert_eq!(kill(child), 0);
        wait(0)
    };
    vec![
        probe("wait4", move || wait4(0))
            .unless("WNOHANG", move || wait4(libc::WNOHANG), 0)
            .unless(DYING, move || killed_and(first, &wait4), first as i64)
            .ready(|| raw(libc::SYS_wait4, [ended_child(), NULL, 0, NULL]).min(1), 1),
        probe("waitid", move || waitid(0))
            .unless("WNOHANG", move || waitid(libc::WNOHANG), 0)
            .unless(DYING, move || killed_and(second, &waitid), 0)
            .ready(
                move || {
                    let child = ended_child();
                    let info = buffer_of(128);
                    let options = libc::WEXITED as usize;
                    let waited =
                        raw(libc::SYS_waitid, [libc::P_PID as usize, child, info, options, NULL]);
                    // SAFETY: a siginfo of a child's end.
                    let told = unsafe { (*(info as *const libc::siginfo_t)).si_pid() };
                    assert!(waited < 0 || told as usize == child);
                    waited
                },
                0,
            ),
    ]
}

/// A child that has ended, and was not waited for.
fn ended_child() -> usize {
    eintr::mask(|| {
        let child = Command::new("true").stdin(Stdio::null()).spawn().unwrap().id();
        let stat = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
        wait_until("it has ended", || stat().contains(") Z "));
        child as usize
    })
}

fn sleeping() -> Vec<Probes> {
    let [usr2, other] = [SIGUSR2, libc::SIGWINCH].map(|signal| words([1 << (signal - 1)]));
    vec![
        probe("nanosleep", || raw(libc::SYS_nanosleep, [an_hour(), NULL])),
        probe("clock_nanosleep", || raw(libc::SYS_clock_nanosleep, [1, 0, an_hour(), NULL])),
        probe("pause", || raw(libc::SYS_pause, [])),
        probe("rt_sigsuspend", || raw(libc::SYS_rt_sigsuspend, [words([0]), SET])),
        probe("rt_sigtimedwait", move || raw(libc::SYS_rt_sigtimedwait, [usr2, NULL, NULL, SET]))
            .unless(
                ZERO,
                move || raw(libc::SYS_rt_sigtimedwait, [usr2, NULL, time(0), SET]),
                error(EAGAIN),
            )
            .ready(
                move || {
                    let block = libc::SIG_BLOCK as usize;
                    assert_eq!(raw(libc::SYS_rt_sigprocmask, [block, other, NULL, SET]), 0);
                    signals::send(gettid(), libc::SIGWINCH);
                    raw(libc::SYS_rt_sigtimedwait, [other, NULL, NULL, SET])
                },
                libc::SIGWINCH.into(),
            ),
    ]
}

fn locking() -> Vec<Probes> {
    const FLAGS: &str = "LOCK_NB or LOCK_UN";
    let path = path("locked");
    let open = || {
        let mut options = File::options();
        options.create(true).truncate(true).read(true).write(true).open(&path).unwrap()
    };
    let [holder, other] = [open(), open()];
    std::fs::remove_file(&path).unwrap();
    holder.lock().unwrap();
    fd(holder);
    let other = fd(other);
    let free = file();
    let flock = move |operation: c_int| move || raw(libc::SYS_flock, [other, operation as usize]);
    let fcntl_of = |file: usize, command: c_int, kind: i16| {
        // SAFETY: a lock is plain numbers.
        let lock: &'static mut libc::flock = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
        lock.l_type = kind;
        let lock = ptr::from_mut(lock) as usize;
        move || raw(libc::SYS_fcntl, [file, command as usize, lock])
    };
    let fcntl = move |command: c_int, kind: i16| fcntl_of(other, command, kind);
    let [exclusive, unlocked] = [libc::F_WRLCK as i16, libc::F_UNLCK as i16];
    let pty = nix::pty::openpty(None, None).unwrap();
    let terminal = fd(pty.slave);
    fd(pty.master);
    let ioctl =
        move |command: usize, argument| move || raw(libc::SYS_ioctl, [terminal, command, argument]);
    vec![
        probe("flock", flock(libc::LOCK_EX))
            .unless(FLAGS, flock(libc::LOCK_EX | libc::LOCK_NB), error(EAGAIN))
            .unless(FLAGS, flock(libc::LOCK_UN), 0)
            .ready(move || raw(libc::SYS_flock, [free, libc::LOCK_EX as usize]), 0),
        probe("fcntl", fcntl(libc::F_SETLKW, exclusive))
            .unless("not F_SETLKW or F_OFD_SETLKW", fcntl(libc::F_SETLK, exclusive), 0)
            .unless("it unlocks", fcntl(libc::F_SETLKW, unlocked), 0)
            .unless("it unlocks", fcntl(libc::F_OFD_SETLKW, unlocked), 0)
            .ready(
                move || {
                    let locks = [
                        fcntl_of(other, libc::F_SETLKW, exclusive),
                        fcntl_of(free, libc::F_OFD_SETLKW, exclusive),
                    ];
                    locks.map(|lock| lock()).into_iter().sum()
                },
                0,
            ),
        probe("ioctl", ioctl(libc::TCSBRK as usize, 1)).unless(
            "not one of those that are known to wait",
            ioctl(libc::FIONREAD as usize, buffer()),
            0,
        ),
    ]
}

fn ipc() -> Vec<Probes> {
    const RELEASES: &str = "it releases, or IPC_NOWAIT";
    const PRIVATE: usize = libc::IPC_PRIVATE as usize;
    let semaphores = raw(libc::SYS_semget, [PRIVATE, 1, 0o600]) as usize;
    let plenty = raw(libc::SYS_semget, [PRIVATE, 1, 0o600]) as usize;
    assert_eq!(raw(libc::SYS_semctl, [plenty, 0, libc::SETVAL as usize, 1000]), 0);
    let queue = raw(libc::SYS_msgget, [PRIVATE, 0o600]) as usize;
    let used = raw(libc::SYS_msgget, [PRIVATE, 0o600]) as usize;
    let full = raw(libc::SYS_msgget, [PRIVATE, 0o600]) as usize;
    at_the_end(move || {
        let _ = [semaphores, plenty]
            .map(|set| raw(libc::SYS_semctl, [set, 0, libc::IPC_RMID as usize]));
        let _ = [queue, full, used]
            .map(|queue| raw(libc::SYS_msgctl, [queue, libc::IPC_RMID as usize, NULL]));
    });
    let message = words([1; 16]);
    let nowait = libc::IPC_NOWAIT as usize;
    let send = move |queue, flags| raw(libc::SYS_msgsnd, [queue, message, 100, flags]);
    while send(full, nowait) == 0 {}
    (0..50).for_each(|_| assert_eq!(send(used, nowait), 0));
    let receive = move |flags| raw(libc::SYS_msgrcv, [queue, message, 100, 0, flags]);
    let operation = |change: i16, flags: i16| {
        let operation = libc::sembuf { sem_num: 0, sem_op: change, sem_flg: flags };
        ptr::from_mut(Box::leak(Box::new(operation))) as usize
    };
    let nowait_of_a_semaphore = libc::IPC_NOWAIT as i16;
    let semop =
        move |change, flags| raw(libc::SYS_semop, [semaphores, operation(change, flags), 1]);
    let semtimedop = move |change, flags, time| {
        raw(libc::SYS_semtimedop, [semaphores, operation(change, flags), 1, time])
    };
    let mqueue = |flags: c_int, most: i64| {
        let name = Box::leak(
            format!("eintr-each-{}-{flags}-{most}\0", std::process::id()).into_boxed_str(),
        );
        // flags, most messages, their size, how many there are
        let attributes = words([0, most, 8, 0, 0, 0, 0, 0]);
        let flags = libc::O_CREAT | libc::O_RDWR | flags;
        let name = name.as_ptr() as usize;
        let queue = raw(libc::SYS_mq_open, [name, flags as usize, 0o600, attributes]);
        assert!(queue >= 0, "{queue}");
        raw(libc::SYS_mq_unlink, [name]);
        queue as usize
    };
    let [waits, nonblocking, full_waits, full_nonblocking] =
        [0, libc::O_NONBLOCK, libc::O_EXCL, libc::O_EXCL | libc::O_NONBLOCK]
            .map(|flags| mqueue(flags, 1));
    let half_full = mqueue(0, 10);
    let mq_send = |queue| raw(libc::SYS_mq_timedsend, [queue, buffer(), 8, 0, NULL]);
    let mq_receive = |queue| raw(libc::SYS_mq_timedreceive, [queue, buffer(), 8, NULL, NULL]);
    assert_eq!([mq_send(full_waits), mq_send(full_nonblocking)], [0, 0]);
    (0..5).for_each(|_| assert_eq!(mq_send(half_full), 0));
    vec![
        probe("semop", move || semop(-1, 0))
            .unless(RELEASES, move || semop(-1, nowait_of_a_semaphore), error(EAGAIN))
            .unless(RELEASES, move || semop(1, 0), 0)
            .ready(move || raw(libc::SYS_semop, [plenty, operation(-1, 0), 1]), 0),
        probe("semtimedop", move || semtimedop(-2, 0, NULL))
            .unless(RELEASES, move || semtimedop(-2, nowait_of_a_semaphore, NULL), error(EAGAIN))
            .unless(RELEASES, move || semtimedop(1, 0, NULL), 0)
            .unless(ZERO, move || semtimedop(-9, 0, time(0)), error(EAGAIN))
            .ready(move || raw(libc::SYS_semtimedop, [plenty, operation(-1, 0), 1, NULL]), 0),
        probe("msgrcv", move || receive(0))
            .unless("IPC_NOWAIT", move || receive(nowait), error(libc::ENOMSG))
            .ready(move || raw(libc::SYS_msgrcv, [used, message, 100, 0, 0]), 100),
        probe("msgsnd", move || send(full, 0))
            .unless("IPC_NOWAIT", move || send(full, nowait), error(EAGAIN))
            .ready(move || send(used, 0), 0),
        probe("mq_timedreceive", move || mq_receive(waits))
            .unless(NONBLOCKING, move || mq_receive(nonblocking), error(EAGAIN))
            .ready(move || mq_receive(half_full), 8),
        probe("mq_timedsend", move || mq_send(full_waits))
            .unless(NONBLOCKING, move || mq_send(full_nonblocking), error(EAGAIN))
            .ready(move || mq_send(half_full), 0),
    ]
}

fn run() -> Vec<Probes> {
    let [synced, data] = [file(), file()];
    let at_a_position = |name, number, buffer: fn() -> usize, length| {
        let file = file();
        probe(name, move || raw(number, [file, buffer(), length, 0]))
    };
    let copied = [file(), file()];
    vec![
        at_a_position("pread64", libc::SYS_pread64, buffer, 8),
        at_a_position("preadv", libc::SYS_preadv, vector, 1),
        at_a_position("pwrite64", libc::SYS_pwrite64, buffer, 8),
        at_a_position("pwritev", libc::SYS_pwritev, vector, 1),
        probe("copy_file_range", move || {
            raw(libc::SYS_copy_file_range, [copied[0], NULL, copied[1], NULL, 8, 0])
        }),
        probe("futex", || raw(libc::SYS_futex, [buffer(), 0, 0])).unless(
            "not FUTEX_WAIT or FUTEX_WAIT_BITSET",
            || raw(libc::SYS_futex, [buffer(), libc::FUTEX_WAKE as usize, 1]),
            0,
        ),
        probe("futex_waitv", || raw(libc::SYS_futex_waitv, [NULL, 0])),
        probe("getrandom", || raw(libc::SYS_getrandom, [buffer(), 8, 0])),
        probe("close", || raw(libc::SYS_close, [1 << 20])),
        probe("fsync", move || raw(libc::SYS_fsync, [synced])),
        probe("fdatasync", move || raw(libc::SYS_fdatasync, [data])),
    ]
}

/// What the rows return that run.
fn runs(syscall: &str) -> i64 {
    match syscall {
        "futex_waitv" => error(EINVAL),
        "getrandom" | "pread64" | "preadv" | "pwrite64" | "pwritev" | "copy_file_range" => 8,
        "close" => error(EBADF),
        "fsync" | "fdatasync" => 0,
        other => panic!("{other} runs, and it is not said with which result"),
    }
}

fn wait_for_the_end_of_goodbyes() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(110) {
        std::hint::spin_loop();
    }
}

fn probes() -> Vec<Probes> {
    let kinds = [
        connections,
        receiving,
        sending,
        reading,
        writing,
        moving,
        opening,
        readiness,
        waiting,
        sleeping,
        locking,
        ipc,
        run,
    ];
    kinds.into_iter().flat_map(|of_a_kind| of_a_kind()).collect()
}

#[test]
fn every_row_and_every_exception() {
    alone_with_dispatch(|| {
        let rows = rows();
        let probes = probes();
        for (name, row) in &rows {
            let probe = probes.iter().find(|probe| probe.syscall == *name);
            let probe = probe.unwrap_or_else(|| panic!("{name} has no probe"));
            for words in &row.unless {
                let is_there = probe.unless.iter().any(|(unless, ..)| unless == words);
                assert!(is_there, "{name}, unless {words}: no probe");
            }
            assert_eq!(probe.ready.is_some(), !row.form.is_empty(), "{name}, ready");
            for (words, ..) in &probe.unless {
                assert!(row.unless.contains(words), "{name} has no exception of {words}");
            }
        }
        assert_eq!(probes.len(), rows.len(), "one for each");

        let (mut reader, _writer) = pipe().unwrap();
        eintr::spawn(move || {
            eintr::Interrupter::current().unwrap().interrupt();
            assert_eq!(reader.read(&mut [0]).unwrap_err().raw_os_error(), Some(ECANCELED));
            probes.iter().for_each(is_done_if_ready);
            wait_for_the_end_of_goodbyes();
            for Probes { syscall, waits, unless, ready } in probes {
                let expected = match rows[syscall].answer {
                    "ECANCELED" => error(ECANCELED),
                    "EINTR" | "for each word EINTR, then EAGAIN; then run" => error(EINTR),
                    // It takes its time to be refused, and is told EINTR until then.
                    "EINTR for 1 ms, then ECANCELED" => error(EINTR),
                    "0" => 0,
                    "run" => runs(syscall),
                    other => panic!("an answer that nobody knows: {other}"),
                };
                assert_eq!(waits(), expected, "{syscall}");
                if let Some((call, done)) = ready {
                    let is_done = call() == done;
                    let for_ever = rows[syscall].form.ends_with("for ever");
                    assert_eq!(is_done, for_ever, "{syscall}, ready, when the time is over");
                }
                for (words, call, result) in unless {
                    assert_eq!(call(), result, "{syscall}, {words}");
                }
                // Heeded: there is no back-off.
                assert!(eintr::checkpoint().is_err());
            }
        })
        .join()
        .unwrap();
        AT_THE_END.lock().unwrap().drain(..).for_each(|cleanup| cleanup());
    });
}

/// A task of its own has time of its own. A try counts if the machine let it be in time.
fn is_done_if_ready(probes: &Probes) {
    let Some((call, expected)) = &probes.ready else { return };
    loop {
        let start = Instant::now();
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        let result = eintr::mask(|| task.run(call));
        if start.elapsed() < Duration::from_millis(100) {
            assert_eq!(result, *expected, "{}, ready", probes.syscall);
            return;
        }
    }
}

/// What is refused when the time for goodbyes is over, and waits otherwise.
fn waits_for_room(syscall: &str) -> Option<Probe> {
    let full = full_stream();
    Some(match syscall {
        "write" => Box::new(move || raw(libc::SYS_write, [full, buffer(), 8])),
        "writev" => Box::new(move || raw(libc::SYS_writev, [full, vector(), 1])),
        "pwritev2" => Box::new(move || raw(libc::SYS_pwritev2, [full, vector(), 1, ON, ON, 0])),
        "sendto" => Box::new(move || raw(libc::SYS_sendto, [full, buffer(), 8])),
        "sendmsg" => Box::new(move || raw(libc::SYS_sendmsg, [full, message(), 0])),
        "sendmmsg" => Box::new(move || raw(libc::SYS_sendmmsg, [full, message(), 1])),
        _ => return None,
    })
}

/// What has no object here on which it would wait.
const WITHOUT_A_WAIT: &[&str] =
    &["connect", "fcntl", "io_uring_enter", "io_getevents", "io_pgetevents", "ioctl"];

/// Hands on each row that is not run as asked, with a call that waits.
fn each_that_waits(mut told: impl FnMut(&table::Row, Probe)) {
    for Probes { syscall, waits, unless, .. } in probes() {
        let row = table::TABLE.iter().find(|row| row.name == syscall).unwrap();
        if row.answer == Answer::Run || WITHOUT_A_WAIT.contains(&syscall) {
            continue;
        }
        told(row, waits_for_room(syscall).unwrap_or(waits));
        for (_, reap, _) in unless.into_iter().filter(|(words, ..)| *words == DYING) {
            reap();
        }
    }
    AT_THE_END.lock().unwrap().drain(..).for_each(|cleanup| cleanup());
}

/// Whether a thread sleeps in a row's call, or in that which libc makes of it.
fn waits_in(tid: i32, row: &table::Row) -> bool {
    let later = match row.number {
        libc::SYS_open => libc::SYS_openat,
        libc::SYS_nanosleep => libc::SYS_clock_nanosleep,
        number => number,
    };
    sleeps_in(tid, later)
}

/// What the kernel does not restart has been told EINTR already; anything else is answered.
#[test]
fn asked_while_it_waits() {
    alone_with_dispatch(|| {
        each_that_waits(|row, waits| {
            let (tell, told) = mpsc::channel();
            let stuck = eintr::spawn(move || {
                tell.send(gettid()).unwrap();
                waits()
            });
            let tid = told.recv().unwrap();
            wait_until(&format!("{} waits", row.name), || waits_in(tid, row));
            let outcome = stuck.interrupt().wait(LIMIT);
            let expected = match (row.restarts, row.answer) {
                (Restarts::Never, _) | (_, Answer::Interrupt | Answer::WakeTwice) => EINTR,
                _ => ECANCELED,
            };
            assert_eq!(stuck.join().unwrap(), error(expected), "{}", row.name);
            // Many who wait on a futex go on: nobody is told that such a wait was cut short.
            let is_told = matches!(outcome, Outcome::Raised);
            assert!(is_told || row.answer == Answer::WakeTwice, "{}: {outcome:?}", row.name);
        });
    });
}

/// A signal comes whose handler asks for the restart of the call that waits, then one whose handler
/// does not.
#[test]
fn the_kernel_restarts_each_as_its_row_says() {
    alone(|| {
        signals::handle(SIGUSR1, signals::count, libc::SA_RESTART, &[]);
        signals::handle(SIGUSR2, signals::count, 0, &[]);
        each_that_waits(|row, waits| {
            let syscall = row.name;
            let (tell, told) = mpsc::channel();
            let thread = thread::spawn(move || {
                tell.send(gettid()).unwrap();
                waits()
            });
            let tid = told.recv().unwrap();
            let waits = || waits_in(tid, row);
            wait_until(&format!("{syscall} waits"), || thread.is_finished() || waits());
            assert!(!thread.is_finished(), "{syscall} did not wait: {:?}", thread.join());
            let runs = RUNS.load(SeqCst);
            signals::send(tid, SIGUSR1);
            wait_until(&format!("{syscall} goes on, or not"), || {
                RUNS.load(SeqCst) > runs && (thread.is_finished() || waits())
            });
            let is_restarted = !thread.is_finished();
            if is_restarted {
                signals::send(tid, SIGUSR2);
            }
            assert_eq!(thread.join().unwrap(), error(EINTR), "{syscall}");
            assert_eq!(is_restarted, row.restarts != Restarts::Never, "{syscall}");
        });
    });
}
