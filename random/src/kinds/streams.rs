//! Pipes, FIFOs, sockets: bytes go in at one end and out at the other, by many calls.

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::ManuallyDrop;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use eintr::io::SpliceFlags;
use eintr::net::{Message, RecvFlags, SendFlags};

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::Whose::{C, Own, Std};
use crate::plant::planted;
use crate::worker::{Readiness, Stop, Worker};
use crate::{watch, wrong};

pub struct Stream {
    pub reader: File,
    pub writer: File,
    /// Of a pipe or a terminal: the ends once more, with O_NONBLOCK.
    calm: Option<[File; 2]>,
    pub written: AtomicU64,
    pub read: AtomicU64,
}

static SMALL: i32 = 16 << 10;

pub type Streams = [Arc<Stream>; 4];

/// A terminal's side of a pty is read. Nobody waits at the other side.
pub fn terminal() -> io::Result<Arc<Stream>> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the descriptors are new. All bytes zero are what the kernel fills in, and the name has its length.
    unsafe {
        let writer = crate::answer(libc::posix_openpt(flags | libc::O_NONBLOCK) as isize)? as i32;
        let writer = File::from_raw_fd(writer);
        let (mut name, fd) = ([0; 64], writer.as_raw_fd());
        libc::unlockpt(fd);
        let _ = libc::ptsname_r(fd, name.as_mut_ptr(), name.len());
        let open = |more| crate::answer(libc::open(name.as_ptr(), flags | more) as isize);
        let reader = File::from_raw_fd(open(0)? as i32);
        let calm = File::from_raw_fd(open(libc::O_NONBLOCK)? as i32);
        let mut way: libc::termios = std::mem::zeroed();
        crate::answer(libc::tcgetattr(reader.as_raw_fd(), &mut way) as isize)?;
        libc::cfmakeraw(&mut way);
        crate::answer(libc::tcsetattr(reader.as_raw_fd(), libc::TCSANOW, &way) as isize)?;
        let calm = Some([calm, writer.try_clone()?]);
        let (written, read) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Arc::new(Stream { reader, writer, calm, written, read }))
    }
}

/// One of each kind.
pub fn streams(folder: &Path) -> io::Result<Streams> {
    let (reader, writer) = io::pipe()?;
    let fifo = super::fifo::make(folder, "stream")?;
    // Both ends, lest the open waits; then each.
    let _both = File::options().read(true).write(true).open(&fifo)?;
    let ends = (File::open(&fifo)?, File::options().write(true).open(&fifo)?);
    fs::remove_file(fifo)?;
    let (one, other) = UnixStream::pair()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let here = TcpStream::connect(listener.local_addr()?)?;
    let there = listener.accept()?.0;
    Ok([
        Stream::new(reader, writer)?,
        Stream::new(ends.0, ends.1)?,
        Stream::new(one, other)?,
        Stream::new(here, there)?,
    ])
}

impl Stream {
    fn new(reader: impl Into<OwnedFd>, writer: impl Into<OwnedFd>) -> io::Result<Arc<Self>> {
        let (reader, writer) = (File::from(reader.into()), File::from(writer.into()));
        let calm = |file: &File, writes: bool| {
            let mut options = File::options();
            options.read(!writes).write(writes).custom_flags(libc::O_NONBLOCK);
            options.open(format!("/proc/self/fd/{}", file.as_raw_fd()))
        };
        let is_pipe = fs::read_link(format!("/proc/self/fd/{}", reader.as_raw_fd()))?;
        let calm = match is_pipe.to_string_lossy().starts_with("socket:") {
            true => None,
            false => Some([calm(&reader, false)?, calm(&writer, true)?]),
        };
        // What is small is soon full.
        let (fd, size) = (writer.as_raw_fd(), &raw const SMALL);
        // SAFETY: the size is borrowed. Of the two, one is for this kind.
        unsafe {
            libc::fcntl(fd, libc::F_SETPIPE_SZ, SMALL);
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, size.cast(), 4);
            libc::setsockopt(reader.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, size.cast(), 4);
        }
        let (written, read) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Arc::new(Self { reader, writer, calm, written, read }))
    }

    /// Writes what has room.
    pub fn fill(&self, length: usize) {
        let bytes = vec![0; length];
        let written = match &self.calm {
            Some([_, writer]) => {
                let mut writer = writer;
                writer.write(&bytes)
            }
            None => send(&self.writer, &bytes, libc::MSG_DONTWAIT),
        };
        self.written.fetch_add(unless_it_waits(written), SeqCst);
    }

    /// Reads what is there.
    pub fn drain(&self) {
        let mut bytes = [0; 8192];
        loop {
            let read = match &self.calm {
                Some([reader, _]) => {
                    let mut reader = reader;
                    reader.read(&mut bytes)
                }
                None => recv(&self.reader, &mut bytes, libc::MSG_DONTWAIT),
            };
            match unless_it_waits(read) {
                0 => return,
                read => self.read.fetch_add(read, SeqCst),
            };
        }
    }

    fn has_room(&self) -> bool {
        let fd = self.writer.as_raw_fd();
        let mut fd = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one that is borrowed.
        unsafe { libc::poll(&mut fd, 1, 0) == 1 }
    }

    /// Counts the bytes that are left.
    pub fn balance(&self) -> u64 {
        let (read, began) = (self.read.load(SeqCst), Instant::now());
        self.drain();
        // The kernel carries them to a terminal when it has time.
        while self.written.load(SeqCst) > self.read.load(SeqCst)
            && self.calm.is_some()
            && began.elapsed() < watch::limit()
        {
            self.drain();
        }
        if self.calm.is_none() {
            // Some may be on their way through the network: up to the end.
            // SAFETY: no pointers.
            unsafe { libc::shutdown(self.writer.as_raw_fd(), libc::SHUT_WR) };
            let left =
                io::copy(&mut &self.reader, &mut io::sink()).unwrap_or_else(|error| wrong(error));
            self.read.fetch_add(left, SeqCst);
        }
        let (written, all) = (self.written.load(SeqCst), self.read.load(SeqCst));
        if written != all {
            wrong(format_args!("{written} bytes written, {read} read, {} left", all - read));
        }
        written
    }
}

fn unless_it_waits(done: io::Result<usize>) -> u64 {
    match done {
        Ok(done) => done as u64,
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => 0,
        Err(error) => wrong(format_args!("{error} where nobody waits")),
    }
}

fn send(to: &File, bytes: &[u8], flags: i32) -> io::Result<usize> {
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: the bytes are borrowed.
    crate::answer(unsafe { libc::send(to.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) })
}

fn recv(from: &File, bytes: &mut [u8], flags: i32) -> io::Result<usize> {
    let at = bytes.as_mut_ptr().cast();
    // SAFETY: the bytes are borrowed.
    crate::answer(unsafe { libc::recv(from.as_raw_fd(), at, bytes.len(), flags) })
}

/// As a call that reads finds it.
#[derive(Clone)]
pub struct ToRead(pub Arc<Stream>, pub usize);

impl Readiness for ToRead {
    fn ready(&self) {
        self.0.fill(self.1);
    }

    fn unready(&self) {
        self.0.drain();
    }
}

#[derive(Clone)]
struct ToWrite(Arc<Stream>);

impl Readiness for ToWrite {
    fn ready(&self) {
        // What is on its way through the network fills the room again.
        self.0.drain();
        while !self.0.has_room() {
            self.0.drain();
        }
    }

    fn unready(&self) {
        // In pieces that fit into what is left.
        for length in [64 << 10, 4096, 1] {
            self.0.fill(length);
        }
    }
}

/// A socket, as std's type of one.
struct Socket(ManuallyDrop<TcpStream>);

impl Socket {
    fn of(file: &File) -> Self {
        // SAFETY: it is open, and not closed by this.
        Self(ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(file.as_raw_fd()) }))
    }
}

type Reads = fn(&Worker, &Call, &Stream, &mut [u8]) -> Result<usize, Stop>;
type Writes = fn(&Worker, &Call, &Stream, &[u8]) -> Result<usize, Stop>;

fn reading(worker: &Worker, call: &Call, sockets: bool, read: Reads) -> Done {
    reading_from(worker, call, worker.stream(call, sockets), read)
}

fn reading_from(worker: &Worker, call: &Call, stream: Arc<Stream>, read: Reads) -> Done {
    let mut bytes = vec![0; call.length];
    let meets = ToRead(stream.clone(), call.length);
    let read = worker.meets(call, meets, || read(worker, call, &stream, &mut bytes))?;
    if !planted("bytes", call.number) {
        stream.read.fetch_add(read as u64, SeqCst);
    }
    Ok(())
}

fn writing(worker: &Worker, call: &Call, sockets: bool, write: Writes) -> Done {
    writing_to(worker, call, worker.stream(call, sockets), write)
}

fn writing_to(worker: &Worker, call: &Call, stream: Arc<Stream>, write: Writes) -> Done {
    let bytes = vec![0; call.length];
    let meets = ToWrite(stream.clone());
    let written = worker.meets(call, meets, || write(worker, call, &stream, &bytes))?;
    stream.written.fetch_add(written as u64, SeqCst);
    Ok(())
}

pub const ROWS: &[Row] = &[
    row("read", &[Own, Std, C], &[], |worker, call| {
        reading(worker, call, false, |worker, call, stream, bytes| match call.whose {
            Own => worker.own(eintr::io::read(&stream.reader, bytes)),
            Std => worker.std((&stream.reader).read(bytes)),
            // SAFETY: the bytes are borrowed.
            C => worker.c(unsafe {
                libc::read(stream.reader.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len())
            }),
        })
    }),
    row("read_exact", &[Own], &[], |worker, call| {
        reading(worker, call, false, |worker, _, stream, bytes| {
            match eintr::io::read_exact(&stream.reader, bytes) {
                Ok(()) => Ok(bytes.len()),
                Err(partial) => {
                    stream.read.fetch_add(partial.done, SeqCst);
                    worker.own(Err(partial.error))
                }
            }
        })
    }),
    row("readv", &[Own, Std], &[], |worker, call| {
        reading(worker, call, false, |worker, call, stream, bytes| {
            let (one, two) = bytes.split_at_mut(bytes.len() / 2);
            let mut parts = [IoSliceMut::new(one), IoSliceMut::new(two)];
            match call.whose {
                Own => worker.own(eintr::io::readv(&stream.reader, &mut parts)),
                _ => worker.std((&stream.reader).read_vectored(&mut parts)),
            }
        })
    }),
    row("recv", &[Own, Std, C], &[], |worker, call| {
        reading(worker, call, true, |worker, call, stream, bytes| match call.whose {
            Own => worker.own(eintr::net::recv(&stream.reader, bytes, RecvFlags::empty())),
            Std => worker.std((&*Socket::of(&stream.reader).0).read(bytes)),
            C => worker.std(recv(&stream.reader, bytes, 0)),
        })
    }),
    row("recv MSG_WAITALL", &[Own, C], &[], |worker, call| {
        reading(worker, call, true, |worker, call, stream, bytes| match call.whose {
            Own => worker.own(eintr::net::recv(&stream.reader, bytes, RecvFlags::WAITALL)),
            _ => worker.std(recv(&stream.reader, bytes, libc::MSG_WAITALL)),
        })
    }),
    row("recvmsg", &[Own], &[], |worker, call| {
        reading(worker, call, true, |worker, _, stream, bytes| {
            let mut parts = [IoSliceMut::new(bytes)];
            let flags = RecvFlags::empty();
            Ok(worker.own(eintr::net::recvmsg(&stream.reader, &mut parts, flags))?.bytes)
        })
    }),
    row("splice from", &[Own, C], &[], |worker, call| {
        reading(worker, call, false, |worker, call, stream, bytes| {
            let pipe = &worker.own_things().pipe;
            let moved = match call.whose {
                Own => {
                    let flags = SpliceFlags::empty();
                    let (from, to) = (&stream.reader, &pipe.writer);
                    worker.own(eintr::io::splice(from, None, to, None, bytes.len(), flags))
                }
                _ => worker.c(splice(&stream.reader, &pipe.writer, bytes.len())),
            };
            eintr::mask(|| pipe.drain());
            moved
        })
    }),
    row("splice to", &[Own, C], &[], |worker, call| {
        writing(worker, call, false, |worker, call, stream, bytes| {
            let pipe = &worker.own_things().pipe;
            eintr::mask(|| pipe.fill(bytes.len()));
            let moved = match call.whose {
                Own => {
                    let flags = SpliceFlags::empty();
                    let (from, to) = (&pipe.reader, &stream.writer);
                    worker.own(eintr::io::splice(from, None, to, None, bytes.len(), flags))
                }
                _ => worker.c(splice(&pipe.reader, &stream.writer, bytes.len())),
            };
            eintr::mask(|| pipe.drain());
            moved
        })
    }),
    row("sendfile", &[Own, C], &[], |worker, call| {
        writing(worker, call, true, |worker, call, stream, bytes| {
            let file = &worker.objects.file;
            match call.whose {
                Own => {
                    worker.own(eintr::io::sendfile(&stream.writer, file, Some(&mut 0), bytes.len()))
                }
                _ => {
                    let (to, from) = (stream.writer.as_raw_fd(), file.as_raw_fd());
                    // SAFETY: the offset is borrowed.
                    worker.c(unsafe { libc::sendfile(to, from, &mut 0, bytes.len()) })
                }
            }
        })
    }),
    row("write", &[Own, Std, C], &[], |worker, call| {
        writing(worker, call, false, |worker, call, stream, bytes| match call.whose {
            Own => worker.own(eintr::io::write(&stream.writer, bytes)),
            Std => worker.std((&stream.writer).write(bytes)),
            // SAFETY: the bytes are borrowed.
            C => worker.c(unsafe {
                libc::write(stream.writer.as_raw_fd(), bytes.as_ptr().cast(), bytes.len())
            }),
        })
    }),
    row("write_all", &[Own], &[], |worker, call| {
        writing(worker, call, false, |worker, _, stream, bytes| {
            match eintr::io::write_all(&stream.writer, bytes) {
                Ok(()) => Ok(bytes.len()),
                Err(partial) => {
                    stream.written.fetch_add(partial.done, SeqCst);
                    worker.own(Err(partial.error))
                }
            }
        })
    }),
    row("writev", &[Own, Std], &[], |worker, call| {
        writing(worker, call, false, |worker, call, stream, bytes| {
            let (one, two) = bytes.split_at(bytes.len() / 2);
            let parts = [IoSlice::new(one), IoSlice::new(two)];
            match call.whose {
                Own => worker.own(eintr::io::writev(&stream.writer, &parts)),
                _ => worker.std((&stream.writer).write_vectored(&parts)),
            }
        })
    }),
    row("send", &[Own, Std, C], &[], |worker, call| {
        writing(worker, call, true, |worker, call, stream, bytes| match call.whose {
            Own => worker.own(eintr::net::send(&stream.writer, bytes, SendFlags::empty())),
            Std => worker.std((&*Socket::of(&stream.writer).0).write(bytes)),
            C => worker.std(send(&stream.writer, bytes, 0)),
        })
    }),
    row("sendmsg", &[Own], &[], |worker, call| {
        writing(worker, call, true, |worker, _, stream, bytes| {
            let parts = [IoSlice::new(bytes)];
            let message = Message::new(&parts);
            worker.own(eintr::net::sendmsg(&stream.writer, &message, SendFlags::empty()))
        })
    }),
    row("read of a terminal", &[Own, Std, C], &[], |worker, call| {
        reading_from(worker, call, worker.terminal(call), |worker, call, stream, bytes| {
            match call.whose {
                Own => worker.own(eintr::terminal::read(&stream.reader, bytes)),
                Std => worker.std((&stream.reader).read(bytes)),
                // SAFETY: the bytes are borrowed.
                C => worker.c(unsafe {
                    libc::read(stream.reader.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len())
                }),
            }
        })
    }),
    row("tee", &[C], &[], tee),
    row("vmsplice from", &[C], &[], |worker, call| {
        reading_from(worker, call, worker.pipe(call), |worker, _, stream, bytes| {
            worker.c(vmsplice(&stream.reader, bytes))
        })
    }),
    row("vmsplice to", &[C], &[], |worker, call| {
        writing_to(worker, call, worker.pipe(call), |worker, _, stream, bytes| {
            worker.c(vmsplice(&stream.writer, &mut bytes.to_vec()))
        })
    }),
    row("through the thread's own pipe", &[], &[Own, Std], through_own_pipe),
];

fn splice(from: &File, to: &File, length: usize) -> isize {
    let (from, to, none) = (from.as_raw_fd(), to.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: no offsets.
    unsafe { libc::splice(from, none, to, none, length, 0) }
}

/// Bytes to a pipe or from it, by the kernel's pages where it can.
fn vmsplice(pipe: &File, bytes: &mut [u8]) -> isize {
    let part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: the part is borrowed. Nobody looks at what the bytes are that go through a shared pipe.
    unsafe { libc::vmsplice(pipe.as_raw_fd(), &part, 1, 0) }
}

/// What is copied to the thread's own pipe is there, and stays where it was.
fn tee(worker: &Worker, call: &Call) -> Done {
    let (stream, pipe) = (worker.pipe(call), &worker.own_things().pipe);
    let before = pipe.read.load(SeqCst);
    let copied = worker.meets(call, ToRead(stream.clone(), call.length), || {
        let (from, to) = (stream.reader.as_raw_fd(), pipe.writer.as_raw_fd());
        // SAFETY: no pointers.
        worker.c(unsafe { libc::tee(from, to, call.length, 0) })
    });
    eintr::mask(|| pipe.drain());
    let came = pipe.read.load(SeqCst) - before;
    if came != copied.as_ref().map_or(0, |copied| *copied as u64) {
        wrong(format_args!("tee has copied {came} bytes, and told others"));
    }
    copied.map(drop)
}

/// A write, and a read of what was written: neither has to wait, and each byte is its number's.
fn through_own_pipe(worker: &Worker, call: &Call) -> Done {
    let own = worker.own_things();
    let length = call.length.min(4_000);
    let first = own.through.get();
    let bytes: Vec<u8> = (first..first + length).map(|byte| byte as u8).collect();
    let written = match call.whose {
        Own => eintr::io::write(&own.pipe.writer, &bytes).map_err(io::Error::from),
        _ => (&own.pipe.writer).write(&bytes),
    };
    // What is in the pipe is read in peace.
    let mut read = vec![0; length + 1];
    let mut read_on = || {
        loop {
            match (&own.pipe.reader).read(&mut read) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    };
    let count = eintr::mask(|| if written.is_ok() { read_on() } else { Ok(0) });
    let count = count.unwrap_or_else(|error| wrong(format_args!("masked: {error}")));
    if let Ok(written) = written
        && (count != written || read[..count] != bytes[..count])
    {
        wrong(format_args!("wrote {written} bytes and read {count}, or others"));
    }
    own.through.set(first + count);
    worker.std(written).map(drop)
}
