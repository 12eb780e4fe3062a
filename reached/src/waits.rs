//! Waits of C programs that others take for ones that end by themselves, or that are made again: an
//! ioctl, a file of procfs, a semaphore, loops around poll and select.

use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use eintr::Road;
use libc::c_int;

use super::c::{case, checked};
use super::scene::{By, Case, Ends, Made, Scene};
use super::std_calls::{POLL, full_backlog, temporary_path};

pub const CASES: &[Case] = &[
    case("poll, again after EINTR", poll_again),
    case("poll of two, one after the other", poll_in_turns),
    case("select, again after EINTR", select_again),
    case("connect, then poll", connect_and_poll),
    case("splice", splice),
    case("creat of a FIFO", creat),
    case("sem_wait", semaphore),
    case("ioctl of a sandbox's supervisor", supervise),
    Case::foreign("io::copy of /proc/kmsg", By::Std, kernel_log),
];

/// A call, made again as long as it says EINTR.
fn again(mut call: impl FnMut() -> isize) -> io::Result<()> {
    loop {
        match checked(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn poll(fd: RawFd, events: i16) -> isize {
    let mut polled = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one descriptor.
    unsafe { libc::poll(&mut polled, 1, -1) as isize }
}

fn poll_again() -> Made {
    let (reader, writer) = io::pipe().expect("a pipe");
    let call = move || again(|| poll(reader.as_raw_fd(), libc::POLLIN));
    Ok(Scene::new(POLL, call).release(|| drop(writer)))
}

fn poll_in_turns() -> Made {
    let (one, writer) = io::pipe().expect("a pipe");
    let (other, writer_of_other) = io::pipe().expect("a pipe");
    let call = move || {
        let mut turns = [&one, &other].into_iter().cycle();
        again(|| poll(turns.next().expect("it has no end").as_raw_fd(), libc::POLLIN))
    };
    Ok(Scene::new(POLL, call).release(|| drop((writer, writer_of_other))))
}

#[cfg(target_arch = "x86_64")]
const SELECT: &[libc::c_long] = &[libc::SYS_select, libc::SYS_pselect6];
#[cfg(not(target_arch = "x86_64"))]
const SELECT: &[libc::c_long] = &[libc::SYS_pselect6];

fn select_again() -> Made {
    let (reader, writer) = io::pipe().expect("a pipe");
    let call = move || {
        let fd = reader.as_raw_fd();
        // SAFETY: a set that is as long as is said, and a descriptor that it has room for.
        again(|| unsafe {
            let mut set = std::mem::zeroed();
            libc::FD_SET(fd, &mut set);
            libc::select(fd + 1, &mut set, null_mut(), null_mut(), null_mut()) as isize
        })
    };
    Ok(Scene::new(SELECT, call).release(|| drop(writer)))
}

/// As clients of databases connect.
fn connect_and_poll() -> Made {
    let (listener, filler) = full_backlog();
    let std::net::SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
    let call = move || {
        let to = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
            sin_zero: [0; 8],
        };
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: a new socket, and an address of that length.
        let socket = unsafe {
            let socket = OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, kind, 0));
            libc::connect(socket.as_raw_fd(), (&raw const to).cast(), size_of_val(&to) as u32);
            socket
        };
        again(|| poll(socket.as_raw_fd(), libc::POLLOUT))
    };
    Ok(Scene::new(POLL, call).release(move || drop::<(_, Vec<TcpStream>)>((listener, filler))))
}

fn splice() -> Made {
    if test_support::emulated() {
        return Err("splice: the emulator's waits for its end".into());
    }
    let (reader, writer) = io::pipe().expect("a pipe");
    let (kept, into) = io::pipe().expect("a pipe");
    let call = move || {
        let _open = &kept;
        let (from, to) = (reader.as_raw_fd(), into.as_raw_fd());
        // SAFETY: two pipes, which have no positions.
        again(|| unsafe { libc::splice(from, null_mut(), to, null_mut(), 1, 0) })
    };
    Ok(Scene::new(&[libc::SYS_splice], call).release(|| drop(writer)))
}

#[cfg(target_arch = "x86_64")]
const CREAT: &[libc::c_long] = &[libc::SYS_creat, libc::SYS_open, libc::SYS_openat];
#[cfg(not(target_arch = "x86_64"))]
const CREAT: &[libc::c_long] = &[libc::SYS_openat];

fn creat() -> Made {
    let path = temporary_path();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a path that ends with a null byte.
    let call = move || again(|| unsafe { libc::creat(name.as_ptr(), 0o600) as isize });
    Ok(Scene::new(CREAT, call).release(move || {
        drop(File::options().read(true).write(true).open(&path));
        fs::remove_file(path)
    }))
}

/// Woken as the kernel may for no reason, it returns EINTR (glibc's).
fn semaphore() -> Made {
    only_exactly("sem_wait")?;
    if cfg!(not(target_env = "gnu")) {
        return Err("sem_wait: only glibc's returns".into());
    }
    // SAFETY: a word that is initialised before it is used.
    let semaphore = Arc::new(Semaphore(unsafe { std::mem::zeroed() }));
    // SAFETY: it stays where it is.
    unsafe { libc::sem_init(semaphore.get(), 0, 0) };
    let posted = semaphore.clone();
    // SAFETY: an initialised semaphore.
    let call = move || checked(unsafe { libc::sem_wait(semaphore.get()) } as isize);
    // SAFETY: the same.
    let release = move || unsafe { libc::sem_post(posted.get()) };
    Ok(Scene::new(&[libc::SYS_futex], call).ends(Ends::Eintr).release(release))
}

struct Semaphore(std::cell::UnsafeCell<libc::sem_t>);

// SAFETY: it is for threads.
unsafe impl Sync for Semaphore {}
// SAFETY: the same; it stays where it is.
unsafe impl Send for Semaphore {}

impl Semaphore {
    fn get(&self) -> *mut libc::sem_t {
        self.0.get()
    }
}

/// A thread in a sandbox, and the descriptor that tells what it asks for: nothing.
fn sandbox() -> Result<(OwnedFd, mpsc::Sender<()>), String> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    thread::spawn(move || {
        let statement = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
        let mut program = [
            statement(LOAD, 0, 0),
            statement(JUMP, 1, libc::SYS_getppid as u32),
            statement(ANSWER, 0, libc::SECCOMP_RET_USER_NOTIF),
            statement(ANSWER, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let length = program.len() as u16;
        let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
        // SAFETY: numbers, and a program that lives through the call. The filter is this thread's alone.
        let fd = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, listen, &program)
        };
        let _ = tell.send(checked(fd as isize).map(|()| fd as c_int));
        let _ = released.recv();
    });
    let fd =
        told.recv().expect("a thread").map_err(|error| format!("ioctl: no filter: {error}"))?;
    // SAFETY: a new descriptor.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, release))
}

fn supervise() -> Made {
    const RECEIVE: u32 = 0xc050_2100;
    only_exactly("ioctl")?;
    let (fd, release) = sandbox()?;
    let call = move || {
        let _stays = &release;
        let mut notification = [0_u64; 10];
        // SAFETY: room for what is received.
        again(|| unsafe { libc::ioctl(fd.as_raw_fd(), RECEIVE.into(), &mut notification) as isize })
    };
    // Not each kernel tells the sandbox's end: nothing releases it.
    Ok(Scene::new(&[libc::SYS_ioctl], call))
}

/// A regular file by its looks, whose reads wait.
fn kernel_log() -> Made {
    only_exactly("/proc/kmsg")?;
    let mut log = File::open("/proc/kmsg").map_err(|error| format!("/proc/kmsg: {error}"))?;
    let call = move || io::copy(&mut log, &mut io::sink()).map(drop);
    Ok(Scene::new(&[libc::SYS_read], call))
}

/// What is reached by dispatch only.
fn only_exactly(what: &str) -> Result<(), String> {
    let exact = eintr::support().reach == Road::Exact;
    exact.then_some(()).ok_or_else(|| format!("{what}: no Syscall User Dispatch here"))
}
