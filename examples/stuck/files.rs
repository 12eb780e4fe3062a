//! Pipes, files, FIFOs, locks, terminals.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use eintr::fs::{LockKind, OpenOptions};
use eintr::io::{RwFlags, SpliceFlags, Stream};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::scene::{Made, Scene, intact, unless_emulated};

/// A pipe whose ends are shared between the call and the checks.
fn pipe() -> (Arc<PipeReader>, Arc<PipeWriter>) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (Arc::new(reader), Arc::new(writer))
}

pub const SCENES: &[fn() -> Made] = &[
    read,
    readv,
    read_exact,
    write,
    writev,
    write_all,
    preadv2,
    pwritev2,
    splice,
    tee,
    vmsplice,
    sendfile,
    copy,
    stream_read_line,
    open,
    flock,
    ofd_lock,
    terminal_read,
];

/// Fills a pipe or a socket until it would block; how many bytes that took.
pub fn fill(fd: impl AsFd) -> usize {
    let fd = fd.as_fd();
    set_nonblocking(fd, true);
    let mut filled = 0;
    for chunk in [&[b'.'; 4096][..], b"."] {
        while let Ok(written) = nix::unistd::write(fd, chunk) {
            filled += written;
        }
    }
    set_nonblocking(fd, false);
    filled
}

/// Takes all there is out of a pipe or a socket; how many bytes that were.
pub fn drain(fd: impl AsFd) -> usize {
    let fd = fd.as_fd();
    set_nonblocking(fd, true);
    let (mut drained, mut chunk) = (0, [0; 4096]);
    while let Ok(read @ 1..) = nix::unistd::read(fd, &mut chunk) {
        drained += read;
    }
    set_nonblocking(fd, false);
    drained
}

pub fn set_nonblocking(fd: impl AsFd, on: bool) {
    let fd = fd.as_fd();
    let mut flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).expect("flags"));
    flags.set(OFlag::O_NONBLOCK, on);
    fcntl(fd, FcntlArg::F_SETFL(flags)).expect("flags");
}

/// The bytes that come are those that are sent, and no other was lost before them.
fn next_bytes_are_ours(reader: &PipeReader, writer: &PipeWriter) -> Result<String, String> {
    let mut two = [0; 2];
    let mut reader = reader;
    let arrived = { writer }.write_all(b"ab").and_then(|()| reader.read_exact(&mut two));
    intact(arrived.is_ok() && &two == b"ab", "the next bytes arrive")
}

fn read() -> Made {
    let (reader, writer) = pipe();
    let (inside, outside) = (reader.clone(), writer.clone());
    Ok(Scene::new("io::read", &["read"], move || eintr::io::read(&inside, &mut [0; 8]).map(drop))
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_bytes_are_ours(&reader, &writer)))
}

fn readv() -> Made {
    let (reader, writer) = pipe();
    let (inside, outside) = (reader.clone(), writer.clone());
    let call = move || {
        let (mut a, mut b) = ([0; 2], [0; 2]);
        eintr::io::readv(&inside, &mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]).map(drop)
    };
    Ok(Scene::new("io::readv", &["readv"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_bytes_are_ours(&reader, &writer)))
}

fn read_exact() -> Made {
    let (reader, writer) = pipe();
    (&*writer).write_all(b"half").unwrap();
    let (inside, outside) = (reader.clone(), writer.clone());
    let seen = Arc::new(AtomicU32::new(0));
    let seen_inside = seen.clone();
    // A caller that goes on where it was stopped.
    let mut record = [0; 8];
    let mut have = 0;
    let call = move || {
        let result = eintr::io::read_exact(&inside, &mut record[have..]);
        let got = result.as_ref().map_or_else(|partial| partial.done as usize, |()| 8 - have);
        have += got;
        seen_inside.fetch_add(got as u32, Ordering::Relaxed);
        Ok(result?)
    };
    Ok(Scene::new("io::read_exact", &["read"], call)
        .provide(move || (&*outside).write_all(b"rest").unwrap())
        .check(move || {
            let have = seen.load(Ordering::Relaxed) as usize + drain(&reader);
            intact(have == 4, format!("{have} of 4 bytes accounted for"))
        }))
}

fn write() -> Made {
    let (reader, writer) = pipe();
    let filled = fill(&writer);
    let inside = writer.clone();
    let outside = reader.clone();
    Ok(Scene::new("io::write", &["write"], move || eintr::io::write(&inside, b"more").map(drop))
        .provide(move || drain(&outside))
        .check(move || {
            let came = drain(&reader);
            intact(came == filled, format!("{came} bytes in, {came} out, none of ours"))
        }))
}

fn writev() -> Made {
    full("io::writev", &["writev"], |writer| {
        eintr::io::writev(writer, &[IoSlice::new(b"mo"), IoSlice::new(b"re")])
    })
}

fn write_all() -> Made {
    /// More than a pipe holds.
    const LENGTH: usize = 100_000;
    let (reader, writer) = pipe();
    let inside = writer.clone();
    let outside = reader.clone();
    let done = Arc::new(AtomicU32::new(0));
    let done_inside = done.clone();
    let message = vec![b'.'; LENGTH];
    let mut from = 0;
    let call = move || {
        let result = eintr::io::write_all(&inside, &message[from..]);
        let wrote =
            result.as_ref().map_or_else(|partial| partial.done as usize, |()| message.len() - from);
        from += wrote;
        done_inside.fetch_add(wrote as u32, Ordering::Relaxed);
        Ok(result?)
    };
    Ok(Scene::new("io::write_all", &["write"], call)
        .provide(move || thread::spawn(move || (&*outside).read_exact(&mut [0; LENGTH])))
        .check(move || {
            let (told, came) = (done.load(Ordering::Relaxed) as usize, drain(&reader));
            intact(told == came, format!("told {told} bytes, {came} arrived"))
        }))
}

fn splice() -> Made {
    unless_emulated("io::splice")?;
    let (reader, writer) = pipe();
    let (far, near) = pipe();
    let (inside, outside) = (reader.clone(), writer.clone());
    let call =
        move || eintr::io::splice(&inside, None, &near, None, 4096, SpliceFlags::empty()).map(drop);
    Ok(Scene::new("io::splice", &["splice"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || {
            let moved = drain(&far);
            next_bytes_are_ours(&reader, &writer)
                .and_then(|text| intact(moved == 0, format!("{text}, {moved} moved")))
        }))
}

fn tee() -> Made {
    unless_emulated("io::tee")?;
    let (reader, writer) = pipe();
    let (far, near) = pipe();
    let (inside, outside) = (reader.clone(), writer.clone());
    let call = move || eintr::io::tee(&inside, &near, 4096, SpliceFlags::empty()).map(drop);
    Ok(Scene::new("io::tee", &["tee"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || {
            let copied = drain(&far);
            next_bytes_are_ours(&reader, &writer)
                .and_then(|text| intact(copied == 0, format!("{text}, {copied} copied")))
        }))
}

fn vmsplice() -> Made {
    unless_emulated("io::vmsplice")?;
    full("io::vmsplice", &["vmsplice"], |writer| {
        eintr::io::vmsplice(writer, &[IoSlice::new(b"more")], SpliceFlags::empty())
    })
}

fn preadv2() -> Made {
    unless_emulated("io::preadv2")?;
    let (reader, writer) = pipe();
    let (inside, outside) = (reader.clone(), writer.clone());
    let call = move || {
        let mut bytes = [0; 8];
        let buffers = &mut [IoSliceMut::new(&mut bytes)];
        eintr::io::preadv2(&inside, buffers, None, RwFlags::empty()).map(drop)
    };
    Ok(Scene::new("io::preadv2", &["preadv2"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_bytes_are_ours(&reader, &writer)))
}

fn pwritev2() -> Made {
    unless_emulated("io::pwritev2")?;
    full("io::pwritev2", &["pwritev2"], |writer| {
        eintr::io::pwritev2(writer, &[IoSlice::new(b"more")], None, RwFlags::empty())
    })
}

/// A pipe that is full.
fn full(
    name: &'static str,
    syscalls: &'static [&'static str],
    write: fn(&PipeWriter) -> Result<usize, eintr::Error>,
) -> Made {
    let (reader, writer) = pipe();
    let filled = fill(&writer);
    let outside = reader.clone();
    let call = move || write(&writer).map(drop);
    Ok(Scene::new(name, syscalls, call).provide(move || drain(&outside)).check(move || {
        let came = drain(&reader);
        intact(came == filled, format!("{came} bytes in, {came} out, none of ours"))
    }))
}

fn sendfile() -> Made {
    unless_emulated("io::sendfile")?;
    let (reader, writer) = pipe();
    let filled = fill(&writer);
    let outside = reader.clone();
    let file = file_of(b"more");
    let call = move || eintr::io::sendfile(&writer, &file, Some(&mut 0), 4).map(drop);
    Ok(Scene::new("io::sendfile", &["sendfile"], call).provide(move || drain(&outside)).check(
        move || {
            let came = drain(&reader);
            intact(came == filled, format!("{came} bytes in, {came} out, none of ours"))
        },
    ))
}

fn copy() -> Made {
    let (reader, writer) = pipe();
    let mut writer = Some(writer);
    (&**writer.as_ref().unwrap()).write_all(b"some").unwrap();
    let target = file_of(b"");
    let outside = writer.take();
    let inside = reader.clone();
    let arrived = target.try_clone().unwrap();
    Ok(Scene::new("io::copy", &["read"], move || Ok(eintr::io::copy(&inside, &target).map(drop)?))
        .provide(move || outside)
        .check(move || {
            let have = arrived.metadata().unwrap().len() + drain(&reader) as u64;
            intact(have == 4, format!("{have} of 4 bytes accounted for"))
        }))
}

fn stream_read_line() -> Made {
    let (reader, writer) = pipe();
    let outside = writer.clone();
    let lines = (BufReader::new(Stream::new(reader)), String::new());
    let lines = Arc::new(Mutex::new(lines));
    let inside = lines.clone();
    (&*writer).write_all(b"half a ").unwrap();
    let call = move || {
        let (lines, line) = &mut *inside.lock().unwrap();
        Ok(lines.read_line(line).map(drop)?)
    };
    Ok(Scene::new("io::Stream + BufReader", &["read"], call)
        .provide(move || (&*outside).write_all(b"line\n").unwrap())
        .check(move || {
            (&*writer).write_all(b"line\n").unwrap();
            let (lines, line) = &mut *lines.lock().unwrap();
            let read = lines.read_line(line);
            intact(read.is_ok() && line == "half a line\n", "the line is whole in the end")
        }))
}

fn terminal_read() -> Made {
    let pty = nix::pty::openpty(None, None).map_err(|errno| format!("no pty: {errno}"))?;
    let slave = Arc::new(pty.slave);
    let master = Arc::new(pty.master);
    let (inside, outside) = (slave.clone(), master.clone());
    let call = move || eintr::terminal::read(&inside, &mut [0; 64]).map(drop);
    Ok(Scene::new("terminal::read", &["read"], call)
        .provide(move || nix::unistd::write(&outside, b"\n").map(drop).unwrap())
        .check(move || {
            nix::unistd::write(&master, b"line\n").unwrap();
            let mut line = [0; 64];
            let length = nix::unistd::read(&slave, &mut line).unwrap();
            intact(&line[..length] == b"line\n", "the next line arrives")
        }))
}

/// A name in the temporary directory that nobody else has.
pub fn fresh_path(what: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("eintr-{what}-{}-{number}", std::process::id()))
}

/// A file with that in it, without a name.
fn file_of(content: &[u8]) -> File {
    let path = fresh_path("file");
    fs::write(&path, content).expect("a file");
    let file = File::options().read(true).write(true).open(&path).expect("the file");
    fs::remove_file(path).expect("to remove it");
    file
}

/// A path that is removed at the end.
struct Named(PathBuf);

impl Drop for Named {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn open() -> Made {
    let path = fresh_path("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).map_err(|errno| errno.to_string())?;
    let named = Arc::new(Named(path.clone()));
    let (inside, outside, fifo) = (path.clone(), path.clone(), named.clone());
    let call = move || eintr::fs::open(&inside, OpenOptions::new().read(true)).map(drop);
    Ok(Scene::new("fs::open of a FIFO", &["openat"], call)
        // Both ends at once does not wait; it is kept open for the call to find it.
        .provide(move || {
            let both = File::options().read(true).write(true).open(&outside).unwrap();
            std::mem::forget((both, fifo));
        })
        .check(move || {
            let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK;
            let opened = nix::fcntl::open(&named.0, flags, nix::sys::stat::Mode::empty());
            intact(opened.is_err(), "nobody has it open for reading")
        }))
}

/// A child process that holds a lock on a file until its input ends.
struct Holder {
    child: Child,
    named: Named,
}

impl Holder {
    /// `flock(1)` takes both kinds: of the whole file, and (as fcntl) of an open file description.
    fn new(arguments: &[&str]) -> Result<Self, String> {
        let named = Named(fresh_path("lock"));
        fs::write(&named.0, b"locked").map_err(|error| error.to_string())?;
        let mut child = Command::new("flock")
            .args(arguments)
            .arg(&named.0)
            .args(["sh", "-c", "echo held; read release"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("flock(1): {error}"))?;
        let mut told = [0; 5];
        let stdout = child.stdout.as_mut().expect("a pipe");
        stdout.read_exact(&mut told).map_err(|error| error.to_string())?;
        Ok(Self { child, named })
    }

    fn file(&self) -> File {
        File::options().read(true).write(true).open(&self.named.0).expect("the locked file")
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn flock() -> Made {
    let holder = Arc::new(Mutex::new(Some(Holder::new(&[])?)));
    let file = Arc::new(holder.lock().unwrap().as_ref().unwrap().file());
    let inside = file.clone();
    let outside = holder.clone();
    Ok(Scene::new("fs::flock", &["flock"], move || eintr::fs::flock(&inside, LockKind::Exclusive))
        .provide(move || outside.lock().unwrap().take())
        .check(move || {
            // The holder goes; then the lock is free for another, so the interrupted call does not
            // have it.
            let other = holder.lock().unwrap().as_ref().expect("still held").file();
            drop(holder.lock().unwrap().take());
            let free = nix::fcntl::Flock::lock(other, nix::fcntl::FlockArg::LockExclusiveNonblock);
            drop(file);
            intact(free.is_ok(), "the lock was not taken")
        }))
}

fn ofd_lock() -> Made {
    let path = fresh_path("ofd");
    fs::write(&path, b"locked").map_err(|error| error.to_string())?;
    let named = Named(path);
    let open = || File::options().read(true).write(true).open(&named.0).expect("the file");
    let (holder, file, other) = (open(), Arc::new(open()), open());
    eintr::fs::ofd_lock(&holder, LockKind::Exclusive, ..).map_err(|error| error.to_string())?;
    let holder = Arc::new(OwnedFd::from(holder));
    let (inside, outside) = (file.clone(), holder.clone());
    let call = move || eintr::fs::ofd_lock(&inside, LockKind::Exclusive, ..);
    Ok(Scene::new("fs::ofd_lock", &["fcntl"], call)
        .provide(move || eintr::fs::ofd_unlock(&outside, ..).unwrap())
        .check(move || {
            eintr::fs::ofd_unlock(&holder, ..).unwrap();
            let mut lock = libc::flock {
                l_type: libc::F_WRLCK as libc::c_short,
                l_whence: libc::SEEK_SET as libc::c_short,
                l_start: 0,
                l_len: 0,
                l_pid: 0,
            };
            // SAFETY: the kernel reads and writes one lock.
            let asked = unsafe { libc::fcntl(other.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
            let free = asked == 0 && lock.l_type == libc::F_UNLCK as libc::c_short;
            drop((file, named));
            intact(free, "the lock was not taken")
        }))
}
