//! Reading, writing and copying. The tests work like this: a pipe or a socket is empty, or filled
//! until it takes no more; the call is asked before it, or once it is blocked; then every byte is
//! counted.

use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eintr::event::{Events, PollFd, poll};
use eintr::io::{
    SpliceFlags, Stream, copy, copy_file_range, getrandom, pread, pwrite, read, read_exact, readv,
    sendfile, splice, write, write_all, writev,
};
use eintr::{Error, Interrupted, Outcome, Partial, mask, task};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
use nix::sys::socket::{setsockopt, sockopt};
use test_support::asked::{asked_before, asked_if_blocked, asked_while_blocked, disturbed};
use test_support::child::alone;
use test_support::target::pipe;
use test_support::{
    gettid, skipped_under_emulation, sleeps_in, wait_until, wait_until_blocked, watched,
};

const NO_FLAGS: SpliceFlags = SpliceFlags::empty();

/// A file of this process's own, that no path leads to any more.
fn scratch(name: &str, content: &[u8]) -> File {
    let path = std::env::temp_dir().join(format!("eintr-io-{}-{name}", std::process::id()));
    let mut file =
        File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

/// All of a file, wherever its position is.
fn content(file: &File) -> Vec<u8> {
    let mut all = vec![0; file.metadata().unwrap().len() as usize];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut all, 0).unwrap();
    all
}

/// Does something with a description that does not wait meanwhile.
fn without_waiting<T>(fd: impl AsFd, f: impl FnOnce() -> T) -> T {
    let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL).unwrap());
    fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    let result = f();
    fcntl(&fd, FcntlArg::F_SETFL(flags)).unwrap();
    result
}

/// Fills a pipe or a socket; how many bytes it took.
fn fill(fd: impl AsFd) -> usize {
    without_waiting(&fd, || {
        let mut total = 0;
        for size in [4096, 1] {
            while let Ok(length) = nix::unistd::write(&fd, &[b'-'; 4096][..size]) {
                total += length;
            }
        }
        total
    })
}

/// All that can be read without waiting.
fn drain(fd: impl AsFd) -> Vec<u8> {
    without_waiting(&fd, || {
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = nix::unistd::read(&fd, &mut chunk) {
            all.extend_from_slice(&chunk[..length]);
        }
        all
    })
}

/// Bytes that differ from their neighbours, near and far.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i ^ i >> 8 ^ i >> 16) as u8).collect()
}

fn kind(error: impl Into<io::Error>) -> io::ErrorKind {
    error.into().kind()
}

/// What the error of a call of several steps says about an interrupt.
fn done(result: Result<impl std::fmt::Debug, Partial>) -> Result<u64, Error> {
    let partial = result.unwrap_err();
    partial.error.interrupted().expect("it was interrupted");
    Ok(partial.done)
}

#[test]
fn read_consumes_nothing_that_it_does_not_return() {
    watched("read", || {
        let (reader, writer) = pipe();
        let mut buffer = [0; 8];
        asked_while_blocked(libc::SYS_read, || read(&reader, &mut buffer));
        write(&writer, b"ping").unwrap();
        asked_before(|| read(&reader, &mut buffer));
        assert_eq!(read(&reader, &mut []).unwrap(), 0);
        assert_eq!(read(&reader, &mut buffer).unwrap(), 4);
        let writes = || assert!(write(&writer, b"pong").is_ok());
        assert_eq!(disturbed(libc::SYS_read, || read(&reader, &mut buffer), writes), 4);
        assert_eq!(&buffer[..4], b"pong");
        drop(writer);
        assert_eq!(read(&reader, &mut buffer).unwrap(), 0);
    });
}

#[test]
fn readv_fills_one_buffer_after_the_other() {
    watched("readv", || {
        let (reader, writer) = pipe();
        let (mut head, mut body) = ([0; 4], [0; 8]);
        let mut both = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
        asked_while_blocked(libc::SYS_readv, || readv(&reader, &mut both));
        write(&writer, b"headbo").unwrap();
        asked_before(|| readv(&reader, &mut both));
        assert_eq!(readv(&reader, &mut both).unwrap(), 6);
        let writes = || assert!(write(&writer, b"more").is_ok());
        let mut rest = [IoSliceMut::new(&mut body[2..])];
        assert_eq!(disturbed(libc::SYS_readv, || readv(&reader, &mut rest), writes), 4);
        assert_eq!((&head, &body[..6]), (b"head", &b"bomore"[..]));
    });
}

#[test]
fn more_buffers_than_the_kernel_takes_are_left_for_the_next_call() {
    let (reader, writer) = pipe();
    let many = [IoSlice::new(b"xy"); 1100];
    assert_eq!(writev(&writer, &many).unwrap(), 2 * 1024);
    let mut bytes = vec![0; 1100];
    let mut many: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
    assert_eq!(readv(&reader, &mut many).unwrap(), 1024);
}

#[test]
fn write_tells_what_it_has_written() {
    watched("write", || {
        let (reader, writer) = pipe();
        let held = fill(&writer);
        asked_before(|| write(&writer, b"ping"));
        asked_while_blocked(libc::SYS_write, || write(&writer, b"ping"));
        asked_while_blocked(libc::SYS_writev, || writev(&writer, &[IoSlice::new(b"ping")]));
        assert_eq!(drain(&reader).len(), held);

        // Twice what the pipe holds: the first half is the result, the interrupt the next call's.
        let twice = pattern(2 * held);
        asked_while_blocked(libc::SYS_write, || {
            assert_eq!(write(&writer, &twice).unwrap(), held);
            write(&writer, b"ping")
        });
        assert_eq!(drain(&reader), &twice[..held]);
        let halves = [IoSlice::new(&twice[..held]), IoSlice::new(&twice[held..])];
        asked_while_blocked(libc::SYS_writev, || {
            assert_eq!(writev(&writer, &halves).unwrap(), held);
            writev(&writer, &halves)
        });
        assert_eq!(drain(&reader), &twice[..held]);

        fill(&writer);
        let empties = || assert!(drain(&reader).len() >= held);
        assert_eq!(disturbed(libc::SYS_write, || write(&writer, b"ping"), empties), 4);
    });
}

#[test]
fn a_masked_call_waits_for_its_result() {
    watched("masked read", || {
        let (reader, writer) = pipe();
        let (task, interrupter) = task();
        let (starts, started) = mpsc::channel();
        thread::scope(|scope| {
            let caller = scope.spawn(|| {
                task.run(|| {
                    starts.send(gettid()).unwrap();
                    let mut buffer = [0; 8];
                    let masked = mask(|| read(&reader, &mut buffer));
                    (masked, read(&reader, &mut buffer))
                })
            });
            let tid = started.recv().unwrap();
            wait_until_blocked(tid, libc::SYS_read);
            let outcome = interrupter.interrupt().wait(Duration::ZERO);
            assert!(matches!(outcome, Outcome::Masked(_)), "{outcome:?}");
            write(&writer, b"ping").unwrap();
            let (masked, after) = caller.join().unwrap();
            assert_eq!(masked.unwrap(), 4);
            assert!(after.unwrap_err().interrupted().is_some());
        });
    });
}

#[test]
fn read_exact_tells_how_far_it_got() {
    watched("read_exact", || {
        let (reader, writer) = pipe();
        let mut record = [0; 8];
        write(&writer, b"abc").unwrap();
        asked_while_blocked(libc::SYS_read, || {
            assert_eq!(done(read_exact(&reader, &mut record))?, 3);
            eintr::checkpoint().map_err(Error::from)
        });
        write(&writer, b"defgh").unwrap();
        read_exact(&reader, &mut record[3..]).unwrap();
        assert_eq!(&record, b"abcdefgh");

        write(&writer, b"xy").unwrap();
        drop(writer);
        let partial = read_exact(&reader, &mut record).unwrap_err();
        assert_eq!((partial.done, &record[..2]), (2, &b"xy"[..]));
        assert_eq!(kind(partial), io::ErrorKind::UnexpectedEof);
        read_exact(&reader, &mut []).unwrap();
    });
}

#[test]
fn write_all_tells_how_far_it_got() {
    alone(|| {
        let (reader, writer) = pipe();
        let held = fill(&writer);
        drain(&reader);
        let twice = pattern(2 * held);
        let mut written = 0;
        asked_while_blocked(libc::SYS_write, || {
            written = done(write_all(&writer, &twice))? as usize;
            eintr::checkpoint().map_err(Error::from)
        });
        assert_eq!((written, drain(&reader)), (held, twice[..held].to_vec()));
        write_all(&writer, &twice[written..]).unwrap();
        assert_eq!(drain(&reader), &twice[written..]);
        write_all(&writer, b"").unwrap();
        drop(reader);
        assert_eq!(kind(write_all(&writer, b"x").unwrap_err()), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn pread_and_pwrite_leave_the_position() {
    let mut file = scratch("offset", b"0123456789");
    let mut buffer = [0; 4];
    file.seek(SeekFrom::Start(7)).unwrap();
    asked_before(|| pread(&file, &mut buffer, 2));
    asked_before(|| pwrite(&file, b"ab", 2));
    assert_eq!(content(&file), b"0123456789");
    assert_eq!(pread(&file, &mut buffer, 2).unwrap(), 4);
    assert_eq!(&buffer, b"2345");
    assert_eq!(pwrite(&file, b"ab", 9).unwrap(), 2);
    assert_eq!(content(&file), b"012345678ab");
    assert_eq!(pread(&file, &mut buffer, 11).unwrap(), 0);
    assert_eq!(file.stream_position().unwrap(), 7);
    assert_eq!(kind(pread(&file, &mut buffer, u64::MAX).unwrap_err()), io::ErrorKind::InvalidInput);
}

#[test]
fn splice_moves_all_or_tells() {
    if skipped_under_emulation("splice", "its SA_RESTART handlers wait for the call to end") {
        return;
    }
    watched("splice", || {
        let ((reader, writer), (here, there)) = (pipe(), UnixStream::pair().unwrap());
        let spliced = || splice(&reader, None, &here, None, 4096, NO_FLAGS);
        asked_while_blocked(libc::SYS_splice, spliced);
        write(&writer, b"ping").unwrap();
        asked_before(spliced);
        let held = fill(&here);
        asked_while_blocked(libc::SYS_splice, spliced);
        assert_eq!(drain(&there).len(), held);
        assert_eq!(spliced().unwrap(), 4);
        assert_eq!(drain(&there), b"ping");
        let writes = || assert!(write(&writer, b"pong").is_ok());
        assert_eq!(disturbed(libc::SYS_splice, spliced, writes), 4);
        assert_eq!(drain(&there), b"pong");
        let nothing = splice(&reader, None, &here, None, 1, SpliceFlags::NONBLOCK).unwrap_err();
        assert_eq!(kind(nothing), io::ErrorKind::WouldBlock);
    });
}

#[test]
fn splice_moves_the_offsets_by_what_it_moved() {
    let file = scratch("splice", b"0123456789");
    let (reader, writer) = pipe();
    let (mut from, mut to) = (3, 20);
    asked_before(|| splice(&file, Some(&mut from), &writer, None, 4, NO_FLAGS));
    assert_eq!(from, 3);
    assert_eq!(splice(&file, Some(&mut from), &writer, None, 4, NO_FLAGS).unwrap(), 4);
    assert_eq!(splice(&reader, None, &file, Some(&mut to), 100, NO_FLAGS).unwrap(), 4);
    assert_eq!((from, to), (7, 24));
    assert_eq!(content(&file)[20..], b"3456"[..]);
}

#[test]
fn sendfile_moves_the_offset_by_what_it_sent() {
    let file = scratch("sendfile", &pattern(1 << 20));
    let (here, there) = UnixStream::pair().unwrap();
    let mut from = 1;
    asked_before(|| sendfile(&here, &file, Some(&mut from), 1 << 20));
    assert_eq!(from, 1);
    assert_eq!(sendfile(&here, &file, Some(&mut from), 100).unwrap(), 100);
    assert_eq!((from, drain(&there)), (101, pattern(101)[1..].to_vec()));

    if skipped_under_emulation("sendfile", "its SA_RESTART handlers wait for the call to end") {
        return;
    }
    watched("sendfile", || {
        asked_while_blocked(libc::SYS_sendfile, || {
            let sent = sendfile(&here, &file, Some(&mut from), 1 << 20).unwrap();
            assert_eq!(from, 101 + sent as u64);
            sendfile(&here, &file, Some(&mut from), 1 << 20)
        });
        assert_eq!(drain(&there), &pattern(from as usize)[101..]);
        fill(&here);
        let before = from;
        asked_while_blocked(libc::SYS_sendfile, || sendfile(&here, &file, Some(&mut from), 10));
        assert_eq!(from, before);
    });
}

#[test]
fn copy_file_range_moves_the_offsets_by_what_it_copied() {
    let (from_file, to_file) = (scratch("range-from", b"0123456789"), scratch("range-to", b""));
    let (mut from, mut to) = (4, 2);
    let mut range = || copy_file_range(&from_file, Some(&mut from), &to_file, Some(&mut to), 100);
    asked_before(&mut range);
    assert_eq!(range().unwrap(), 6);
    assert_eq!(range().unwrap(), 0);
    assert_eq!((from, to, content(&to_file)), (10, 8, b"\0\x00456789".to_vec()));
    assert_eq!(copy_file_range(&from_file, None, &to_file, None, 2).unwrap(), 2);
    assert_eq!(content(&to_file), b"01456789");
}

#[test]
fn getrandom_fills_the_buffer() {
    let mut bytes = [0; 256];
    asked_before(|| getrandom(&mut bytes));
    assert_eq!(bytes, [0; 256]);
    assert_eq!(getrandom(&mut bytes).unwrap(), 256);
    assert!(bytes.iter().any(|byte| *byte != bytes[0]));
}

// copy.

/// Copies while interrupts come, sometimes before it waits and sometimes once it does, and goes on
/// each time. What has arrived is what it says, and in the end that is everything.
fn copied_whatever_comes(
    name: &str,
    reader: impl AsFd + Sync,
    feed: impl FnOnce(&[u8]) + Send,
    writer: impl AsFd + Sync,
    mut arrived: impl FnMut() -> Vec<u8>,
) {
    const WAITS: [i64; 5] =
        [libc::SYS_ppoll, libc::SYS_read, libc::SYS_recvfrom, libc::SYS_write, libc::SYS_splice];
    let data = pattern(1 << 20);
    let mut received = Vec::new();
    let mut interrupts = 0;
    watched(name, || {
        thread::scope(|scope| {
            scope.spawn(|| feed(&data));
            loop {
                let (task, interrupter) = task();
                let (starts, started) = mpsc::channel();
                let (reader, writer) = (&reader, &writer);
                let copier = scope.spawn(move || {
                    starts.send(gettid()).unwrap();
                    task.run(|| copy(reader, writer))
                });
                let tid = started.recv().unwrap();
                let sleeps = || WAITS.iter().any(|syscall| sleeps_in(tid, *syscall));
                if interrupts % 2 == 0 {
                    wait_until("it waits, or is done", || copier.is_finished() || sleeps());
                }
                interrupter.interrupt();
                let result = copier.join().unwrap();
                let news = arrived();
                let length = news.len() as u64;
                received.extend(news);
                match result {
                    Ok(done) => return assert_eq!(done, length),
                    Err(partial) => {
                        assert!(partial.error.interrupted().is_some(), "{partial}");
                        assert_eq!(partial.done, length, "after {interrupts} interrupts");
                        interrupts += 1;
                    }
                }
            }
        });
    });
    assert!(interrupts > 1, "{name}: it was done before it was interrupted");
    assert!(received == data, "{name}: {} bytes of {}", received.len(), data.len());
}

/// Feeds from a descriptor, which is closed then.
fn from(fd: impl AsFd + Send) -> impl FnOnce(&[u8]) + Send {
    move |data| write_all(fd, data).unwrap()
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn copy_loses_nothing_between_pipes_and_sockets() {
    let sockets = || UnixStream::pair().unwrap();
    let ((reader, writer), (here, there)) = (pipe(), sockets());
    copied_whatever_comes("pipe to socket", reader, from(writer), here, || drain(&there));
    let ((reader, writer), (here, there)) = (pipe(), pipe());
    copied_whatever_comes("pipe to pipe", reader, from(writer), there, || drain(&here));
    let ((reader, writer), (here, there)) = (sockets(), pipe());
    copied_whatever_comes("socket to pipe", reader, from(writer), there, || drain(&here));
    let ((reader, writer), (here, there)) = (sockets(), sockets());
    copied_whatever_comes("socket to socket", reader, from(writer), here, || drain(&there));
    let ((reader, writer), (here, there)) = (tcp_pair(), sockets());
    copied_whatever_comes("TCP to socket", reader, from(writer), here, || drain(&there));
}

#[test]
fn copy_loses_nothing_from_and_to_files() {
    let (here, there) = UnixStream::pair().unwrap();
    let source = scratch("copy-from", &pattern(1 << 20));
    copied_whatever_comes("file to socket", source, |_| (), here, || drain(&there));
    let (here, there) = pipe();
    let source = scratch("copy-from", &pattern(1 << 20));
    copied_whatever_comes("file to pipe", source, |_| (), there, || drain(&here));

    let target = scratch("copy-to", b"");
    let ((reader, writer), (goes_on, go)) = (pipe(), mpsc::channel());
    let mut before = 0;
    let mut arrived = || {
        let news = content(&target)[before..].to_vec();
        before += news.len();
        let _ = goes_on.send(());
        news
    };
    // A file is never full: there is the next chunk when the last one was looked at.
    let feed = move |data: &[u8]| {
        for chunk in data.chunks(1 << 17) {
            write_all(&writer, chunk).unwrap();
            go.recv().unwrap();
        }
    };
    copied_whatever_comes("pipe to file", reader, feed, &target, &mut arrived);
}

#[test]
fn copy_between_files_is_asked_before_each_step() {
    let (source, target) = (scratch("copy", &pattern(1 << 20)), scratch("copied", b""));
    asked_before(|| copy(&source, &target).map_err(Error::from));
    assert_eq!(copy(&source, &target).unwrap(), 1 << 20);
    assert!(content(&target) == content(&source));
    assert_eq!(copy(&source, &target).unwrap(), 0);
}

#[test]
fn copy_keeps_what_a_full_disk_has_not_taken() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (mut source, (here, there)) = (scratch("copy-full", b"ping"), UnixStream::pair().unwrap());
    let partial = copy(&source, &full).unwrap_err();
    assert_eq!((partial.done, kind(partial)), (0, io::ErrorKind::StorageFull));
    assert_eq!(source.stream_position().unwrap(), 0);
    write(&here, b"ping").unwrap();
    assert_eq!(copy(&there, &full).unwrap_err().done, 0);
    assert_eq!(drain(&there), b"ping");
}

#[test]
fn copy_takes_nothing_from_a_terminal_that_the_pipe_has_not() {
    watched("copy from a terminal", || {
        let (pty, (reader, writer)) = (openpty(None, None).unwrap(), pipe());
        write(&pty.master, b"a line\nhalf").unwrap();
        asked_while_blocked(libc::SYS_ppoll, || {
            assert_eq!(done(copy(&pty.slave, &writer))?, 7);
            eintr::checkpoint().map_err(Error::from)
        });
        assert_eq!(drain(&reader), b"a line\n");
        write(&pty.master, b" a line\n").unwrap();
        fill(&writer);
        asked_while_blocked(libc::SYS_ppoll, || copy(&pty.slave, &writer).map_err(Error::from));
        let mut line = [0; 64];
        assert_eq!(read(&pty.slave, &mut line).unwrap(), 12);
    });
}

#[test]
fn copy_refuses_what_it_could_lose() {
    let (pty, (here, _there)) = (openpty(None, None).unwrap(), UnixStream::pair().unwrap());
    write(&pty.master, b"a line\n").unwrap();
    let partial = copy(&pty.slave, &here).unwrap_err();
    assert_eq!(partial.done, 0);
    assert_eq!(kind(partial), io::ErrorKind::Unsupported);
    assert_eq!(read(&pty.slave, &mut [0; 64]).unwrap(), 7);
    let (datagrams, _other) = UnixDatagram::pair().unwrap();
    assert_eq!(kind(copy(&datagrams, &here).unwrap_err()), io::ErrorKind::Unsupported);
}

#[test]
fn copy_keeps_what_a_writer_that_is_gone_has_not_taken() {
    alone(|| {
        let ((here, there), (_, gone)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        gone.shutdown(std::net::Shutdown::Both).unwrap();
        write(&here, b"ping").unwrap();
        let partial = copy(&there, &gone).unwrap_err();
        assert_eq!(partial.done, 0);
        assert_eq!(kind(partial), io::ErrorKind::BrokenPipe);
        assert_eq!(drain(&there), b"ping");
    });
}

/// The socket's buffer is one that poll calls ready while it has no room for a whole chunk. A splice
/// of one would wait inside, with the pipe locked, and nobody could fill it here. (TCP takes more
/// whenever the kernel gets round to acknowledging what it has: then the writer gets its byte in.)
#[test]
fn a_writer_of_the_pipe_can_be_interrupted_while_copy_waits_for_a_socket() {
    watched("copy to a full socket", || {
        let ((reader, writer), (here, there)) = (pipe(), tcp_pair());
        setsockopt(&here, sockopt::SndBuf, &(64 * 1024)).unwrap();
        let mut before = 0;
        for _ in 0..3 {
            let length = fill(&writer);
            poll(&mut [PollFd::new(&here, Events::OUT)], None).unwrap();
            before += splice(&reader, None, &here, None, length, NO_FLAGS).unwrap();
        }
        poll(&mut [PollFd::new(&here, Events::OUT)], None).unwrap();
        fill(&writer);
        let (task, interrupter) = task();
        let (starts, started) = mpsc::channel();
        thread::scope(|scope| {
            let copier = scope.spawn(|| {
                starts.send(gettid()).unwrap();
                task.run(|| copy(&reader, &here))
            });
            let tid = started.recv().unwrap();
            let is_full = || fill(&writer) == 0 && sleeps_in(tid, libc::SYS_ppoll);
            loop {
                wait_until("socket and pipe are full", is_full);
                match asked_if_blocked(libc::SYS_write, || write(&writer, b"x")) {
                    Ok(written) => assert_eq!(written, 1),
                    Err(Error::Interrupted(_)) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            interrupter.interrupt();
            let done = copier.join().unwrap().unwrap_err().done;
            let mut arrived = 0;
            wait_until("all has arrived", || {
                arrived += drain(&there).len() as u64;
                arrived >= before as u64 + done
            });
            assert_eq!(arrived, before as u64 + done);
        });
    });
}

// std's traits.

/// Lets a use of std's traits read half a line, and interrupts it.
fn stops<T: std::fmt::Debug + Send + 'static>(
    name: &str,
    syscall: i64,
    use_it: impl FnOnce(Stream<OwnedFd>, Stream<OwnedFd>) -> io::Result<T> + Send + 'static,
) {
    watched(name, || {
        let ((reader, writer), (_sink, full)) = (pipe(), pipe());
        write(&writer, b"a line\nhalf").unwrap();
        fill(&full);
        let (starts, started) = mpsc::channel();
        let worker = eintr::spawn(move || {
            starts.send(gettid()).unwrap();
            use_it(Stream::new(reader), Stream::new(full))
        });
        wait_until_blocked(started.recv().unwrap(), syscall);
        worker.interrupter().interrupt_with("enough");
        let error = worker.join().unwrap().unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::Interrupted);
        assert_eq!(Interrupted::of(&error).unwrap().to_string(), "interrupted: enough");
    });
}

#[test]
fn stds_loops_over_a_stream_stop() {
    let read = libc::SYS_read;
    stops("read_to_end", read, |mut reader, _| reader.read_to_end(&mut Vec::new()));
    stops("read_to_string", read, |mut reader, _| reader.read_to_string(&mut String::new()));
    stops("read_exact", read, |mut reader, _| reader.read_exact(&mut [0; 64]));
    stops("bytes", read, |reader, _| {
        BufReader::new(reader).bytes().collect::<io::Result<Vec<u8>>>()
    });
    stops("read_line", read, |reader, _| {
        let mut reader = BufReader::new(reader);
        let mut line = String::new();
        assert_eq!(reader.read_line(&mut line)?, 7);
        reader.read_line(&mut line)
    });
    stops("lines", read, |reader, _| {
        BufReader::new(reader).lines().collect::<io::Result<Vec<_>>>()
    });
    stops("copy, reading", read, |mut reader, _| io::copy(&mut reader, &mut io::sink()));
    stops("copy, writing", libc::SYS_write, |mut reader, mut full| {
        io::copy(&mut reader, &mut full)
    });
    stops("write_all", libc::SYS_write, |_, mut full| full.write_all(b"ping"));
    stops("write!", libc::SYS_write, |_, mut full| write!(full, "{}", 42));
    stops("write_vectored", libc::SYS_writev, |_, mut full| {
        full.write_vectored(&[IoSlice::new(b"ping")])
    });
    stops("read_vectored", libc::SYS_readv, |mut reader, _| {
        reader.read_exact(&mut [0; 11])?;
        reader.read_vectored(&mut [IoSliceMut::new(&mut [0; 8])])
    });
}

#[test]
fn a_stream_is_its_descriptor() {
    let (reader, writer) = UnixStream::pair().unwrap();
    let mut stream = Stream::from(&writer);
    stream.write_all(b"ping").unwrap();
    (&stream).write_all(b"pong").unwrap();
    stream.flush().unwrap();
    let mut stream = Stream::new(reader);
    let mut buffer = [0; 4];
    (&stream).read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"ping");
    stream.get_mut().read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"pong");
    assert!(stream.get_ref().try_clone().is_ok());
    drop(writer);
    assert_eq!(io::copy(&mut stream.into_inner(), &mut io::sink()).unwrap(), 0);
}

/// The reason of an interrupt that came through `?`.
fn reason(error: &(dyn StdError + 'static)) -> String {
    Interrupted::of(error).expect("it is recognised").to_string()
}

#[test]
fn the_reason_survives_every_way_out() {
    fn as_io(reader: &OwnedFd) -> io::Result<usize> {
        Ok(read(reader, &mut [0])?)
    }
    fn as_io_in_part(reader: &OwnedFd) -> io::Result<()> {
        Ok(read_exact(reader, &mut [0])?)
    }
    fn as_anyhow(reader: &OwnedFd) -> anyhow::Result<usize> {
        use anyhow::Context;
        read(reader, &mut [0]).context("reading the answer")
    }
    fn as_anyhow_in_part(reader: &OwnedFd) -> anyhow::Result<()> {
        Ok(read_exact(reader, &mut [0])?)
    }
    fn as_boxed(reader: &OwnedFd) -> Result<usize, Box<dyn StdError>> {
        Ok(read(reader, &mut [0])?)
    }
    fn as_boxed_from_std(reader: &OwnedFd) -> Result<usize, Box<dyn StdError + Send + Sync>> {
        Ok(Stream::new(reader).read_to_end(&mut Vec::new())?)
    }
    let (reader, _writer) = pipe();
    let (task, interrupter) = task();
    interrupter.interrupt_with("enough");
    task.run(|| {
        let boxed = as_boxed(&reader).unwrap_err();
        let boxed_from_std = as_boxed_from_std(&reader).unwrap_err();
        let anyhow = as_anyhow(&reader).unwrap_err();
        let anyhow_in_part = as_anyhow_in_part(&reader).unwrap_err();
        let errors: [&(dyn StdError + 'static); 6] = [
            &as_io(&reader).unwrap_err(),
            &as_io_in_part(&reader).unwrap_err(),
            anyhow.as_ref(),
            anyhow_in_part.as_ref(),
            &*boxed,
            &*boxed_from_std,
        ];
        assert_eq!(errors.map(reason), ["interrupted: enough"; 6].map(String::from));
    });
}
