//! Polls, selects and event loops of a reached thread.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use test_support::child::alone;
use test_support::{has_dispatch, watched};

/// How long what is ready is done.
const ALLOWED: Duration = Duration::from_millis(100);

/// Runs the body on a thread of its own, in a task that was asked and has found that out.
fn asked(name: &str, body: impl FnOnce() + Send) {
    if !has_dispatch(name) {
        return;
    }
    watched(name, || {
        let (task, interrupter) = eintr::task();
        let (mut near, _far) = UnixStream::pair().unwrap();
        interrupter.interrupt();
        let run = || {
            assert_eq!(near.read(&mut [0]).unwrap_err().raw_os_error(), Some(libc::ECANCELED));
            body();
        };
        thread::scope(|scope| scope.spawn(|| task.run(run)).join().unwrap());
    });
}

fn outcome(result: i32) -> Result<i32, i32> {
    if result < 0 { Err(io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(result) }
}

fn poll(fds: &[RawFd], milliseconds: i32) -> Result<i32, i32> {
    let polled = |fd: &RawFd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<_> = fds.iter().map(polled).collect();
    // SAFETY: so many descriptors.
    outcome(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as u64, milliseconds) })
}

/// The errors of a call that is made again and again until it has another one than EINTR: how many
/// they were, and that one.
fn retried(call: impl Fn() -> Result<i32, i32>) -> (u32, i32) {
    let mut times = 0;
    loop {
        match call().unwrap_err() {
            libc::EINTR => times += 1,
            other => return (times, other),
        }
    }
}

#[test]
fn a_poll_is_told_eintr_before_it_is_refused() {
    asked("poll", || {
        let pairs = [(); 2].map(|()| UnixStream::pair().unwrap());
        let [first, second] = pairs.each_ref().map(|(near, _)| near.as_raw_fd());
        let (times, error) = retried(|| poll(&[first], -1));
        assert!(times > 0);
        assert_eq!(error, libc::ECANCELED);
        // With another time, and from elsewhere, it is the same poll.
        assert_eq!(poll(&[first], 3_600_000), Err(libc::ECANCELED));
        // Another is another, be it one of more descriptors.
        for others in [&[second][..], &[first, second]] {
            let (times, error) = retried(|| poll(others, -1));
            assert!(times > 0);
            assert_eq!(error, libc::ECANCELED);
        }
    });
}

/// However many different ones there are.
#[test]
fn polls_in_turns_are_refused_in_the_end() {
    asked("polls in turns", || {
        let pairs: Vec<_> = (0..40).map(|_| UnixStream::pair().unwrap()).collect();
        let mut turns = pairs.iter().cycle();
        let refused =
            |(near, _): &(UnixStream, _)| poll(&[near.as_raw_fd()], -1) == Err(libc::ECANCELED);
        assert!(turns.any(refused));
    });
}

/// As CPython's ssl with a timeout, and libdbus: a loop of reads that do not wait, around a poll whose
/// error nobody looks at.
#[test]
fn reads_around_a_poll_that_is_ignored_end() {
    asked("reads around a poll", || {
        let pairs = [(); 2].map(|()| UnixStream::pair().unwrap());
        pairs.iter().for_each(|(near, _)| near.set_nonblocking(true).unwrap());
        let [near, other] = pairs.each_ref().map(|(near, _)| near);
        let refuse = |times: u32| {
            (0..times)
                .for_each(|_| assert_eq!(poll(&[near.as_raw_fd()], -1), Err(libc::ECANCELED)));
        };
        let read = |mut from: &UnixStream| from.read(&mut [0]).unwrap_err().raw_os_error();
        let [blocks, refused] = [Some(libc::EAGAIN), Some(libc::ECANCELED)];
        retried(|| poll(&[near.as_raw_fd()], -1));
        for _ in 0..3 {
            refuse(14);
            // SAFETY: no pointers, then room for one event.
            let told = unsafe {
                let epoll = OwnedFd::from_raw_fd(libc::epoll_create1(0));
                libc::epoll_wait(epoll.as_raw_fd(), &mut std::mem::zeroed(), 1, -1)
            };
            assert_eq!((told, read(near)), (-1, blocks), "an event loop looks in between");
            // The back-off are not what this is about.
            assert!(eintr::checkpoint().is_err());
        }
        while read(near) == blocks {
            refuse(1);
        }
        assert_eq!([read(near), read(other)], [refused, blocks]);
    });
}

#[test]
fn polls_that_are_ignored_lead_to_a_read() {
    asked("polls without a read", || {
        let [(near, _far), (other, _there)] = [(); 2].map(|()| UnixStream::pair().unwrap());
        near.set_nonblocking(true).unwrap();
        let fd = near.as_raw_fd();
        let told = loop {
            match poll(&[fd], -1) {
                Err(errno) => assert!([libc::EINTR, libc::ECANCELED].contains(&errno)),
                Ok(count) => break count,
            }
        };
        assert_eq!(told, 1);
        assert_eq!((&near).read(&mut [0]).unwrap_err().raw_os_error(), Some(libc::ECANCELED));
        // Who asks for something else is not told that there is anything.
        let mut urgent = libc::pollfd { fd: other.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
        for _ in 0..20 {
            // SAFETY: the one descriptor.
            assert_eq!(unsafe { libc::poll(&raw mut urgent, 1, -1) }, -1);
        }
    });
}

fn select(set: &mut libc::fd_set, fd: RawFd) -> Result<i32, i32> {
    // SAFETY: the set is borrowed, the others are null.
    outcome(unsafe { libc::select(fd + 1, set, ptr::null_mut(), ptr::null_mut(), ptr::null_mut()) })
}

#[test]
fn a_select_that_is_refused_leaves_the_sets() {
    asked("select", || {
        let (near, far) = UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        let set_of = |fd| {
            // SAFETY: bits, in which there is room for 1024.
            unsafe {
                let mut set: libc::fd_set = std::mem::zeroed();
                libc::FD_SET(fd, &mut set);
                set
            }
        };
        // SAFETY: the same.
        let is_in = |set: &libc::fd_set| unsafe { libc::FD_ISSET(fd, set) };
        let again = || {
            let mut set = set_of(fd);
            let result = select(&mut set, fd);
            assert!(is_in(&set), "{result:?}");
            result
        };
        assert_eq!(retried(again).1, libc::ECANCELED);

        // Ready, in a task that has time of its own. A try counts if the machine let it be in time.
        eintr::mask(|| (&far).write_all(b"x")).unwrap();
        loop {
            let start = Instant::now();
            let (task, interrupter) = eintr::task();
            interrupter.interrupt();
            let other = far.as_raw_fd();
            let mut set = set_of(fd);
            // SAFETY: the same.
            unsafe { libc::FD_SET(other, &mut set) };
            let result = eintr::mask(|| task.run(|| select(&mut set, fd.max(other))));
            if start.elapsed() < ALLOWED {
                assert_eq!(result, Ok(1));
                // SAFETY: the same.
                assert!(is_in(&set) && !unsafe { libc::FD_ISSET(other, &set) });
                return;
            }
        }
    });
}

/// A listener that takes no more connections.
fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: no pointers. It makes the queue shorter.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        held.push(stream);
    }
    (listener, held)
}

/// It polls again after EINTR.
#[test]
fn stds_connect_with_a_timeout_comes_back() {
    if !has_dispatch("connect_timeout") {
        return;
    }
    let (listener, _held) = full_listener();
    let address = listener.local_addr().unwrap();
    asked("connect_timeout", || {
        let error = TcpStream::connect_timeout(&address, test_support::LIMIT * 10).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
    });
}

/// A plain connect begins nothing; one that has begun is asked how it ended.
#[test]
fn a_connect() {
    if !has_dispatch("connect") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    asked("connect", || {
        assert_eq!(TcpStream::connect(address).unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    });
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> Self {
        // SAFETY: a new descriptor.
        Self(unsafe { OwnedFd::from_raw_fd(libc::epoll_create1(libc::EPOLL_CLOEXEC)) })
    }

    fn add(&self, fd: RawFd) {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 7 };
        // SAFETY: the event is borrowed.
        let added =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
        assert_eq!(added, 0);
    }

    fn wait(&self) -> Result<i32, i32> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one event.
        outcome(unsafe { libc::epoll_wait(self.0.as_raw_fd(), &mut event, 1, -1) })
    }
}

#[test]
fn an_event_loop_is_told_what_is_ready_for_ever() {
    asked("epoll", || {
        let (epoll, (near, far)) = (Epoll::new(), UnixStream::pair().unwrap());
        near.set_nonblocking(true).unwrap();
        epoll.add(near.as_raw_fd());
        assert_eq!(epoll.wait(), Err(libc::EINTR), "nothing is");
        let start = Instant::now();
        while start.elapsed() < ALLOWED {
            std::hint::spin_loop();
        }
        for _ in 0..100 {
            eintr::mask(|| (&far).write_all(b"x")).unwrap();
            assert_eq!(epoll.wait(), Ok(1));
            assert_eq!((&near).read(&mut [0]).unwrap(), 1);
            assert_eq!(epoll.wait(), Err(libc::EINTR));
        }
    });
}

/// A loop that ignores what it is told is made to wait inside of its wait, and so hears of an event that
/// comes meanwhile.
#[test]
fn an_event_that_comes_while_the_loop_is_backing_off_is_told() {
    asked("epoll", || {
        let (epoll, (near, far)) = (Epoll::new(), UnixStream::pair().unwrap());
        epoll.add(near.as_raw_fd());
        let is_made_to_wait = || {
            let start = Instant::now();
            assert_eq!(epoll.wait(), Err(libc::EINTR));
            start.elapsed() >= Duration::from_millis(10)
        };
        while !is_made_to_wait() {}
        thread::scope(|scope| {
            let writer = scope.spawn(|| (&far).write_all(b"x").unwrap());
            while epoll.wait() != Ok(1) {}
            writer.join().unwrap();
        });
    });
}

/// libzmq asserts that a poll fails with nothing but EINTR. Here a file of its name will do.
#[test]
fn where_libzmq_is_mapped_a_poll_is_told_eintr_for_ever() {
    alone(|| {
        let path = std::env::temp_dir().join(format!("libzmq-{}", std::process::id()));
        std::fs::write(&path, [0; 4096]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        // SAFETY: a page that nobody uses.
        let map = unsafe {
            let fd = file.as_raw_fd();
            libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, fd, 0)
        };
        assert_ne!(map, libc::MAP_FAILED);
        std::fs::remove_file(path).unwrap();
        asked("libzmq", || {
            let (near, _far) = UnixStream::pair().unwrap();
            let is_made_to_wait = || {
                let start = Instant::now();
                assert_eq!(poll(&[near.as_raw_fd()], -1), Err(libc::EINTR));
                start.elapsed() >= Duration::from_millis(10)
            };
            while !is_made_to_wait() {}
            // The time for what is ready runs out; for polls it does not.
            let (mut here, mut there) = UnixStream::pair().unwrap();
            let bring = |there: &mut UnixStream| eintr::mask(|| there.write_all(b"x")).unwrap();
            bring(&mut there);
            while here.read_exact(&mut [0]).is_ok() {
                bring(&mut there);
            }
            assert_eq!(poll(&[here.as_raw_fd()], -1), Ok(1));
        });
    });
}
