//! inotify: what happens to a folder.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{ffi::CString, io};

use eintr::TimedOut;
use eintr::event::inotify_read;

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::Whose::{C, Own, Std};
use crate::plant::planted;
use crate::worker::{Readiness, Worker};
use crate::wrong;

pub const ROWS: &[Row] = &[row("inotify", &[Own, Std, C], &[], read)];

/// A file with two names in turn: each renaming is an event of its own.
struct Watched {
    file: File,
    names: [PathBuf; 2],
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    made: usize,
    seen: usize,
}

impl Watched {
    fn new(folder: &std::path::Path) -> io::Result<Arc<Self>> {
        let folder = folder.join(format!("watched-{}", test_support::gettid()));
        fs::create_dir_all(&folder)?;
        let names = ["one", "two"].map(|name| folder.join(name));
        File::create(&names[0])?;
        let path = CString::new(folder.as_os_str().as_bytes())?;
        // SAFETY: the path is borrowed; the descriptor is new.
        let file = unsafe {
            let fd = crate::answer(libc::inotify_init1(libc::IN_CLOEXEC) as isize)? as i32;
            let file = File::from_raw_fd(fd);
            crate::answer(libc::inotify_add_watch(fd, path.as_ptr(), libc::IN_MOVED_TO) as isize)?;
            file
        };
        Ok(Arc::new(Self { file, names, counts: Mutex::default() }))
    }

    /// When nobody else reads.
    fn balance(&self) {
        let mut bytes = [0; 4096];
        // SAFETY: no pointers.
        unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        let mut counts = self.counts.lock().expect("nobody panics");
        while let Ok(length) = (&self.file).read(&mut bytes) {
            counts.seen += events(&bytes[..length]);
        }
        let Counts { made, seen } = *counts;
        if made != seen {
            wrong(format_args!("inotify: {made} events made, {seen} seen"));
        }
        let _ = fs::remove_dir_all(self.names[0].parent().expect("it is in a folder"));
    }
}

/// How many there are in what was read.
fn events(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some((head, rest)) = bytes.split_first_chunk::<16>() {
        let length = u32::from_ne_bytes(*head.last_chunk().expect("it is longer")) as usize;
        (bytes, count) = (&rest[length..], count + 1);
    }
    count
}

enum TimedOutOrNot {
    TimedOut,
    Not,
}

impl From<TimedOut> for TimedOutOrNot {
    fn from(_: TimedOut) -> Self {
        Self::TimedOut
    }
}

impl Readiness for Arc<Watched> {
    fn ready(&self) {
        let mut counts = self.counts.lock().expect("nobody panics");
        let [from, to] = [counts.made % 2, (counts.made + 1) % 2].map(|name| &self.names[name]);
        fs::rename(from, to).unwrap_or_else(|error| wrong(error));
        counts.made += 1;
    }

    fn unready(&self) {
        // There is no read that does not wait, but one that does not wait for long.
        let mut bytes = [0; 4096];
        let seen = eintr::timeout(Duration::from_millis(1), || {
            inotify_read(&self.file, &mut bytes).map_err(|_| TimedOutOrNot::Not)
        });
        if let Ok(seen) = seen {
            self.counts.lock().expect("nobody panics").seen += seen.count();
        }
    }
}

fn read(worker: &Worker, call: &Call) -> Done {
    let watched = eintr::mask(|| Watched::new(worker.objects.folder()));
    let watched = watched.unwrap_or_else(|error| wrong(format_args!("inotify: {error}")));
    let mut bytes = [0; 4096];
    let seen = worker.meets(call, watched.clone(), || match call.whose {
        Own => worker.own(inotify_read(&watched.file, &mut bytes)).map(Iterator::count),
        Std => worker.std((&watched.file).read(&mut bytes)).map(|length| events(&bytes[..length])),
        C => {
            let fd = watched.file.as_raw_fd();
            // SAFETY: the bytes are borrowed.
            let read = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) };
            worker.c(read).map(|length| events(&bytes[..length]))
        }
    });
    if let Ok(seen) = seen
        && !planted("event", call.number)
    {
        watched.counts.lock().expect("nobody panics").seen += seen;
    }
    eintr::mask(|| watched.balance());
    seen.map(drop)
}
