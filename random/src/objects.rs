//! What the threads share, and what went in and out of it.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use eintr::sync::{Mutex, Receiver, Semaphore, SyncSender, sync_channel};

use crate::wrong;

/// Bytes go in at one end and out at the other.
pub struct Stream {
    pub reader: File,
    pub writer: File,
    pub written: AtomicU64,
    pub read: AtomicU64,
}

impl Stream {
    fn new(reader: impl Into<OwnedFd>, writer: impl Into<OwnedFd>) -> Self {
        let (reader, writer) = (File::from(reader.into()), File::from(writer.into()));
        Self { reader, writer, written: AtomicU64::new(0), read: AtomicU64::new(0) }
    }

    /// Closes the end for writing, and counts the bytes that are left.
    fn balance(self) -> u64 {
        let Self { mut reader, writer, written, read } = self;
        drop(writer);
        let left = io::copy(&mut reader, &mut io::sink());
        let left = left.expect("what is left can be read");
        let (written, read) = (written.into_inner(), read.into_inner());
        if written != read + left {
            wrong(format_args!("{written} bytes written, {read} read, {left} left"));
        }
        written
    }
}

/// A number that is changed under a lock only, and one that need not be.
#[derive(Default)]
pub struct Counted {
    pub locked: Mutex<u64>,
    pub counted: AtomicU64,
}

pub struct Objects {
    pub streams: Vec<Stream>,
    folder: PathBuf,
    pub locked_files: usize,
    /// How many hold each of them.
    pub holders: [AtomicUsize; 2],
    pub listener: UnixListener,
    pub connected: AtomicU64,
    pub given_up: AtomicU64,
    pub accepted: AtomicU64,
    pub locks: [Counted; 2],
    pub std_lock: std::sync::Mutex<u64>,
    pub std_counted: AtomicU64,
    pub permits: Semaphore,
    pub sender: SyncSender<u64>,
    pub receiver: Receiver<u64>,
    pub sent: AtomicU64,
    pub received: AtomicU64,
}

pub const PERMITS: u32 = 2;

impl Objects {
    pub fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("eintr-random-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let _ = fs::remove_file(folder.join("socket"));
        let streams = (0..2).map(|_| {
            let (reader, writer) = io::pipe()?;
            let (one, other) = UnixStream::pair()?;
            Ok([Stream::new(reader, writer), Stream::new(one, other)])
        });
        let streams: io::Result<Vec<_>> = streams.collect();
        let (sender, receiver) = sync_channel(4);
        Ok(Self {
            streams: streams?.into_iter().flatten().collect(),
            listener: UnixListener::bind(folder.join("socket"))?,
            folder,
            locked_files: 2,
            holders: Default::default(),
            connected: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            locks: Default::default(),
            std_lock: std::sync::Mutex::new(0),
            std_counted: AtomicU64::new(0),
            permits: Semaphore::new(PERMITS),
            sender,
            receiver,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        })
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// A descriptor of its own: locks of `flock` belong to these.
    pub fn locked_file(&self, number: usize) -> io::Result<File> {
        let path = self.folder.join(format!("lock{number}"));
        File::options().create(true).append(true).mode(0o600).open(path)
    }

    /// When all threads have ended: how many bytes, connections and messages went through.
    pub fn balance(self) -> [u64; 3] {
        let bytes = self.streams.into_iter().map(Stream::balance).sum();

        self.listener.set_nonblocking(true).expect("it is a socket");
        let left = std::iter::from_fn(|| self.listener.accept().ok()).count() as u64;
        let (accepted, connected) = (self.accepted.into_inner(), self.connected.into_inner());
        let given_up = self.given_up.into_inner();
        if !(connected..=connected + given_up).contains(&(accepted + left)) {
            wrong(format_args!(
                "{connected} connected, {given_up} given up, {accepted} accepted, {left} left"
            ));
        }

        let left = self.receiver.try_iter().count() as u64;
        let (sent, received) = (self.sent.into_inner(), self.received.into_inner());
        if sent != received + left {
            wrong(format_args!("{sent} messages sent, {received} received, {left} left"));
        }

        for lock in &self.locks {
            let locked = *lock.locked.lock().expect("nobody panics");
            let counted = lock.counted.load(SeqCst);
            if locked != counted {
                wrong(format_args!("{counted} counted, {locked} under a lock"));
            }
        }
        let locked = *self.std_lock.lock().expect("nobody panics");
        if locked != self.std_counted.load(SeqCst) {
            wrong("a lock of std's did not lock");
        }
        if self.permits.available() != PERMITS {
            wrong(format_args!("{} permits of {PERMITS} are left", self.permits.available()));
        }
        let _ = fs::remove_dir_all(self.folder);
        [bytes, connected, sent]
    }
}
