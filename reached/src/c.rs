//! The C library's calls, made as a C program makes them.

use std::ffi::{CStr, c_void};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::resolver;
use super::scene::{By, Case, Ends, Made, Scene};
use super::std_calls::{POLL, temporary_path};

pub(super) const fn case(call: &'static str, make: fn() -> Made) -> Case {
    Case::foreign(call, By::C, make)
}

pub const CASES: &[Case] = &[
    case("read, TEMP_FAILURE_RETRY", read_retrying),
    case("getline", getline),
    case("fread", fread),
    case("usleep", usleep),
    case("pause", pause),
    case("lockf", lockf),
    case("system", system),
    case("getaddrinfo, dead nameserver", getaddrinfo),
];

pub fn checked(result: isize) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `TEMP_FAILURE_RETRY(read(..))`, as in `<unistd.h>`.
fn read_retrying() -> Made {
    let (reader, writer) = io::pipe().expect("a pipe");
    let call = move || {
        loop {
            let mut buffer = [0_u8; 8];
            // SAFETY: the buffer is as long as is said.
            let read = unsafe { libc::read(reader.as_raw_fd(), buffer.as_mut_ptr().cast(), 8) };
            match checked(read) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    };
    Ok(Scene::new(&[libc::SYS_read], call).release(|| drop(writer)))
}

/// A `FILE`, closed in the end.
struct Stream(*mut libc::FILE);

// SAFETY: a FILE has a lock of its own.
unsafe impl Send for Stream {}

impl Stream {
    fn open(fd: impl IntoRawFd) -> Self {
        // SAFETY: the descriptor is given up to the stream.
        let file = unsafe { libc::fdopen(fd.into_raw_fd(), c"r".as_ptr()) };
        assert!(!file.is_null());
        Self(file)
    }

    /// The error of the last call, if it was one and not the end of the file.
    fn error(&self) -> io::Result<()> {
        let error = io::Error::last_os_error();
        // SAFETY: an open stream.
        if unsafe { libc::ferror(self.0) } == 0 { Ok(()) } else { Err(error) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: open until now.
        unsafe { libc::fclose(self.0) };
    }
}

fn getline() -> Made {
    let (reader, writer) = io::pipe().expect("a pipe");
    let stream = Stream::open(std::os::fd::OwnedFd::from(reader));
    let call = move || {
        let (mut line, mut size) = (ptr::null_mut(), 0);
        // SAFETY: `getline` allocates the line, which is freed here.
        unsafe {
            let length = libc::getline(&mut line, &mut size, stream.0);
            let result = if length < 0 { stream.error() } else { Ok(()) };
            libc::free(line.cast());
            result
        }
    };
    Ok(Scene::new(&[libc::SYS_read], call).release(|| drop(writer)))
}

fn fread() -> Made {
    let (reader, writer) = io::pipe().expect("a pipe");
    let stream = Stream::open(std::os::fd::OwnedFd::from(reader));
    let call = move || {
        let mut buffer = [0_u8; 8];
        // SAFETY: the buffer is as long as is said.
        let read = unsafe { libc::fread(buffer.as_mut_ptr().cast::<c_void>(), 1, 8, stream.0) };
        if read < 8 { stream.error() } else { Ok(()) }
    };
    Ok(Scene::new(&[libc::SYS_read], call).release(|| drop(writer)))
}

fn usleep() -> Made {
    // SAFETY: no pointers.
    let call = || checked(unsafe { libc::usleep(3_600_000_000_u32) } as isize);
    Ok(Scene::new(&[libc::SYS_nanosleep, libc::SYS_clock_nanosleep], call).ends(Ends::AfterEintr))
}

/// What libc's `pause` is made of.
#[cfg(target_arch = "x86_64")]
const PAUSE: &[libc::c_long] = &[libc::SYS_pause];
#[cfg(not(target_arch = "x86_64"))]
const PAUSE: &[libc::c_long] = &[libc::SYS_ppoll];

fn pause() -> Made {
    // SAFETY: no arguments.
    let call = || checked(unsafe { libc::pause() } as isize);
    let ends = if cfg!(target_arch = "x86_64") { Ends::Eintr } else { Ends::Recognised };
    Ok(Scene::new(PAUSE, call).ends(ends))
}

/// Locks of `lockf` are a process's, and never in the way of its own threads: the holder is a
/// child.
fn lockf() -> Made {
    let path = temporary_path();
    let file = File::options().create(true).truncate(true).write(true).open(&path).expect("a file");
    fs::remove_file(&path).expect("it was there");
    let fd = file.as_raw_fd();
    // SAFETY: the child makes async-signal-safe calls only, and does not return.
    let holder = match unsafe { libc::fork() } {
        -1 => return Err(format!("lockf: no child: {}", io::Error::last_os_error())),
        // SAFETY: a descriptor that the child has a copy of.
        0 => unsafe {
            libc::lockf(fd, libc::F_LOCK, 0);
            loop {
                libc::pause();
            }
        },
        child => Pid::from_raw(child),
    };
    let start = Instant::now();
    // SAFETY: a descriptor of ours.
    while unsafe { libc::lockf(fd, libc::F_TEST, 0) } == 0 {
        if start.elapsed() > Duration::from_secs(10) {
            super::own::kill_and_reap(holder);
            return Err("lockf: the child has not locked".into());
        }
        std::thread::yield_now();
    }
    // SAFETY: as above.
    let call = move || checked(unsafe { libc::lockf(file.as_raw_fd(), libc::F_LOCK, 0) } as isize);
    Ok(Scene::new(&[libc::SYS_fcntl], call).release(move || super::own::kill_and_reap(holder)))
}

const COMMAND: &CStr = c"exec sleep 1000.5";

fn system() -> Made {
    // SAFETY: a command that ends with a null byte.
    let call = || checked(unsafe { libc::system(COMMAND.as_ptr()) } as isize);
    // The child is the shell's and `system`'s alone; who interrupts it has a child left. It is
    // found by the end of its command, which is the shell's at first and then that of sleep.
    Ok(Scene::new(&[libc::SYS_wait4], call).release(|| {
        for child in children_that_run(b"sleep 1000.5\0", b"sleep\x001000.5\0") {
            let _ = kill(child, Signal::SIGKILL);
            let _ = nix::sys::wait::waitpid(child, None);
        }
    }))
}

fn children_that_run(shell: &[u8], command: &[u8]) -> Vec<Pid> {
    let runs = |line: &[u8]| line.ends_with(shell) || line == command;
    loop {
        let children = children();
        // In the middle of an exec there is no command line.
        if children.iter().all(|(_, line)| !line.is_empty()) {
            return children.into_iter().filter(|(_, line)| runs(line)).map(|(id, _)| id).collect();
        }
        std::thread::yield_now();
    }
}

/// This process's children that have not ended, with their command lines.
fn children() -> Vec<(Pid, Vec<u8>)> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let of_ours = processes.filter_map(|entry| {
        // Before the state: what ends between the two is not taken for one in the middle of an exec.
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = stat.rsplit(") ").next()?.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?);
        let is_ours = parent.parse() == Ok(std::process::id()) && !matches!(state, "Z" | "X");
        is_ours.then_some((Pid::from_raw(entry.file_name().to_str()?.parse().ok()?), line))
    });
    of_ours.collect()
}

fn getaddrinfo() -> Made {
    let nameserver = resolver::dead_nameserver()?;
    let address = nameserver.local_addr().unwrap();
    let call = move || {
        let _silent = &nameserver;
        resolver::ask_only(address);
        let mut list = ptr::null_mut();
        // SAFETY: a name that ends with a null byte, no hints, and a place for the list.
        match unsafe {
            libc::getaddrinfo(c"eintr.example".as_ptr(), ptr::null(), ptr::null(), &mut list)
        } {
            0 => Ok(()),
            libc::EAI_SYSTEM => Err(io::Error::last_os_error()),
            // SAFETY: a constant text.
            code => Err(io::Error::other(
                unsafe { CStr::from_ptr(libc::gai_strerror(code)) }.to_string_lossy().into_owned(),
            )),
        }
    };
    Ok(Scene::new(POLL, call).ends(Ends::WithItsOwnError))
}
