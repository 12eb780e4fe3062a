//! A signal of our number that comes exactly at a syscall's instruction, before it has run: what
//! waits returns EINTR, and what must not fail is made (S9).
//!
//! The tests here work like this, without luck: the processor stops at each instruction, for its
//! trap flag is set. SIGTRAP's handler, with everything blocked, looks whether a syscall is next,
//! and if so sends the thread SIGUSR1. That fires when SIGTRAP's handler returns: in front of the
//! very instruction.

#![cfg(target_arch = "x86_64")]

use std::arch::asm;
use std::ffi::CString;
use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use std::{array, hint, io, ptr, thread};

use crate::table::{Row, TABLE, Undo};
use eintr::Interrupter;
use libc::{SA_RESTART, SIGTRAP, SIGUSR1, c_int, c_long, c_void, siginfo_t, ucontext_t};
use test_support::child::{alone, alone_with_dispatch};
use test_support::signals::{RUNS, share_the_signal};
use test_support::target::{pipe, unreached_task};
use test_support::{gettid, signals, wait_until};

static STEPPING: AtomicBool = AtomicBool::new(false);
static LET_IN: AtomicUsize = AtomicUsize::new(0);

const TRAP_FLAG: i64 = 0x100;

/// Runs with everything blocked: what it sends fires when it returns, at the instruction that was
/// stepped to.
extern "C" fn step(_signal: c_int, _info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's context; the thread is about to execute what stands at its counter.
    unsafe {
        let registers = &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs;
        let next = registers[libc::REG_RIP as usize] as *const [u8; 2];
        if !STEPPING.load(SeqCst) {
            registers[libc::REG_EFL as usize] &= !TRAP_FLAG;
        } else if *next == [0x0f, 0x05] && TO_ASK.lock().unwrap().is_some() {
            LET_IN.fetch_add(1, SeqCst);
            registers[libc::REG_RCX as usize] = next as i64 + 2;
            TO_ASK.lock().unwrap().take().unwrap().interrupt();
            STEPPING.store(false, SeqCst);
        } else if *next == [0x0f, 0x05] && FROM_OUTSIDE.load(SeqCst) {
            let_in_from_outside();
        } else if *next == [0x0f, 0x05] {
            LET_IN.fetch_add(1, SeqCst);
            signals::send(gettid(), SIGUSR1);
        }
    }
}

/// Makes a call with a signal let in at its syscall instruction.
fn stepped<T>(call: impl FnOnce() -> T) -> T {
    let let_in = LET_IN.load(SeqCst);
    STEPPING.store(true, SeqCst);
    // SAFETY: sets the trap flag; the handler is in place, and takes it off again.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    let result = call();
    STEPPING.store(false, SeqCst);
    assert!(LET_IN.load(SeqCst) > let_in, "no signal was let in");
    result
}

fn steps_are_handled() {
    share_the_signal();
    let mask: Vec<c_int> = (1..64).filter(|signal| ![SIGTRAP, 32, 33].contains(signal)).collect();
    signals::handle_informed(SIGTRAP, step, SA_RESTART, &mask);
}

fn syscall<const N: usize>(number: c_long, arguments: [usize; N]) -> Result<i64, i32> {
    let [a, b, c, d, e, f] = array::from_fn(|i| arguments.get(i).copied().unwrap_or(0));
    // SAFETY: the cases below pass descriptors, flags, and addresses of what they own, or of
    // nothing.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 { Err(io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(result) }
}

#[test]
fn what_waits_returns_eintr_and_what_must_not_fail_does_not() {
    alone(|| {
        steps_are_handled();
        with_armed_task(|| {
            let (reader, writer) = pipe();
            let [read, written] = [reader.as_raw_fd(), writer.as_raw_fd()].map(|fd| fd as usize);
            let mut byte = 0u8;
            let at = &raw mut byte as usize;
            // The test is in order: a signal does land at the instruction, and the call that waits
            // is not made.
            nix::unistd::write(&writer, b"xy").unwrap();
            let eintr = Err(libc::EINTR);
            assert_eq!(stepped(|| syscall(libc::SYS_read, [read, at, 1, 0])), eintr);
            assert_eq!(stepped(|| syscall(libc::SYS_write, [written, at, 1, 0])), eintr);
            assert_eq!(
                stepped(|| syscall(libc::SYS_flock, [read, libc::LOCK_SH as usize, 0, 0])),
                eintr
            );
            let lock = libc::F_OFD_SETLKW as usize;
            assert_eq!(stepped(|| syscall(libc::SYS_fcntl, [read, lock, at, 0])), eintr);
            let mut unread = 0;
            let count = &raw mut unread as usize;
            syscall(libc::SYS_ioctl, [read, libc::FIONREAD as usize, count, 0]).unwrap();
            assert_eq!(unread, 2, "nothing was read, nothing was written");

            // These are made, and once only.
            let duplicate = stepped(|| syscall(libc::SYS_dup, [read, 0, 0, 0])).unwrap() as usize;
            assert_eq!(stepped(|| syscall(libc::SYS_close, [duplicate, 0, 0, 0])), Ok(0));
            assert_eq!(syscall(libc::SYS_close, [duplicate, 0, 0, 0]), Err(libc::EBADF));
            unread = 0;
            let fionread = libc::FIONREAD as usize;
            assert_eq!(stepped(|| syscall(libc::SYS_ioctl, [read, fionread, count, 0])), Ok(0));
            assert_eq!(unread, 2);
            let getfl = libc::F_GETFL as usize;
            assert_eq!(stepped(|| syscall(libc::SYS_fcntl, [read, getfl, 0, 0])), Ok(0));

            let mut word = 7u32;
            let futex = &raw mut word as usize;
            let [wait, wake] =
                [libc::FUTEX_WAIT, libc::FUTEX_WAKE].map(|operation| operation as usize);
            assert_eq!(stepped(|| syscall(libc::SYS_futex, [futex, wake, 1, 0])), Ok(0));
            assert_eq!(
                stepped(|| syscall(libc::SYS_futex, [futex, wait, 8, 0])),
                Err(libc::EAGAIN)
            );

            let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a mapping of our own, wherever the kernel likes.
            let page =
                unsafe { libc::mmap(ptr::null_mut(), 4096, protection as c_int, flags, -1, 0) }
                    as usize;
            assert_eq!(stepped(|| syscall(libc::SYS_munmap, [page, 4096, 0, 0])), Ok(0));
            let unmapped = syscall(libc::SYS_msync, [page, 4096, libc::MS_ASYNC as usize, 0]);
            assert_eq!(unmapped, Err(libc::ENOMEM));
        });
    });
}

/// Of every row of the table: with arguments that are good for nothing, so that what is made has
/// another error.
#[test]
fn each_restart_is_undone_as_its_row_says() {
    alone(|| {
        steps_are_handled();
        // SAFETY: no pointers.
        let unconnected = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) } as usize;
        with_armed_task(|| {
            for row in TABLE {
                let is_undone = |arguments: [usize; 6]| {
                    stepped(|| syscall(row.number, arguments)) == Err(libc::EINTR)
                };
                let with = |index: usize, value: usize| {
                    let mut arguments = [usize::MAX; 6];
                    arguments[index] = value;
                    is_undone(arguments)
                };
                let is_as_it_says = match row.undo {
                    Undo::Never => !comes_back(row) || !is_undone([usize::MAX; 6]),
                    Undo::Always => is_undone([usize::MAX; 6]),
                    Undo::IfOneOf(index, numbers) => {
                        numbers.iter().all(|number| with(index, *number as usize))
                            && !with(index, 0)
                    }
                    Undo::IfAbove(index, limit) => with(index, limit + 1) && !with(index, limit),
                    Undo::IfConnecting(fd) => with(fd, usize::MAX) && !with(fd, unconnected),
                };
                assert!(is_as_it_says, "{}: {:?}", row.name, row.undo);
            }
        });
    });
}

/// Whether it does nothing if its arguments are bad, and has another error than EINTR.
fn comes_back(row: &Row) -> bool {
    !["restart_syscall", "sync", "vfork", "exit", "exit_group"].contains(&row.name)
}

/// A sleep that has not begun has all of its time left, and a caller that goes on with what is left
/// must find it.
#[test]
fn a_sleep_tells_what_is_left() {
    alone(|| {
        steps_are_handled();
        with_armed_task(|| {
            let time = |seconds| libc::timespec { tv_sec: seconds, tv_nsec: 7 };
            let asked = time(3);
            let mut left = time(-1);
            let [from, to] = [&raw const asked as usize, &raw mut left as usize];
            let eintr = Err(libc::EINTR);
            assert_eq!(stepped(|| syscall(libc::SYS_nanosleep, [from, to, 0, 0])), eintr);
            assert_eq!((left.tv_sec, left.tv_nsec), (3, 7));
            left = time(-1);
            let clock = libc::CLOCK_MONOTONIC as usize;
            let sleep = || syscall(libc::SYS_clock_nanosleep, [clock, 0, from, to]);
            assert_eq!(stepped(sleep), eintr);
            assert_eq!((left.tv_sec, left.tv_nsec), (3, 7));
            // One until a moment tells nothing, and leaves the place alone.
            left = time(-1);
            let absolute = libc::TIMER_ABSTIME as usize;
            let past = time(0);
            let past = &raw const past as usize;
            let sleep = || syscall(libc::SYS_clock_nanosleep, [clock, absolute, past, to]);
            assert_eq!(stepped(sleep), eintr);
            assert_eq!(left.tv_sec, -1);
            // Bad pointers are the kernel's to find fault with.
            let efault = Err(libc::EFAULT);
            assert_eq!(stepped(|| syscall(libc::SYS_nanosleep, [8, to, 0, 0])), efault);
        });
    });
}

/// The kernel goes on with a connection whose connect was interrupted, and the caller waits for it
/// by poll: for one that was never begun that would be the wrong thing to do.
#[test]
fn a_connect_that_has_not_begun_is_made() {
    alone(|| {
        steps_are_handled();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // SAFETY: all bytes zero are a valid address.
        let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        with_armed_task(|| {
            // SAFETY: no pointers; the descriptor is closed with the process.
            let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) } as usize;
            let [from, length] = [&raw const address as usize, size_of_val(&address)];
            let connect = || syscall(libc::SYS_connect, [fd, from, length, 0]);
            assert_eq!(stepped(connect), Ok(0));
            assert_eq!(connect(), Err(libc::EISCONN));
        });
    });
}

/// What callers rely on never to fail with EINTR.
#[test]
fn a_few_random_bytes_are_made() {
    alone(|| {
        steps_are_handled();
        with_armed_task(|| {
            let mut bytes = [0u8; 256];
            let at = bytes.as_mut_ptr() as usize;
            assert_eq!(stepped(|| syscall(libc::SYS_getrandom, [at, 256, 0, 0])), Ok(256));
        });
    });
}

/// Signals come from outside: the thread's own calls would be others than that which is found twice.
static FROM_OUTSIDE: AtomicBool = AtomicBool::new(false);
/// How many are still to be let in.
static AGAIN: AtomicUsize = AtomicUsize::new(0);
static WANTED: AtomicBool = AtomicBool::new(false);

/// At the instruction, for some milliseconds: then there is a signal pending.
fn let_in_from_outside() {
    if AGAIN.fetch_update(SeqCst, SeqCst, |times| times.checked_sub(1)).is_err() {
        return;
    }
    LET_IN.fetch_add(1, SeqCst);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3) {
        hint::spin_loop();
    }
    WANTED.store(true, SeqCst);
    while WANTED.load(SeqCst) {
        hint::spin_loop();
    }
}

/// A call that is run as asked and waits is ended when it has been found twice (S18). One that has
/// not begun has not waited, however often it is found.
#[test]
fn what_is_run_as_asked_is_made_however_often_it_is_found() {
    alone_with_dispatch(|| {
        steps_are_handled();
        FROM_OUTSIDE.store(true, SeqCst);
        let tid = gettid();
        thread::spawn(move || {
            loop {
                if WANTED.load(SeqCst) {
                    signals::send(tid, SIGUSR1);
                    WANTED.store(false, SeqCst);
                }
                hint::spin_loop();
            }
        });
        let path = std::env::temp_dir().join(format!("eintr-run-{}", std::process::id()));
        let from = CString::new(path.as_os_str().as_bytes()).unwrap();
        let to = CString::new([path.as_os_str().as_bytes(), b"-moved"].concat()).unwrap();
        let file = std::fs::File::create(&path).unwrap().into_raw_fd() as usize;
        let (task, interrupter) = eintr::task();
        task.run(|| {
            interrupter.interrupt();
            let start = Instant::now();
            let (reader, _writer) = pipe();
            let mut byte = 0u8;
            let read = [reader.as_raw_fd() as usize, &raw mut byte as usize, 1, 0];
            assert_eq!(syscall(libc::SYS_read, read), Err(libc::ECANCELED));
            while start.elapsed() < Duration::from_millis(120) {
                hint::spin_loop();
            }
            let runs = RUNS.load(SeqCst);
            let made = |number, arguments: [usize; 6]| {
                AGAIN.store(5, SeqCst);
                stepped(|| syscall(number, arguments))
            };
            let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
            let page = made(libc::SYS_mmap, [0, 4096, 0, flags, usize::MAX, 0]).unwrap();
            assert_eq!(made(libc::SYS_munmap, [page as usize, 4096, 0, 0, 0, 0]), Ok(0));
            assert_eq!(made(libc::SYS_fsync, [file, 0, 0, 0, 0, 0]), Ok(0));
            assert_eq!(made(libc::SYS_ftruncate, [file, 10, 0, 0, 0, 0]), Ok(0));
            assert_eq!(made(libc::SYS_dup2, [file, 100, 0, 0, 0, 0]), Ok(100));
            assert_eq!(made(libc::SYS_close, [100, 0, 0, 0, 0, 0]), Ok(0));
            let names = [&from, &to].map(|name| name.as_ptr() as usize);
            assert_eq!(made(libc::SYS_rename, [names[0], names[1], 0, 0, 0, 0]), Ok(0));
            assert_eq!(made(libc::SYS_unlink, [names[1], 0, 0, 0, 0, 0]), Ok(0));
            let child = made(libc::SYS_getppid, [0; 6]).unwrap();
            assert!(child > 0 && RUNS.load(SeqCst) > runs);
        });
    });
}

/// Who is asked at the next instruction. The thread is at no lock there.
static TO_ASK: Mutex<Option<Interrupter>> = Mutex::new(None);

/// A register says that the kernel was entered, for a call that was made by this instruction before.
#[test]
fn what_has_not_begun_is_not_taken_for_what_has_waited() {
    alone_with_dispatch(|| {
        steps_are_handled();
        let asked_at = |number, arguments: [usize; 6]| {
            let (task, interrupter) = eintr::task();
            task.run(|| {
                *TO_ASK.lock().unwrap() = Some(interrupter);
                stepped(|| syscall(number, arguments))
            })
        };
        let mut byte = 0u8;
        let at = &raw mut byte as usize;
        let read =
            |fd: &dyn AsRawFd| asked_at(libc::SYS_read, [fd.as_raw_fd() as usize, at, 1, 0, 0, 0]);
        let (reader, writer) = pipe();
        assert_eq!(read(&reader), Err(libc::ECANCELED));
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(read(&reader), Ok(1));
        assert_eq!(read(&std::fs::File::open("/proc/self/stat").unwrap()), Ok(1));
        let (socket, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let receive =
            || asked_at(libc::SYS_recvfrom, [socket.as_raw_fd() as usize, at, 1, 0, 0, 0]);
        assert_eq!(receive(), Err(libc::ECANCELED));
        peer.write_all(b"xy").unwrap();
        assert_eq!((receive(), read(&socket)), (Ok(1), Ok(1)));
        socket.set_nonblocking(true).unwrap();
        assert_eq!((receive(), read(&socket)), (Err(libc::EAGAIN), Err(libc::EAGAIN)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let accept = || asked_at(libc::SYS_accept, [listener.as_raw_fd() as usize, 0, 0, 0, 0, 0]);
        assert_eq!(accept(), Err(libc::ECANCELED));
        listener.set_nonblocking(true).unwrap();
        assert_eq!(accept(), Err(libc::EAGAIN));
        let child = std::process::Command::new("true").spawn().unwrap().id() as usize;
        let wait = || asked_at(libc::SYS_wait4, [child, 0, 0, 0, 0, 0]);
        wait_until("the child is dead", || is_zombie(child));
        assert_eq!((wait(), wait()), (Ok(child as i64), Err(libc::ECHILD)));
    });
}

fn is_zombie(process: usize) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().starts_with(" Z")
}

#[test]
fn of_a_thread_that_nobody_asked_everything_is_made() {
    alone(|| {
        steps_are_handled();
        let (task, _) = eintr::task();
        task.run(|| {
            let (reader, writer) = pipe();
            nix::unistd::write(&writer, b"x").unwrap();
            let mut byte = 0u8;
            let read = [reader.as_raw_fd() as usize, &raw mut byte as usize, 1, 0];
            let runs = RUNS.load(SeqCst);
            assert_eq!(stepped(|| syscall(libc::SYS_read, read)), Ok(1));
            assert_eq!((byte, RUNS.load(SeqCst) > runs), (b'x', true));
        });
    });
}

fn with_armed_task(f: impl FnOnce()) {
    let (task, interrupter) = unreached_task();
    interrupter.interrupt();
    task.run(f);
}
