//! The open of a FIFO, which waits for the other end.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::Whose::{C, Own, Std};
use crate::worker::{Readiness, Worker};

pub const ROWS: &[Row] = &[row("open a FIFO", &[Own, Std, C], &[], open)];

pub fn make(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let path = folder.join(format!("{name}-{}", test_support::gettid()));
    match crate::answer(
        // SAFETY: the path is borrowed.
        unsafe { libc::mkfifo(c_path(&path).as_ptr(), 0o600) } as isize,
    ) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(path),
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("our names have no zero")
}

/// Ready while the other end is held.
#[derive(Clone)]
struct OtherEnd(PathBuf, Arc<Mutex<Option<File>>>);

impl Readiness for OtherEnd {
    fn ready(&self) {
        let mut options = File::options();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        *self.1.lock().expect("nobody panics") = options.open(&self.0).ok();
    }

    fn unready(&self) {
        *self.1.lock().expect("nobody panics") = None;
    }
}

fn open(worker: &Worker, call: &Call) -> Done {
    let path = &worker.own_things().fifo;
    let writes = call.number % 2 == 0;
    let end = OtherEnd(path.clone(), Arc::default());
    let opened = worker.meets(call, end, || match call.whose {
        Own => {
            let mut options = eintr::fs::OpenOptions::new();
            options.read(!writes).write(writes);
            worker.own(eintr::fs::open(path, &options))
        }
        Std => worker.std(File::options().read(!writes).write(writes).open(path)),
        C => {
            let flags = if writes { libc::O_WRONLY } else { libc::O_RDONLY };
            // SAFETY: the path is borrowed.
            let fd = unsafe { libc::open(c_path(path).as_ptr(), flags | libc::O_CLOEXEC) };
            // SAFETY: it is new.
            worker.c(fd as isize).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) }.into())
        }
    })?;
    if crate::plant::planted("descriptor", call.number / 2) {
        std::mem::forget(opened);
    }
    Ok(())
}
