//! Calls of std's, which retry on EINTR: what reaches them is an answer in the kernel's place.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSliceMut, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::fcntl::FcntlArg;
use nix::sys::epoll::{EpollEvent, EpollTimeout};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitPidFlag;
use nix::unistd::Pid;

use super::{Case, drain, equal, event, fs, ipc, net, process, turn};
use crate::rows::io::{BYTE, reading, reading_from, writing};

pub fn read_exact(ready: bool) -> Case {
    reading(ready, |mut file| {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0].into())
    })
}

/// A named FIFO cannot be asked in the same call.
pub fn read_fifo(ready: bool) -> Case {
    let path = std::env::temp_dir().join(format!("eintr-window-fifo-{}", std::process::id()));
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let both = File::options().read(true).write(true).open(&path).unwrap();
    let [reader, writer] = [File::options().read(true), File::options().write(true)]
        .map(|options| Rc::new(options.open(&path).unwrap()));
    drop(both);
    std::fs::remove_file(path).unwrap();
    read_when_polled(ready, reader, writer, |mut file| {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0].into())
    })
}

/// Nor a socket of TCP's, which looks at no flag of splice's.
pub fn splice(ready: bool) -> Case {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let reader = listener.accept().unwrap().0;
    let [reader, writer] = [OwnedFd::from(reader), OwnedFd::from(writer)];
    let [reader, writer] = [reader, writer].map(|fd| Rc::new(File::from(fd)));
    let (moved, to) = io::pipe().unwrap();
    let case = read_when_polled(ready, reader, writer, move |file| {
        let none = ptr::null_mut();
        // SAFETY: no offsets.
        match unsafe { libc::splice(file.as_raw_fd(), none, to.as_raw_fd(), none, 1, 0) } {
            -1 => Err(io::Error::last_os_error().into()),
            _ => Ok(BYTE.into()),
        }
    });
    let is_left = case.intact;
    let intact = |result: Option<u64>| {
        equal("bytes moved", drain(moved).len(), result.is_some().into())?;
        is_left(result)
    };
    Case { call: case.call, intact: Box::new(intact) }
}

fn read_when_polled(
    ready: bool,
    reader: Rc<File>,
    writer: Rc<File>,
    read: impl FnMut(&File) -> Result<u64, eintr::Error> + 'static,
) -> Case {
    if ready {
        nix::unistd::write(&writer, &[BYTE]).unwrap();
    }
    turn::is_of_a_byte(ready, reader.as_raw_fd(), writer.as_raw_fd());
    reading_from(ready, reader, writer, read)
}

pub fn read_vectored(ready: bool) -> Case {
    reading(ready, |mut file| {
        let (mut byte, mut more) = ([0], [0; 8]);
        let mut buffers = [IoSliceMut::new(&mut byte), IoSliceMut::new(&mut more)];
        assert_eq!(file.read_vectored(&mut buffers)?, 1);
        Ok(byte[0].into())
    })
}

pub fn write(ready: bool) -> Case {
    writing(ready, |mut file| Ok(file.write(&[BYTE])?))
}

/// It is told EINTR for a while, and makes its call again.
pub fn poll(ready: bool) -> Case {
    event::waiting(ready, |file| {
        let mut polled = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor.
        let ready = retried(|| unsafe { libc::poll(&mut polled, 1, -1) })?;
        assert_eq!(polled.revents, libc::POLLIN);
        Ok(ready as usize)
    })
}

pub fn select(ready: bool) -> Case {
    event::waiting(ready, |file| {
        let fd = file.as_raw_fd();
        // SAFETY: bits, among them that of this descriptor.
        let mut set: libc::fd_set = unsafe { std::mem::zeroed() };
        // SAFETY: the same.
        unsafe { libc::FD_SET(fd, &mut set) };
        let none = ptr::null_mut();
        // SAFETY: the set is borrowed, the others are null.
        let ready =
            retried(|| unsafe { libc::select(fd + 1, &mut set, none, none, ptr::null_mut()) })?;
        // SAFETY: the same.
        assert!(unsafe { libc::FD_ISSET(fd, &set) });
        Ok(ready as usize)
    })
}

pub fn retried(mut call: impl FnMut() -> i32) -> io::Result<i32> {
    loop {
        match call() {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Err(io::Error::last_os_error()),
            result => return Ok(result),
        }
    }
}

/// An event loop: told EINTR, it looks whether it is to end.
pub fn epoll_wait(ready: bool) -> Case {
    event::told_once(ready, |epoll| {
        let mut events = [EpollEvent::empty()];
        while let Err(error) = epoll.wait(&mut events, EpollTimeout::NONE) {
            assert_eq!(error, nix::Error::EINTR);
            eintr::checkpoint()?;
        }
        Ok(events[0].data())
    })
}

pub fn flock(ready: bool) -> Case {
    fs::flocking(ready, |file| {
        // SAFETY: no pointers.
        match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error().into()),
        }
    })
}

pub fn ofd_lock(ready: bool) -> Case {
    fs::ofd_locking(ready, |file| {
        let lock = fs::range(libc::F_WRLCK);
        Ok(nix::fcntl::fcntl(file, FcntlArg::F_OFD_SETLKW(&lock))
            .map(drop)
            .map_err(io::Error::from)?)
    })
}

/// EINTR tells that it slept when it was asked, and is not made again by the kernel.
pub fn semop(ready: bool) -> Case {
    ipc::taking(ready, |set| {
        let mut operation = libc::sembuf { sem_num: 0, sem_op: -1, sem_flg: 0 };
        // SAFETY: one operation.
        retried(|| unsafe { libc::semop(set, &mut operation, 1) })?;
        Ok(())
    })
}

pub fn accept(ready: bool) -> Case {
    net::accepting(ready, |listener| Ok(listener.accept()?.0))
}

pub fn open(ready: bool) -> Case {
    fs::opening(ready, |path| Ok(File::open(path)?))
}

/// It has no error: whether it was cut short is for the caller to see.
pub fn sleep(ready: bool) -> Case {
    let duration = if ready { Duration::from_nanos(1) } else { Duration::from_secs(1 << 32) };
    Case {
        call: Box::new(move || {
            let start = Instant::now();
            std::thread::sleep(duration);
            if start.elapsed() < duration {
                eintr::checkpoint()?;
            }
            Ok(0)
        }),
        intact: Box::new(|_| Ok(())),
    }
}

thread_local! {
    /// A child that never ends, and one that has ended, which no trial has reaped yet.
    static CHILDREN: [Cell<Option<Child>>; 2] = const { [Cell::new(None), Cell::new(None)] };
}

/// A child of std's. It ends with this thread, at the latest.
fn spawn(script: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null());
    let dies = || Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?);
    // SAFETY: one syscall.
    unsafe { command.pre_exec(dies) }.spawn().unwrap()
}

pub fn wait(ready: bool) -> Case {
    let script = if ready { "exit 3" } else { "exec sleep 100000" };
    let child = CHILDREN.with(|children| children[usize::from(ready)].take());
    let child = child.unwrap_or_else(|| spawn(script));
    let id = Pid::from_raw(child.id() as i32);
    let child = Rc::new(Cell::new(Some(child)));
    let waits = child.clone();
    if ready {
        process::look(id, WaitPidFlag::empty()).unwrap();
    }
    Case {
        call: Box::new(move || {
            let mut child = waits.take().expect("one call at a time");
            let waited = child.wait();
            waits.set(Some(child));
            waited?;
            Ok(id.as_raw() as u64)
        }),
        intact: Box::new(move |result| {
            if result.is_none() {
                CHILDREN.with(|children| children[usize::from(ready)].set(child.take()));
            }
            process::is_as_told(id, ready, result)
        }),
    }
}
