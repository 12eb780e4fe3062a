//! Locks and FIFOs.

use std::cell::Cell;
use std::fs::{File, OpenOptions, remove_file};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use eintr::Error;
use eintr::fs::LockKind;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;

use super::{Case, equal, turn};

/// By this path what a descriptor stands for is opened once more, even if it has no other name.
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A file, opened thrice: `lock` locks the first, which the second has locked or not, and the third
/// tells. `try_lock` is the same call without waiting.
fn locking(ready: bool, lock: fn(&File) -> Result<(), Error>, try_lock: fn(&File) -> bool) -> Case {
    let file = File::from(memfd_create("locked", MFdFlags::MFD_CLOEXEC).unwrap());
    let open = || OpenOptions::new().read(true).write(true).open(path_of(&file)).unwrap();
    let [first, second, third] = [open(), open(), open()];
    if !ready {
        assert!(try_lock(&second));
    }
    let fd = second.as_raw_fd();
    turn::is(move || {
        // SAFETY: it is open, and is not closed here.
        let second = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
        let is_done = if ready { try_lock(&second) } else { unlock(&second) };
        isize::from(is_done)
    });
    let first = Rc::new(first);
    let locked = first.clone();
    Case {
        call: Box::new(move || lock(&locked).map(|()| 0)),
        intact: Box::new(move |result| {
            // Closed, it holds nothing any more; the first is still open.
            drop(second);
            equal("locked", !try_lock(&third), result.is_some())?;
            drop(first);
            Ok(())
        }),
    }
}

/// Of either kind.
fn unlock(file: &File) -> bool {
    file.unlock().is_ok() && set_ofd_lock(file, libc::F_UNLCK)
}

fn set_ofd_lock(file: &File, kind: i32) -> bool {
    fcntl(file, FcntlArg::F_OFD_SETLK(&range(kind))).is_ok()
}

/// The first byte.
pub fn range(kind: i32) -> libc::flock {
    let [l_type, l_whence] = [kind as i16, libc::SEEK_SET as i16];
    libc::flock { l_type, l_whence, l_start: 0, l_len: 1, l_pid: 0 }
}

pub fn flock(ready: bool) -> Case {
    flocking(ready, |file| eintr::fs::flock(file, LockKind::Exclusive))
}

pub fn flocking(ready: bool, lock: fn(&File) -> Result<(), Error>) -> Case {
    const NOW: i32 = libc::LOCK_EX | libc::LOCK_NB;
    // SAFETY: no pointers.
    locking(ready, lock, |file| unsafe { libc::flock(file.as_raw_fd(), NOW) } == 0)
}

pub fn ofd_lock(ready: bool) -> Case {
    ofd_locking(ready, |file| eintr::fs::ofd_lock(file, LockKind::Exclusive, 0..1))
}

pub fn ofd_locking(ready: bool, lock: fn(&File) -> Result<(), Error>) -> Case {
    locking(ready, lock, |file| set_ofd_lock(file, libc::F_WRLCK))
}

pub fn open(ready: bool) -> Case {
    let mut options = eintr::fs::OpenOptions::new();
    options.read(true);
    opening(ready, move |path| eintr::fs::open(path, &options))
}

/// A FIFO that somebody has open for writing, or nobody; `open` opens it for reading.
pub fn opening(ready: bool, mut open: impl FnMut(&Path) -> Result<File, Error> + 'static) -> Case {
    let path = std::env::temp_dir().join(format!("eintr-window-{}", std::process::id()));
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    let fifo = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(&path).unwrap();
    remove_file(&path).unwrap();
    let path = path_of(&fifo);
    // Open for both, a FIFO does not wait.
    let other = ready.then(|| OpenOptions::new().read(true).write(true).open(&path).unwrap());
    let opened = Rc::new(Cell::new(None));
    let kept = opened.clone();
    Case {
        call: Box::new({
            let path = path.clone();
            move || {
                kept.set(Some(open(&path)?));
                Ok(0)
            }
        }),
        intact: Box::new(move |result| {
            drop(other);
            let mut to_write = OpenOptions::new();
            let to_write = to_write.write(true).custom_flags(libc::O_NONBLOCK);
            let has_reader = to_write.open(&path).is_ok();
            drop((fifo, opened.take()));
            equal("open for reading", has_reader, result.is_some())
        }),
    }
}
