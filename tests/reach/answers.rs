//! The table of answers, from the side of real callers: what must run as asked although a cause
//! stands, and what must not.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use eintr::Outcome;
use test_support::{has_dispatch, watched};

/// Runs `body` on a managed thread that has been asked and has found out by a refused read: all
/// that it does is answered by the table.
fn reached<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if !has_dispatch(name) {
        return None;
    }
    watched(name, || Some(crate::reached(body)))
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

#[test]
fn a_semaphore_is_released() {
    reached("semop", || {
        // SAFETY: a semaphore set of our own, removed again; operations are borrowed.
        unsafe {
            let set = libc::semget(libc::IPC_PRIVATE, 1, 0o600);
            assert!(set >= 0);
            let operation = |op, flg| libc::sembuf { sem_num: 0, sem_op: op, sem_flg: flg as i16 };
            let released = libc::semop(set, &mut operation(1, 0), 1);
            let value = libc::semctl(set, 0, libc::GETVAL);
            let tried = libc::semop(set, &mut operation(-2, libc::IPC_NOWAIT), 1);
            let error = io::Error::last_os_error().raw_os_error();
            let waited = libc::semop(set, &mut operation(-2, 0), 1);
            let refused = io::Error::last_os_error().raw_os_error();
            libc::semctl(set, 0, libc::IPC_RMID);
            assert_eq!((released, value), (0, 1), "a release never waits");
            assert_eq!((tried, error), (-1, Some(libc::EAGAIN)), "nor does an attempt");
            assert_eq!((waited, refused), (-1, Some(libc::ECANCELED)));
        }
    });
}

#[test]
fn a_file_lock_is_released_by_the_waiting_command() {
    reached("fcntl", || {
        let file = File::open("/proc/self/exe").unwrap();
        // SAFETY: a lock is plain numbers.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_UNLCK as i16;
        // SAFETY: the lock is borrowed.
        let released = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLKW, &raw const lock) };
        assert_eq!(released, 0, "as CPython's lockf(fd, LOCK_UN) does");
    });
}

#[test]
fn a_child_that_was_only_looked_for_is_not_waited_for() {
    let mut child = sleeper();
    let pid = child.id() as i32;
    let waited = reached("kill(0), wait", move || {
        // SAFETY: no pointers but a null one.
        unsafe {
            assert_eq!(libc::kill(pid, 0), 0);
            let waited = libc::waitpid(pid, ptr::null_mut(), 0);
            (waited, io::Error::last_os_error().raw_os_error())
        }
    });
    child.kill().unwrap();
    child.wait().unwrap();
    if let Some(waited) = waited {
        assert_eq!(waited, (-1, Some(libc::ECANCELED)));
    }
}

#[test]
fn a_child_that_was_killed_is_reaped_whatever_came_between() {
    let mut child = sleeper();
    reached("kill, spawn, wait", move || {
        child.kill().unwrap();
        let mut other = Command::new("true").spawn().unwrap();
        while other.try_wait().unwrap().is_none() {}
        thread::spawn(|| {}).join().unwrap();
        child.wait().expect("it is dying");
    });
}

/// A forked child has told that it has executed: what is read next, in the same way, is not that.
#[test]
fn eight_bytes_that_are_not_a_childs_word_are_not_waited_for() {
    let errno = reached("read of eight bytes", || {
        let mut command = Command::new("true");
        // SAFETY: nothing is done. It makes std fork.
        unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, || Ok(())) };
        let mut child = command.spawn().unwrap();
        while child.try_wait().unwrap().is_none() {}
        let (mut reader, _writer) = io::pipe().unwrap();
        reader.read(&mut [0; 8]).unwrap_err().raw_os_error()
    });
    if let Some(errno) = errno {
        assert_eq!(errno, Some(libc::ECANCELED));
    }
}

#[test]
fn a_device_that_can_be_written_is_not_read() {
    // SAFETY: flags, and a structure that is large enough.
    let device = unsafe {
        let fd = libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
        let made = fd >= 0 && libc::ioctl(fd, libc::TUNSETIFF, &mut request) == 0;
        request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if !made || libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &request) != 0 {
            eprintln!("skipped: no tun device here");
            return;
        }
        fd
    };
    let errno = reached("read of a tun device", move || {
        // The kernel sends a few packets as it comes up. They are read, and not waited for.
        // SAFETY: a buffer of that size.
        while unsafe { libc::read(device, [0_u8; 64].as_mut_ptr().cast(), 64) } > 0 {}
        io::Error::last_os_error().raw_os_error()
    });
    if let Some(errno) = errno {
        assert_eq!(errno, Some(libc::ECANCELED));
    }
}

#[test]
fn a_terminal_with_little_room_is_not_waited_for() {
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut slave = File::from(pty.slave);
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&slave, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
    while slave.write(&[b'x'; 64]).is_ok_and(|written| written > 0) {}
    nix::fcntl::fcntl(&slave, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).unwrap();
    let mut master = File::from(pty.master);
    // Room for some, and not for all.
    assert!(master.read(&mut [0; 1024]).unwrap() > 0);
    reached("write to a terminal", move || {
        // Each writes some, until there is no room.
        while let Ok(written) = slave.write(&[b'x'; 65536]) {
            assert_ne!(written, 0);
        }
    });
    drop(master);
}

#[test]
fn plain_calls_return_eintr_where_reach_is_turned_off() {
    reached("without_reach", || {
        let (reader, _writer) = UnixStream::pair().unwrap();
        let read = || {
            // SAFETY: a buffer of that size.
            let read = unsafe { libc::read(reader.as_raw_fd(), [0_u8].as_mut_ptr().cast(), 1) };
            (read, io::Error::last_os_error().raw_os_error())
        };
        assert_eq!(eintr::without_reach(read), (-1, Some(libc::EINTR)));
        assert_eq!(read(), (-1, Some(libc::ECANCELED)));
        assert_eq!(eintr::without_reach(read), (-1, Some(libc::EINTR)));
    });
}

/// A thread is refused once, and then does nothing of which the requester could hear.
#[test]
fn the_requester_hears_of_every_refusal() {
    if !has_dispatch("the_requester_hears") {
        return;
    }
    watched("the requester hears", || {
        for _ in 0..2000 {
            let heard = Arc::new(AtomicBool::new(false));
            let done = heard.clone();
            let (task, interrupter) = eintr::task();
            let (mut reader, _writer) = UnixStream::pair().unwrap();
            let (tell, told) = mpsc::channel();
            let worker = thread::spawn(move || {
                task.run(|| {
                    tell.send(()).unwrap();
                    assert!(reader.read(&mut [0]).is_err());
                    while !done.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                });
            });
            told.recv().unwrap();
            let outcome = interrupter.interrupt().wait(test_support::LIMIT);
            assert!(matches!(outcome, Outcome::Raised), "{outcome:?}");
            heard.store(true, Ordering::SeqCst);
            worker.join().unwrap();
        }
    });
}
