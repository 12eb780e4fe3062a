//! What it costs to be interruptible while nobody interrupts: nothing that the kernel sees (P9).
//!
//! The test works like this: a child process does one thing after the other inside a task, between
//! two marks each, and its parent traces its syscalls. Between the marks there must be the one
//! syscall that the plain call makes too; or none, for what is no call.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use eintr::event::{EpollEvent, Events, FdSet, PollFd};
use eintr::fs::{LockKind, OpenOptions};
use eintr::net::{Message, RecvFlags, SendFlags};
use eintr::process::{WaitId, WaitOptions};
use eintr::{event, fs, io, net, process, sync, time};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent as Interest, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use test_support::allocations::Counting;
use test_support::{allocations, child, skipped_under_emulation};

#[global_allocator]
static COUNTING: Counting = Counting;

/// What the child does its things with.
struct Objects {
    here: UnixStream,
    _there: UnixStream,
    file: File,
    listener: TcpListener,
    _client: TcpStream,
    counter: EventFd,
    epoll: Epoll,
    child: i32,
    word: AtomicU32,
}

/// One thing, and the syscalls that it is to make.
struct Row {
    what: &'static str,
    syscalls: &'static [i64],
    /// Whether it went as expected.
    does: fn(&Objects) -> bool,
}

const fn row(what: &'static str, syscalls: &'static [i64], does: fn(&Objects) -> bool) -> Row {
    Row { what, syscalls, does }
}

/// All that is waited for is there: bytes, a client, a child that has ended.
const ROWS: &[Row] = &[
    row("checkpoint", &[], |_| eintr::checkpoint().is_ok()),
    row("is_interrupted", &[], |_| !eintr::is_interrupted()),
    row("take", &[], |_| eintr::take().is_none()),
    row("mask", &[], |_| eintr::mask(eintr::checkpoint).is_ok()),
    row("a deadline after the first", &[], |_| {
        !eintr::within(Duration::from_secs(2000), || ()).expired
    }),
    row("a plain read, with reach on", &[libc::SYS_read], |objects| {
        let mut byte = 0_u8;
        // SAFETY: the kernel writes one byte, into one that is borrowed.
        unsafe { libc::read(objects.here.as_raw_fd(), (&raw mut byte).cast(), 1) == 1 }
    }),
    row("io::read", &[libc::SYS_read], |objects| {
        io::read(&objects.here, &mut [0]).is_ok_and(|length| length == 1)
    }),
    row("io::readv", &[libc::SYS_readv], |objects| {
        io::readv(&objects.here, &mut [IoSliceMut::new(&mut [0])]).is_ok()
    }),
    row("io::write", &[libc::SYS_write], |objects| io::write(&objects.here, b"x").is_ok()),
    row("io::writev", &[libc::SYS_writev], |objects| {
        io::writev(&objects.here, &[IoSlice::new(b"x")]).is_ok()
    }),
    row("io::read_exact", &[libc::SYS_read], |objects| {
        io::read_exact(&objects.here, &mut [0]).is_ok()
    }),
    row("io::write_all", &[libc::SYS_write], |objects| io::write_all(&objects.here, b"x").is_ok()),
    row("io::Stream", &[libc::SYS_read], |objects| {
        io::Stream::new(&objects.here).read_exact(&mut [0]).is_ok()
    }),
    row("io::pwrite", &[libc::SYS_pwrite64], |objects| io::pwrite(&objects.file, b"x", 0).is_ok()),
    row("io::pread", &[libc::SYS_pread64], |objects| io::pread(&objects.file, &mut [0], 0).is_ok()),
    row("io::getrandom", &[libc::SYS_getrandom], |_| io::getrandom(&mut [0]).is_ok()),
    row("net::recv", &[libc::SYS_recvfrom], |objects| {
        net::recv(&objects.here, &mut [0], RecvFlags::empty()).is_ok()
    }),
    row("net::recvmsg", &[libc::SYS_recvmsg], |objects| {
        let mut byte = [0];
        net::recvmsg(&objects.here, &mut [IoSliceMut::new(&mut byte)], RecvFlags::empty()).is_ok()
    }),
    row("net::send", &[libc::SYS_sendto], |objects| {
        net::send(&objects.here, b"x", SendFlags::empty()).is_ok()
    }),
    row("net::sendmsg", &[libc::SYS_sendmsg], |objects| {
        let buffers = [IoSlice::new(b"x")];
        net::sendmsg(&objects.here, &Message::new(&buffers), SendFlags::empty()).is_ok()
    }),
    // What is opened stays open: std looks twice before it closes, in a debug build.
    row("net::accept", &[libc::SYS_accept4], |objects| {
        net::accept(&objects.listener).map(std::mem::forget).is_ok()
    }),
    row("fs::open", &[libc::SYS_openat], |_| {
        fs::open("/dev/null", OpenOptions::new().read(true)).map(std::mem::forget).is_ok()
    }),
    row("fs::flock", &[libc::SYS_flock], |objects| {
        fs::flock(&objects.file, LockKind::Exclusive).is_ok()
    }),
    row("fs::ofd_lock", &[libc::SYS_fcntl], |objects| {
        fs::ofd_lock(&objects.file, LockKind::Exclusive, ..).is_ok()
    }),
    row("event::poll", &[libc::SYS_ppoll], |objects| {
        event::poll(&mut [PollFd::new(&objects.here, Events::IN)], None).is_ok()
    }),
    row("event::select", &[libc::SYS_pselect6], |objects| {
        let mut set = FdSet::new();
        set.insert(&objects.here).is_ok() && event::select(Some(&mut set), None, None, None).is_ok()
    }),
    row("event::epoll_wait", &[libc::SYS_epoll_pwait], |objects| {
        event::epoll_wait(&objects.epoll.0, &mut [EpollEvent::new()], None).is_ok()
    }),
    row("event::eventfd_read", &[libc::SYS_read], |objects| {
        event::eventfd_read(&objects.counter).is_ok()
    }),
    row("process::waitid", &[libc::SYS_waitid], |objects| {
        let child = WaitId::Pid(objects.child);
        process::waitid(child, WaitOptions::EXITED | WaitOptions::NOWAIT).is_ok()
    }),
    row("process::waitpid", &[libc::SYS_wait4], |objects| {
        process::waitpid(objects.child, WaitOptions::empty()).is_ok()
    }),
    row("time::sleep", &[libc::SYS_clock_nanosleep], |_| time::sleep(Duration::ZERO).is_ok()),
    row("sync::futex_wait", &[libc::SYS_futex], |objects| {
        sync::futex_wait(&objects.word, 1, None).is_ok()
    }),
];

impl Objects {
    fn new() -> Self {
        let (here, there) = UnixStream::pair().unwrap();
        (&there).write_all(&[0; 64]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let path = std::env::temp_dir().join(format!("eintr-idle-{}", std::process::id()));
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        epoll.add(&here, Interest::new(EpollFlags::EPOLLIN, 0)).unwrap();
        // SAFETY: the new process ends at once.
        let child = match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => child.as_raw(),
            // SAFETY: no destructors are to run here.
            ForkResult::Child => unsafe { libc::_exit(0) },
        };
        Self {
            here,
            _there: there,
            file,
            listener,
            _client: client,
            counter: EventFd::from_value(1).unwrap(),
            epoll,
            child,
            word: AtomicU32::new(0),
        }
    }
}

const MARK: i64 = libc::SYS_getppid;

fn mark() {
    nix::unistd::getppid();
}

/// The traced process: how many things went as expected.
fn traced() -> usize {
    ptrace::traceme().unwrap();
    raise(Signal::SIGSTOP).unwrap();
    let objects = Objects::new();
    eintr::task().0.run(|| {
        // The first deadline of a thread sets its timer.
        eintr::within(Duration::from_secs(1000), || ());
        let goes = |row: &&Row| {
            mark();
            let went = (row.does)(&objects);
            mark();
            went
        };
        ROWS.iter().take_while(goes).count()
    })
}

/// The syscalls between each pair of marks, and the process's exit status.
fn syscalls_of(process: Pid) -> (Vec<Vec<i64>>, i32) {
    assert!(matches!(waitpid(process, None), Ok(WaitStatus::Stopped(_, Signal::SIGSTOP))));
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(process, options).unwrap();
    let (mut between, mut marks) = (Vec::new(), 0);
    let mut signal = None;
    loop {
        ptrace::syscall(process, signal.take()).unwrap();
        match waitpid(process, None).unwrap() {
            WaitStatus::PtraceSyscall(_) => {}
            WaitStatus::Stopped(_, its) => {
                signal = Some(its);
                continue;
            }
            WaitStatus::Exited(_, status) => return (between, status),
            other => panic!("{other:?}"),
        }
        match entered(process) {
            Some(MARK) => {
                marks += 1;
                if marks % 2 == 1 {
                    between.push(Vec::new());
                }
            }
            Some(number) if marks % 2 == 1 => between.last_mut().unwrap().push(number),
            Some(_) | None => {}
        }
    }
}

/// The syscall at whose entry the process stands, if it does.
fn entered(process: Pid) -> Option<i64> {
    // As the kernel numbers them: libc has no names for them with musl.
    const GET_SYSCALL_INFO: u32 = 0x420e;
    const ENTRY: u8 = 1;
    // `struct ptrace_syscall_info`: the kind, the counter, the stack pointer, and here the number.
    let mut info = [0_u64; 11];
    let size = size_of_val(&info);
    // SAFETY: the kernel writes at most as much.
    unsafe { libc::ptrace(GET_SYSCALL_INFO as _, process.as_raw(), size, &raw mut info) };
    (info[0] as u8 == ENTRY).then_some(info[3] as i64)
}

#[test]
fn every_call_makes_the_syscalls_of_the_plain_one() {
    if skipped_under_emulation("the syscalls of the plain calls", "it cannot ptrace") {
        return;
    }
    child::alone(|| {
        // SAFETY: the new process does what allocates and locks as any does: libc makes its
        // allocator fit for that, and ours the rest.
        let process = match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let done = std::panic::catch_unwind(traced).unwrap_or(255);
                // SAFETY: no destructors are to run here.
                unsafe { libc::_exit(done as i32) }
            }
        };
        let (between, done) = syscalls_of(process);
        let failed = ROWS.get(done as usize).map(|row| row.what);
        assert_eq!(done as usize, ROWS.len(), "{failed:?} went wrong");
        for (row, syscalls) in ROWS.iter().zip(between) {
            assert_eq!(syscalls, row.syscalls, "{}", row.what);
        }
    });
}

/// No descriptor, and no thread beside the task's own.
#[test]
fn tasks_take_no_descriptors_and_no_threads() {
    fn count(what: &str) -> usize {
        std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count()
    }
    child::alone(|| {
        let here = || (count("fd"), count("task"));
        eintr::task().0.run(|| ());
        let before = here();
        let tasks: Vec<_> = (0..100).map(|_| eintr::task()).collect();
        assert_eq!(here(), before, "made");
        for (task, interrupter) in tasks {
            task.run(|| {
                interrupter.interrupt();
                assert!(time::sleep(Duration::MAX).is_err());
                assert_eq!(here(), before, "interrupted");
            });
        }
        assert_eq!(here(), before, "over");
    });
}

/// With a request of its own, and nothing of it is left in the end.
#[test]
fn a_task_takes_little_heap() {
    const TASKS: usize = 100;
    let ask_one = || {
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        (task, interrupter)
    };
    let run = |(task, _interrupter): (eintr::Task, _)| {
        task.run(|| {
            assert!(eintr::checkpoint().is_err());
            eintr::take();
        });
    };
    // What a thread has once and for all.
    run(ask_one());
    let mut tasks = Vec::with_capacity(TASKS);
    let before = allocations::here();
    tasks.extend((0..TASKS).map(|_| ask_one()));
    let each = (allocations::here() - before) as usize / TASKS;
    assert!(each <= 512, "{each} bytes");
    tasks.drain(..).for_each(run);
    assert_eq!(allocations::here(), before);
}
