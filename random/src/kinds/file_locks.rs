//! Locks of files: flock's, and fcntl's of open files.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use eintr::fs::LockKind;

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::Whose::{C, Own, Std};
use crate::worker::{Readiness, Worker};
use crate::{watch, wrong};

pub const ROWS: &[Row] = &[
    row("flock", &[Own, Std, C], &[], |worker, call| lock(worker, call, Kind::Flock)),
    row("F_OFD_SETLKW", &[Own, C], &[], |worker, call| lock(worker, call, Kind::Ofd)),
];

#[derive(Clone, Copy)]
enum Kind {
    Flock,
    Ofd,
}

pub struct LockedFile {
    path: PathBuf,
    /// How many hold the lock of each kind.
    holders: [AtomicUsize; 2],
}

impl LockedFile {
    pub fn new(folder: &Path) -> io::Result<Arc<Self>> {
        let path = folder.join(format!("lock-{}", test_support::gettid()));
        let locked = Self { path, holders: Default::default() };
        locked.open()?;
        Ok(Arc::new(locked))
    }

    /// A descriptor of its own: the locks belong to these.
    fn open(&self) -> io::Result<File> {
        let mut options = File::options();
        options.create(true).read(true).write(true).truncate(false).mode(0o600).open(&self.path)
    }

    /// Once it is over, nobody holds it; but other threads' children may have inherited the descriptor, and hold it as long as they live.
    pub fn balance(&self) {
        let (file, began) = (self.open().unwrap_or_else(|error| wrong(error)), Instant::now());
        for kind in [Kind::Flock, Kind::Ofd] {
            while let Err(error) = crate::answer(at_once(&file, kind, libc::LOCK_EX)) {
                if began.elapsed() > watch::limit() {
                    wrong(format_args!("a lock of a file is not free at the end: {error}"));
                }
                thread::yield_now();
            }
        }
    }
}

/// By a call that does not wait.
fn at_once(file: &File, kind: Kind, how: i32) -> isize {
    let fd = file.as_raw_fd();
    // SAFETY: the range is borrowed.
    let answer = unsafe {
        match kind {
            Kind::Flock => libc::flock(fd, how | libc::LOCK_NB),
            Kind::Ofd => libc::fcntl(fd, libc::F_OFD_SETLK, &range(how)),
        }
    };
    answer as isize
}

fn range(how: i32) -> libc::flock {
    // SAFETY: all bytes zero are a range: the whole file.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = if how == libc::LOCK_EX { libc::F_WRLCK } else { libc::F_UNLCK } as i16;
    range
}

/// Unready while somebody else holds it.
#[derive(Clone)]
struct Holder(Arc<File>, Kind);

impl Readiness for Holder {
    fn ready(&self) {
        at_once(&self.0, self.1, libc::LOCK_UN);
    }

    fn unready(&self) {
        at_once(&self.0, self.1, libc::LOCK_EX);
    }

    fn after(&self) {
        self.ready();
    }
}

fn lock(worker: &Worker, call: &Call, kind: Kind) -> Done {
    let locked = worker.locked_file(call);
    let open = || eintr::mask(|| locked.open()).unwrap_or_else(|error| wrong(error));
    let (file, holder) = (open(), Holder(Arc::new(open()), kind));
    worker.meets(call, holder, || {
        match (kind, call.whose) {
            (Kind::Flock, Own) => worker.own(eintr::fs::flock(&file, LockKind::Exclusive))?,
            (Kind::Ofd, Own) => worker.own(eintr::fs::ofd_lock(&file, LockKind::Exclusive, ..))?,
            (_, Std) => worker.std(file.lock())?,
            (_, C) => {
                let fd = file.as_raw_fd();
                // SAFETY: the range is borrowed.
                let answer = unsafe {
                    match kind {
                        Kind::Flock => libc::flock(fd, libc::LOCK_EX),
                        Kind::Ofd => libc::fcntl(fd, libc::F_OFD_SETLKW, &range(libc::LOCK_EX)),
                    }
                };
                worker.c(answer as isize)?;
            }
        }
        let holders = &locked.holders[kind as usize];
        if holders.fetch_add(1, SeqCst) != 0 {
            wrong("two hold a lock of a file");
        }
        thread::yield_now();
        holders.fetch_sub(1, SeqCst);
        Ok(())
    })?;
    if crate::plant::planted("lock", call.number) {
        std::mem::forget(file);
    }
    Ok(())
}
