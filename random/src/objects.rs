//! What calls are about: some that all threads share, and some of each thread's own.

use std::cell::{Cell, OnceCell};
use std::fs::{self, File};
use std::io;
use std::os::fd::FromRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use crate::kinds::children::Children;
use crate::kinds::connections::{Listeners, listeners};
use crate::kinds::counters::{Counter, timer};
use crate::kinds::fifo;
use crate::kinds::file_locks::LockedFile;
use crate::kinds::futexes::Futexes;
use crate::kinds::queues::Queue;
use crate::kinds::rings::Ring;
use crate::kinds::streams::{Stream, Streams, streams, terminal};

/// One of each kind.
pub struct Set {
    pub streams: Streams,
    pub listeners: Listeners,
    pub counter: Arc<Counter>,
    pub locked_file: Arc<LockedFile>,
    pub futexes: Arc<Futexes>,
    /// Its lines come from a pty's other side.
    pub terminal: Arc<Stream>,
    /// There are few of POSIX's: made where they are used.
    pub queues: [OnceLock<Arc<Queue>>; 2],
}

impl Set {
    fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            streams: streams(folder)?,
            listeners: listeners(folder)?,
            counter: Counter::new()?,
            locked_file: LockedFile::new(folder)?,
            futexes: Futexes::new(),
            terminal: terminal()?,
            queues: Default::default(),
        })
    }

    /// What has gone in is what has come out and what is left: bytes, connections, messages.
    fn balance(&self) -> [u64; 3] {
        self.counter.balance();
        self.locked_file.balance();
        let queues = self.queues.iter().filter_map(OnceLock::get);
        [
            self.streams.iter().chain([&self.terminal]).map(|stream| stream.balance()).sum(),
            self.listeners.iter().map(|listening| listening.balance()).sum(),
            self.futexes.balance() + queues.map(|queue| queue.balance()).sum::<u64>(),
        ]
    }
}

pub struct Objects {
    folder: PathBuf,
    pub set: Set,
    pub children: Children,
    /// Some bytes to send.
    pub file: File,
    /// What went through that of threads that have ended.
    went: [AtomicU64; 3],
}

impl Objects {
    pub fn new() -> io::Result<Arc<Self>> {
        let folder = std::env::temp_dir().join(format!("eintr-random-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        // SAFETY: the name is a literal.
        let fd = unsafe { libc::memfd_create(c"bytes".as_ptr(), libc::MFD_CLOEXEC) };
        // SAFETY: it is new.
        let file = unsafe { File::from_raw_fd(crate::answer(fd as isize)? as i32) };
        file.set_len(1 << 16)?;
        let (set, children) = (Set::new(&folder)?, Children::default());
        Ok(Arc::new(Self { folder, set, children, file, went: Default::default() }))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// When all threads have ended: how many bytes, connections, messages and children there were.
    pub fn balance(self) -> [u64; 4] {
        let mut went = self.set.balance();
        for (sum, went) in went.iter_mut().zip(self.went) {
            *sum += went.into_inner();
        }
        let _ = fs::remove_dir_all(self.folder);
        let [bytes, connections, messages] = went;
        [bytes, connections, messages, self.children.balance()]
    }
}

/// A thread's own.
pub struct Own {
    pub set: Set,
    pub pipe: Arc<Stream>,
    /// How many bytes went through the pipe; each is its number's.
    pub through: Cell<usize>,
    pub fifo: PathBuf,
    pub timer: Arc<File>,
    pub ring: OnceCell<Option<Arc<Ring>>>,
}

impl Own {
    pub fn new(objects: &Objects) -> io::Result<Self> {
        let [pipe, ..] = streams(&objects.folder)?;
        let (set, fifo) = (Set::new(&objects.folder)?, fifo::make(&objects.folder, "fifo")?);
        Ok(Self { set, pipe, through: Cell::new(0), fifo, timer: timer()?, ring: OnceCell::new() })
    }

    pub fn balance(&self, objects: &Objects) {
        for (sum, went) in objects.went.iter().zip(self.set.balance()) {
            sum.fetch_add(went, SeqCst);
        }
    }
}
