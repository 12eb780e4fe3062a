//! Reading one ready byte, with a limit and without one, against the plain call, and against the way
//! that needs no signal: poll on the descriptor and on an eventfd that says stop, then read.

use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use criterion::Criterion;
use eintr_benches::contest::{Way, hold};
use eintr_benches::table::Table;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;

/// Less than a pipe holds.
const CHUNK: u64 = 512;
/// It does not pass.
const LIMIT: Duration = Duration::from_secs(1);

/// A pipe that is filled before each chunk, off the clock, and read by the byte.
struct Bytes(PipeReader, PipeWriter);

impl Bytes {
    fn timed(&mut self, times: u64, mut read: impl FnMut(&PipeReader) -> bool) -> Duration {
        self.1.write_all(&vec![0; times as usize]).unwrap();
        let start = Instant::now();
        for _ in 0..times {
            assert!(read(&self.0));
        }
        start.elapsed()
    }
}

fn plain_read(fd: &PipeReader, buffer: &mut [u8; 1]) -> bool {
    // SAFETY: the kernel writes at most one byte into the buffer, which is borrowed.
    unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) == 1 }
}

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    let (reader, writer) = std::io::pipe().unwrap();
    let bytes = std::cell::RefCell::new(Bytes(reader, writer));
    let stop = EventFd::new().unwrap();
    let poll_and_read = |fd: &PipeReader, buffer: &mut [u8; 1]| {
        let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = [watch(fd.as_fd()), watch(stop.as_fd())];
        let ready = poll(&mut fds, PollTimeout::NONE) == Ok(1);
        ready && fds[1].any() == Some(false) && plain_read(fd, buffer)
    };
    let mut group = criterion.benchmark_group("read_ready_byte");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));
    let [mut one, mut two, mut three, mut four] = [[0; 1]; 4];
    let ways = [
        Way("eintr", &mut |times| {
            bytes.borrow_mut().timed(times, |fd| matches!(eintr::io::read(fd, &mut one), Ok(1)))
        }),
        Way("libc", &mut |times| bytes.borrow_mut().timed(times, |fd| plain_read(fd, &mut two))),
        Way("poll_and_read", &mut |times| {
            bytes.borrow_mut().timed(times, |fd| poll_and_read(fd, &mut three))
        }),
        Way("eintr_timeout", &mut |times| {
            bytes.borrow_mut().timed(times, |fd| {
                matches!(eintr::timeout(LIMIT, || eintr::io::read(fd, &mut four)), Ok(1))
            })
        }),
    ];
    // A program in which somebody interrupts somebody has two threads, and libc's calls look at
    // that.
    std::thread::spawn(|| ()).join().unwrap();
    let task = eintr::Task::root();
    if let Some([ours, plain, polled, limited]) = task.run(|| hold(&mut group, CHUNK, ways)) {
        table.times("read of a ready byte / libc::read", &ours, &plain, Some(1.02));
        let what = "read of a ready byte in a timeout / libc::read";
        table.times(what, &limited, &plain, Some(1.1));
        table.times("read of a ready byte / poll with an eventfd, read", &ours, &polled, None);
    }
}
