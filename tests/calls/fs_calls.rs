//! Opening and locking. The tests work like this: what is waited for is held by the test itself,
//! through another open file description, or missing at a FIFO's other end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process;

use eintr::fs::{LockKind, OpenOptions, flock, ofd_lock, ofd_unlock, open, unlock};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use test_support::asked::{asked_before, asked_while_blocked, disturbed};
use test_support::watched;

/// A path of this process's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("eintr-{}-{name}", process::id())))
    }

    fn fifo(name: &str) -> Self {
        let scratch = Self::new(name);
        nix::unistd::mkfifo(&scratch.0, nix::sys::stat::Mode::S_IRWXU).unwrap();
        scratch
    }

    /// A description of its own of the same file.
    fn describe(&self) -> File {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).open(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn to_read() -> OpenOptions {
    OpenOptions::new().read(true).clone()
}

fn to_write() -> OpenOptions {
    OpenOptions::new().write(true).clone()
}

/// Opens a FIFO's writing end if somebody reads.
fn write_nonblocking(path: &Scratch) -> std::io::Result<File> {
    File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&path.0)
}

#[test]
fn open_of_a_fifo_is_interrupted_and_leaves_no_reader() {
    watched("open", || {
        let fifo = Scratch::fifo("open");
        asked_before(|| open(&fifo.0, &to_read()));
        asked_while_blocked(libc::SYS_openat, || open(&fifo.0, &to_read()));
        asked_while_blocked(libc::SYS_openat, || open(&fifo.0, &to_write()));
        let nobody = write_nonblocking(&fifo).unwrap_err();
        assert_eq!(nobody.raw_os_error(), Some(libc::ENXIO));
    });
}

#[test]
fn open_waits_through_stray_signals() {
    watched("open, disturbed", || {
        let fifo = Scratch::fifo("disturbed");
        let (sends, sent) = std::sync::mpsc::channel();
        let finish = || sends.send(write_nonblocking(&fifo).unwrap()).unwrap();
        let mut reader = disturbed(libc::SYS_openat, || open(&fifo.0, &to_read()), finish);
        sent.recv().unwrap().write_all(b"ping").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ping");
    });
}

#[test]
fn open_is_that_of_std() {
    let path = Scratch::new("plain");
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
    let mut file = open(&path.0, &created).unwrap();
    file.write_all(b"ping").unwrap();
    let flags = fcntl(file.as_fd(), FcntlArg::F_GETFD).unwrap();
    assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));

    let again = std::io::Error::from(open(&path.0, &created).unwrap_err());
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    let appended = OpenOptions::new().append(true).clone();
    open(&path.0, &appended).unwrap().write_all(b" pong").unwrap();
    assert_eq!(std::fs::read(&path.0).unwrap(), b"ping pong");

    let null = std::io::Error::from(open("a\0b", &to_read()).unwrap_err());
    assert_eq!(null.kind(), std::io::ErrorKind::InvalidInput);
    let nothing = std::io::Error::from(open(&path.0, &OpenOptions::new()).unwrap_err());
    assert_eq!(nothing.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn flock_is_interrupted_and_takes_no_lock() {
    watched("flock", || {
        let path = Scratch::new("flock");
        let (ours, theirs) = (path.describe(), path.describe());
        asked_before(|| flock(&ours, LockKind::Exclusive));
        flock(&theirs, LockKind::Shared).expect("it was not taken");
        asked_while_blocked(libc::SYS_flock, || flock(&ours, LockKind::Exclusive));
        flock(&theirs, LockKind::Exclusive).expect("it was not taken");
        asked_while_blocked(libc::SYS_flock, || flock(&ours, LockKind::Shared));

        let unlocks = || unlock(&theirs).unwrap();
        disturbed(libc::SYS_flock, || flock(&ours, LockKind::Exclusive), unlocks);
        assert!(is_flocked(&theirs), "it is taken");
    });
}

/// Whether another description has the file locked.
fn is_flocked(file: &File) -> bool {
    match try_flock(file) {
        Ok(()) => false,
        Err(Errno::EWOULDBLOCK) => true,
        Err(other) => panic!("{other}"),
    }
}

fn try_flock(file: &File) -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }).map(drop)
}

#[test]
fn unlock_works_on_an_interrupted_thread() {
    let path = Scratch::new("unlock");
    let (ours, theirs) = (path.describe(), path.describe());
    flock(&ours, LockKind::Exclusive).unwrap();
    ofd_lock(&ours, LockKind::Exclusive, ..).unwrap();
    let (task, interrupter) = eintr::task();
    interrupter.interrupt();
    task.run(|| {
        unlock(&ours).unwrap();
        ofd_unlock(&ours, ..).unwrap();
    });
    assert!(!is_flocked(&theirs));
    assert!(!is_locked(&theirs, 0));
}

#[test]
fn flock_that_changes_its_kind_may_lose_the_old_lock() {
    watched("flock, upgraded", || {
        let path = Scratch::new("upgrade");
        let (ours, theirs) = (path.describe(), path.describe());
        flock(&ours, LockKind::Shared).unwrap();
        flock(&theirs, LockKind::Shared).unwrap();
        asked_before(|| flock(&ours, LockKind::Exclusive));
        assert!(is_flocked(&theirs), "the call was not begun");
        flock(&theirs, LockKind::Shared).unwrap();
        asked_while_blocked(libc::SYS_flock, || flock(&ours, LockKind::Exclusive));
        assert!(!is_flocked(&theirs), "as documented");
    });
}

#[test]
fn ofd_lock_is_interrupted_and_takes_no_lock() {
    watched("ofd_lock", || {
        let path = Scratch::new("ofd");
        let (ours, theirs) = (path.describe(), path.describe());
        asked_before(|| ofd_lock(&ours, LockKind::Exclusive, ..));
        ofd_lock(&theirs, LockKind::Exclusive, 10..20).expect("it was not taken");
        asked_while_blocked(libc::SYS_fcntl, || ofd_lock(&ours, LockKind::Exclusive, ..));
        assert!(!is_locked(&theirs, 0));
        assert!(is_locked(&ours, 10));
        ofd_lock(&ours, LockKind::Exclusive, ..10).expect("beside each other");
        ofd_lock(&ours, LockKind::Exclusive, 20..).expect("beside each other");
        assert!(is_locked(&theirs, 9) && is_locked(&theirs, 1 << 40));

        let unlocks = || ofd_unlock(&theirs, 15..20).unwrap();
        let call = || ofd_lock(&ours, LockKind::Shared, 15..=19);
        disturbed(libc::SYS_fcntl, call, unlocks);
        assert!(is_locked(&theirs, 15) && is_locked(&ours, 14));
    });
}

#[test]
fn ofd_lock_that_changes_its_kind_keeps_the_old_lock() {
    watched("ofd_lock, upgraded", || {
        let path = Scratch::new("ofd-upgrade");
        let (ours, theirs) = (path.describe(), path.describe());
        ofd_lock(&ours, LockKind::Shared, ..).unwrap();
        ofd_lock(&theirs, LockKind::Shared, ..).unwrap();
        asked_while_blocked(libc::SYS_fcntl, || ofd_lock(&ours, LockKind::Exclusive, ..));
        assert!(is_locked(&theirs, 0), "shared as before");
    });
}

/// Whether another description has that byte locked.
fn is_locked(file: &File, byte: i64) -> bool {
    // SAFETY: a lock is plain numbers, and all zeros is one.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    (lock.l_type, lock.l_start, lock.l_len) = (libc::F_WRLCK as i16, byte, 1);
    // SAFETY: the kernel reads and writes the lock.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) }).unwrap();
    lock.l_type != libc::F_UNLCK as i16
}
