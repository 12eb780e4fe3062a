//! Until a cause stands, a managed thread makes the syscalls of a plain one, the same in the same
//! number (P9): reach is nothing that is there before it is needed, and our own calls are those that
//! they are named after.
//!
//! The tests here work like this: a thread puts itself under a seccomp filter that has the kernel
//! ask another thread of this process about each of its syscalls. That one notes the number and says
//! go on. What lies between two marks is compared.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use test_support::notices::{Notice, ask_about_me, let_one_on};
use test_support::{gettid, skipped_under_emulation, watched};

/// What the filtered thread has become: not yet, a descriptor, or refused.
const NOT_YET: i32 = -1;
const REFUSED: i32 = -2;

/// A syscall that nothing here makes otherwise.
fn mark() {
    // SAFETY: no arguments.
    unsafe { libc::syscall(MARK) };
}

const MARK: i64 = libc::SYS_getsid;

/// What a thread runs.
type Body = Box<dyn FnOnce() + Send>;
/// Waits for that thread's end.
type Join = Box<dyn FnOnce()>;

/// The syscalls that a body makes between its marks, on a thread that `spawn` makes; none if the
/// kernel cannot be had to tell.
fn syscalls_of(body: fn(), spawn: fn(Body) -> Join) -> Option<Vec<i32>> {
    let asked_at = Arc::new(AtomicI32::new(NOT_YET));
    let id = Arc::new(AtomicI32::new(0));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (tells, is) = (asked_at.clone(), id.clone());
    let join = spawn(Box::new(move || {
        // What is done once is done now.
        body();
        is.store(gettid(), Ordering::SeqCst);
        let listener = ask_about_me();
        tells.store(if listener < 0 { REFUSED } else { listener }, Ordering::SeqCst);
        if listener >= 0 {
            body();
            mark();
            body();
            mark();
        }
    }));
    while asked_at.load(Ordering::SeqCst) == NOT_YET {
        thread::yield_now();
    }
    let listener = asked_at.load(Ordering::SeqCst);
    if listener == REFUSED {
        eprintln!("skipped: the kernel does not tell of syscalls here");
        join();
        return None;
    }
    // SAFETY: it is new, and nobody else's.
    let listener = unsafe { OwnedFd::from_raw_fd(listener) };
    let (notes, id) = (seen.clone(), id.load(Ordering::SeqCst) as u32);
    let answers = thread::spawn(move || {
        let note = |notice: &Notice| {
            if notice.pid == id {
                notes.lock().unwrap().push(notice.number);
            }
        };
        while let_one_on(&listener, note) {}
    });
    join();
    answers.join().unwrap();
    let seen = seen.lock().unwrap();
    let mut between = seen.split(|number| i64::from(*number) == MARK);
    let [_before, body, after] = [between.next(), between.next(), between.next()];
    assert!(after.is_some(), "both marks were seen");
    body.map(<[i32]>::to_vec)
}

fn on_a_plain_thread(body: Body) -> Join {
    let thread = thread::spawn(body);
    Box::new(move || thread.join().unwrap())
}

fn on_a_managed_thread(body: Body) -> Join {
    let thread = eintr::spawn(body);
    Box::new(move || thread.join().unwrap())
}

fn in_a_task(body: Body) -> Join {
    let (task, _interrupter) = eintr::task();
    let thread = thread::spawn(move || task.run(|| eintr::reach(body)));
    Box::new(move || thread.join().unwrap())
}

/// Calls of std's, each with its result there or soon.
fn std_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    near.write_all(b"a line\nand more").unwrap();
    let mut line = String::new();
    BufReader::with_capacity(7, &far).read_line(&mut line).unwrap();
    far.read_exact(&mut [0; 8]).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.send_to(b"datagram", socket.local_addr().unwrap()).unwrap();
    socket.peek_from(&mut [0; 8]).unwrap();
    socket.recv_from(&mut [0; 8]).unwrap();
    let (mut reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"byte").unwrap();
    reader.read_exact(&mut [0; 4]).unwrap();
    let file = File::open("/proc/self/exe").unwrap();
    file.lock_shared().unwrap();
    file.unlock().unwrap();
    fs::metadata("/proc/self/exe").unwrap();
    thread::sleep(Duration::from_micros(10));
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    child.wait().unwrap();
}

/// Each beside libc's.
fn own_calls() {
    let (reader, writer) = io::pipe().unwrap();
    eintr::io::write(&writer, b"byte").unwrap();
    eintr::io::read(&reader, &mut [0; 4]).unwrap();
    eintr::checkpoint().unwrap();
}

fn libcs_calls() {
    let (reader, writer) = io::pipe().unwrap();
    // SAFETY: four bytes are read, and written.
    unsafe {
        libc::write(writer.as_raw_fd(), b"byte".as_ptr().cast(), 4);
        libc::read(reader.as_raw_fd(), [0_u8; 4].as_mut_ptr().cast(), 4);
    }
}

#[test]
fn of_std() {
    if skipped_under_emulation("of_std", "seccomp is for the emulator's syscalls") {
        return;
    }
    watched("of_std", || {
        let Some(plain) = syscalls_of(std_calls, on_a_plain_thread) else { return };
        assert!(plain.len() > 30, "{plain:?}");
        assert_eq!(syscalls_of(std_calls, on_a_managed_thread).unwrap(), plain);
        assert_eq!(syscalls_of(std_calls, in_a_task).unwrap(), plain);
    });
}

#[test]
fn of_our_own() {
    if skipped_under_emulation("of_our_own", "seccomp is for the emulator's syscalls") {
        return;
    }
    watched("of_our_own", || {
        let Some(plain) = syscalls_of(libcs_calls, on_a_plain_thread) else { return };
        // A pipe, bytes written and read, two ends closed (which a debug build looks at before).
        assert!((5..=7).contains(&plain.len()), "{plain:?}");
        assert_eq!(syscalls_of(own_calls, on_a_managed_thread).unwrap(), plain);
    });
}

/// The checker is checked.
#[test]
fn of_one_that_looks_twice() {
    fn looks_twice() {
        libcs_calls();
        gettid();
    }
    if skipped_under_emulation("of_one_that_looks_twice", "seccomp is for the emulator's syscalls")
    {
        return;
    }
    watched("of_one_that_looks_twice", || {
        let Some(plain) = syscalls_of(libcs_calls, on_a_plain_thread) else { return };
        assert_ne!(syscalls_of(looks_twice, on_a_plain_thread).unwrap(), plain);
    });
}
