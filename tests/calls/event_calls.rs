//! Waiting for events, for a time, and for a futex. The tests work like this: nothing happens until
//! the call is blocked; then it is asked, or disturbed and given what it waits for.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use eintr::event::*;
use eintr::io::write;
use eintr::sync::{FutexWait, futex_wait, futex_wake};
use eintr::time::{sleep, sleep_until};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent as Interest, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use test_support::asked::{asked_before, asked_while_blocked, disturbed, ends_in_time};
use test_support::seccomp::forbid;
use test_support::signals::{STRAY, is_pending, send_stray};
use test_support::target::pipe;
use test_support::{
    child, gettid, skipped_under_emulation, wait_until, wait_until_blocked, watched,
};

const NOW: Option<Duration> = Some(Duration::ZERO);

fn poll_in(reader: &OwnedFd, timeout: Option<Duration>) -> Result<usize, eintr::Error> {
    poll(&mut [PollFd::new(reader, Events::IN)], timeout)
}

#[test]
fn poll_at_its_points() {
    watched("poll", || {
        let (reader, writer) = pipe();
        asked_before(|| poll_in(&reader, None));
        asked_while_blocked(libc::SYS_ppoll, || poll_in(&reader, None));
        asked_while_blocked(libc::SYS_ppoll, || poll_in(&reader, Some(Duration::MAX)));
        assert_eq!(ends_in_time(libc::SYS_ppoll, |limit| poll_in(&reader, Some(limit))), 0);
        assert_eq!(poll_in(&reader, NOW).unwrap(), 0);
        let writes = || assert!(write(&writer, b"x").is_ok());
        assert_eq!(disturbed(libc::SYS_ppoll, || poll_in(&reader, None), writes), 1);
        assert_eq!(poll_in(&reader, NOW).unwrap(), 1);
        asked_before(|| poll_in(&reader, NOW));
    });
}

#[test]
fn poll_tells_what_happened_where() {
    child::alone(|| {
        let ((reader, writer), (idle, _idle)) = (pipe(), pipe());
        drop(writer);
        let awaited = Events::IN | Events::RDHUP;
        let mut fds = [PollFd::new(&idle, awaited), PollFd::new(&reader, awaited)];
        assert_eq!(poll(&mut fds, None).unwrap(), 1);
        assert!(fds[0].revents().is_empty());
        assert_eq!((fds[1].events(), fds[1].revents()), (awaited, Events::HUP));
        assert_eq!(
            format!("{:?} {:?}", awaited, Events::empty()),
            "Events(IN | RDHUP) Events(0x0)"
        );
    });
}

#[test]
fn ppoll_blocks_what_it_is_told_to() {
    watched("ppoll", || {
        let (reader, writer) = pipe();
        // Every signal, among them the one by which threads are interrupted.
        let all: Vec<i32> = (1..=64).collect();
        let call = |blocked: &[i32], timeout| {
            ppoll(&mut [PollFd::new(&reader, Events::IN)], timeout, blocked)
        };
        asked_before(|| call(&all, None));
        asked_while_blocked(libc::SYS_ppoll, || call(&all, None));
        assert_eq!(ends_in_time(libc::SYS_ppoll, |limit| call(&[], Some(limit))), 0);
        assert_eq!(call(&[65], NOW).unwrap_err().to_string(), "Invalid argument (os error 22)");

        let (starts, started) = mpsc::channel();
        std::thread::scope(|scope| {
            let caller = scope.spawn(|| {
                starts.send(gettid()).unwrap();
                call(&all, None)
            });
            let tid = started.recv().unwrap();
            wait_until_blocked(tid, libc::SYS_ppoll);
            send_stray(tid);
            assert!(is_pending(tid, STRAY));
            assert!(write(&writer, b"x").is_ok());
            assert_eq!(caller.join().unwrap().unwrap(), 1);
        });
    });
}

/// Before Linux 5.11 and in a sandbox: by the call that there is, with the mask.
#[test]
fn epoll_pwait2_where_the_kernel_has_none() {
    let name = "epoll_pwait2_where_the_kernel_has_none";
    if skipped_under_emulation(name, "a seccomp filter is for the emulator's syscalls") {
        return;
    }
    child::alone(|| {
        forbid(libc::SYS_epoll_pwait2);
        let (reader, writer) = pipe();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        epoll.add(&reader, Interest::new(EpollFlags::EPOLLIN, 7)).unwrap();
        let call = |blocked: &[i32], timeout| {
            epoll_pwait2(&epoll.0, &mut [EpollEvent::new()], timeout, blocked)
        };
        asked_before(|| call(&[], None));
        asked_while_blocked(libc::SYS_epoll_pwait, || call(&[STRAY], None));
        assert_eq!(ends_in_time(libc::SYS_epoll_pwait, |limit| call(&[], Some(limit))), 0);
        std::thread::scope(|scope| {
            let (starts, started) = mpsc::channel();
            let caller = scope.spawn(move || {
                starts.send(gettid()).unwrap();
                call(&[STRAY], None)
            });
            let tid = started.recv().unwrap();
            wait_until_blocked(tid, libc::SYS_epoll_pwait);
            send_stray(tid);
            assert!(is_pending(tid, STRAY));
            assert!(write(&writer, b"x").is_ok());
            assert_eq!(caller.join().unwrap().unwrap(), 1);
        });
    });
}

#[test]
fn select_at_its_points() {
    watched("select", || {
        let (reader, writer) = pipe();
        let mut set = FdSet::new();
        set.insert(&reader).unwrap();
        asked_before(|| select(Some(&mut set), None, None, None));
        asked_while_blocked(libc::SYS_pselect6, || select(Some(&mut set), None, None, None));
        assert!(set.contains(&reader), "as it was");
        let timed = |limit| select(Some(&mut set.clone()), None, None, Some(limit));
        assert_eq!(ends_in_time(libc::SYS_pselect6, timed), 0);
        let writes = || assert!(write(&writer, b"x").is_ok());
        let call = || {
            select(None, None, Some(&mut set.clone()), NOW).and(select(
                Some(&mut set),
                None,
                None,
                None,
            ))
        };
        assert_eq!(disturbed(libc::SYS_pselect6, call, writes), 1);
        assert!(set.contains(&reader));
        assert_eq!(select(None, Some(&mut set), None, NOW).unwrap(), 0);
        assert!(set.is_empty(), "nothing ready");
    });
}

#[test]
fn a_set_takes_no_descriptor_beyond_its_end() {
    child::alone(|| {
        let (reader, _writer) = pipe();
        let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limits are ours to be read and written.
        unsafe {
            libc::getrlimit(libc::RLIMIT_NOFILE, &mut limits);
            limits.rlim_cur = limits.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limits);
        }
        let beyond = |least: usize| {
            // SAFETY: no pointers; the descriptor is new, and ours.
            unsafe {
                let fd = libc::fcntl(reader.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least);
                assert!(fd >= least as i32, "{}", std::io::Error::last_os_error());
                OwnedFd::from_raw_fd(fd)
            }
        };
        let (last, first_beyond) = (beyond(FdSet::CAPACITY - 1), beyond(FdSet::CAPACITY));
        let mut set = FdSet::new();
        set.insert(&reader).unwrap();
        assert_eq!(set.insert(&first_beyond).unwrap_err().fd, first_beyond.as_raw_fd());
        assert!(!set.contains(&first_beyond));
        set.remove(&first_beyond);
        if last.as_raw_fd() < FdSet::CAPACITY as i32 {
            set.insert(&last).unwrap();
            assert_eq!(select(Some(&mut set), None, None, NOW).unwrap(), 0);
            set.insert(&last).unwrap();
        }
        set.insert(&reader).unwrap();
        set.remove(&last);
        assert_eq!(format!("{set:?}"), format!("{{{}}}", reader.as_raw_fd()));
    });
}

#[test]
fn epoll_wait_at_its_points() {
    watched("epoll_wait", || {
        let (reader, writer) = pipe();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        // Both are told once only: a call that loses the event loses it for ever.
        let once = EpollFlags::EPOLLIN | EpollFlags::EPOLLET | EpollFlags::EPOLLONESHOT;
        epoll.add(&reader, Interest::new(once, u64::MAX - 1)).unwrap();
        let call = |timeout| {
            let mut events = [EpollEvent::new(); 2];
            epoll_wait(&epoll.0, &mut events, timeout).map(|count| events[..count].to_vec())
        };
        asked_before(|| call(None));
        asked_while_blocked(libc::SYS_epoll_pwait, || call(None));
        asked_while_blocked(libc::SYS_epoll_pwait, || call(Some(Duration::MAX)));
        let none = ends_in_time(libc::SYS_epoll_pwait, |limit| call(Some(limit)));
        assert!(none.is_empty());
        let happened = disturbed(
            libc::SYS_epoll_pwait,
            || call(None),
            || assert!(write(&writer, b"x").is_ok()),
        );
        assert_eq!((happened.len(), happened[0].data()), (1, u64::MAX - 1));
        assert_eq!(happened[0].events(), Events::IN);

        epoll.modify(&reader, &mut Interest::new(once, 7)).unwrap();
        asked_before(|| call(None));
        assert_eq!(call(NOW).unwrap()[0].data(), 7, "not lost");
        assert!(call(NOW).unwrap().is_empty());
        let no_room = epoll_wait(&epoll.0, &mut [], NOW).unwrap_err();
        assert_eq!(std::io::Error::from(no_room).raw_os_error(), Some(libc::EINVAL));
    });
}

#[test]
fn eventfd_at_its_points() {
    watched("eventfd", || {
        let counter = EventFd::new().unwrap();
        asked_while_blocked(libc::SYS_read, || eventfd_read(&counter));
        let counts = || counter.write(3).map(drop).unwrap();
        assert_eq!(disturbed(libc::SYS_read, || eventfd_read(&counter), counts), 3);
        counter.write(4).unwrap();
        asked_before(|| eventfd_read(&counter));
        assert_eq!(eventfd_read(&counter).unwrap(), 4, "as it was");

        let (reader, writer) = pipe();
        assert!(write(&writer, b"short").is_ok());
        let no_counter = std::io::Error::from(eventfd_read(&reader).unwrap_err());
        assert_eq!(no_counter.kind(), std::io::ErrorKind::InvalidData);
    });
}

#[test]
fn timerfd_at_its_points() {
    watched("timerfd", || {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC).unwrap();
        let soon = || {
            let soon = Expiration::OneShot(Duration::from_millis(1).into());
            timer.set(soon, TimerSetTimeFlags::empty()).unwrap();
        };
        asked_while_blocked(libc::SYS_read, || timerfd_read(&timer));
        assert_eq!(disturbed(libc::SYS_read, || timerfd_read(&timer), soon), 1);
        soon();
        assert_eq!(poll(&mut [PollFd::new(&timer, Events::IN)], None).unwrap(), 1);
        asked_before(|| timerfd_read(&timer));
        assert_eq!(timerfd_read(&timer).unwrap(), 1, "still to be counted");
    });
}

#[test]
fn inotify_at_its_points() {
    watched("inotify", || {
        let directory = std::env::temp_dir().join(format!("eintr-{}-inotify", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = CString::new(directory.as_os_str().as_bytes()).unwrap();
        // SAFETY: the path is borrowed; the descriptor is new, and ours.
        let (inotify, watch) = unsafe {
            let fd = libc::inotify_init1(libc::IN_CLOEXEC);
            (
                OwnedFd::from_raw_fd(fd),
                libc::inotify_add_watch(fd, path.as_ptr(), libc::IN_ALL_EVENTS),
            )
        };
        let (a, b) = (directory.join("a"), directory.join("b"));
        let mut buffer = [0; 4096];

        asked_before(|| inotify_read(&inotify, &mut buffer).map(drop));
        asked_while_blocked(libc::SYS_read, || inotify_read(&inotify, &mut buffer).map(drop));
        let call = || {
            inotify_read(&inotify, &mut buffer).map(|mut events| {
                let event = events.next().unwrap();
                (event.watch, event.mask, event.name.map(|name| name.to_owned()))
            })
        };
        let event = disturbed(libc::SYS_read, call, || std::fs::create_dir(&a).unwrap());
        assert_eq!(event, (watch, libc::IN_CREATE | libc::IN_ISDIR, Some("a".into())));

        std::fs::rename(&a, &b).unwrap();
        asked_before(|| inotify_read(&inotify, &mut buffer).map(drop));
        let events: Vec<_> = inotify_read(&inotify, &mut buffer).unwrap().collect();
        let [from, to] = events[..] else { panic!("{events:?}") };
        assert_eq!((from.name, to.name), (Some("a".as_ref()), Some("b".as_ref())));
        assert_eq!(from.mask & libc::IN_MOVED_FROM, libc::IN_MOVED_FROM);
        assert!(from.cookie != 0 && from.cookie == to.cookie);

        std::fs::remove_dir_all(&directory).unwrap();
        assert!(inotify_read(&inotify, &mut [0; 8]).is_err(), "no room");
        assert!(inotify_read(&inotify, &mut buffer).unwrap().any(|event| event.name.is_none()));
    });
}

/// Runs a call with a signal blocked on its thread.
fn with_blocked<T>(signal: Signal, call: impl FnOnce() -> T) -> T {
    let mut set = SigSet::empty();
    set.add(signal);
    set.thread_block().unwrap();
    let value = call();
    set.thread_unblock().unwrap();
    value
}

#[test]
fn signal_wait_at_its_points() {
    watched("sigwaitinfo", || {
        let (hangup, sets) = (Signal::SIGHUP, mpsc::channel());
        let awaited = [libc::SIGHUP, libc::SIGUSR1];
        asked_before(|| sigwaitinfo(&awaited));
        // SIGUSR1 is the signal by which threads are interrupted: a wait that took it would go on.
        let wait = || with_blocked(hangup, || sigwaitinfo(&awaited));
        asked_while_blocked(libc::SYS_rt_sigtimedwait, wait);
        asked_while_blocked(libc::SYS_rt_sigtimedwait, || sigtimedwait(&awaited, Duration::MAX));
        let timed = |limit| sigtimedwait(&awaited, limit);
        assert!(ends_in_time(libc::SYS_rt_sigtimedwait, timed).is_none());

        let wait = || {
            sets.0.send(gettid()).unwrap();
            wait()
        };
        let send = || {
            let tid = sets.1.recv().unwrap();
            // SAFETY: no pointers.
            unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, libc::SIGHUP) };
        };
        let info = disturbed(libc::SYS_rt_sigtimedwait, wait, send);
        assert_eq!((info.signal(), info.code()), (libc::SIGHUP, libc::SI_TKILL));
        assert_eq!((info.pid(), info.value()), (Some(std::process::id() as i32), None));
    });
}

#[test]
fn an_interrupted_signal_wait_leaves_the_signal() {
    child::alone(|| {
        with_blocked(Signal::SIGCHLD, || {
            nix::sys::signal::raise(Signal::SIGCHLD).unwrap();
            asked_before(|| sigwaitinfo(&[libc::SIGCHLD]));
            assert!(sigtimedwait(&[libc::SIGCHLD], Duration::ZERO).unwrap().is_some());
            assert!(sigtimedwait(&[libc::SIGCHLD], Duration::ZERO).unwrap().is_none());
        });
        let nothing = sigwaitinfo(&[0]).unwrap_err();
        assert_eq!(std::io::Error::from(nothing).raw_os_error(), Some(libc::EINVAL));
    });
}

#[test]
fn a_queued_signal_tells_its_value() {
    watched("sigwaitinfo, queued", || {
        with_blocked(Signal::SIGALRM, || {
            let [pid, tid] = [nix::unistd::getpid(), nix::unistd::gettid()].map(|id| id.as_raw());
            // The kernel's siginfo: number, code, sender, value. (Not every libc has
            // pthread_sigqueue.)
            let mut info = [0_u64; 16];
            info[..4].copy_from_slice(&[
                libc::SIGALRM as u64,
                libc::SI_QUEUE as u32 as u64,
                pid as u64,
                42,
            ]);
            let [number, signal] = [libc::SYS_rt_tgsigqueueinfo, libc::SIGALRM.into()];
            // SAFETY: the kernel reads a siginfo.
            assert_eq!(unsafe { libc::syscall(number, pid, tid, signal, info.as_ptr()) }, 0);
            let info = sigwaitinfo(&[libc::SIGALRM]).unwrap();
            assert_eq!((info.value(), info.code()), (Some(42), libc::SI_QUEUE));
        });
    });
}

#[test]
fn io_uring_wait_at_its_points() {
    if skipped_under_emulation("io_uring", "there is none") {
        return;
    }
    watched("io_uring_wait", || {
        let mut parameters = [0u64; 15];
        // SAFETY: the kernel writes 120 bytes of parameters.
        let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
        if fd < 0 {
            return eprintln!("skipped: io_uring: {}", std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and ours.
        let ring = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        asked_before(|| io_uring_wait(&ring, 1));
        asked_while_blocked(libc::SYS_io_uring_enter, || io_uring_wait(&ring, 1));
        io_uring_wait(&ring, 0).unwrap();
        let no_ring = io_uring_wait(std::io::stdin(), 1).unwrap_err();
        assert_eq!(std::io::Error::from(no_ring).raw_os_error(), Some(libc::EOPNOTSUPP));
    });
}

#[test]
fn sleeps_at_their_points() {
    watched("sleep", || {
        let long = || Instant::now() + Duration::from_secs(1 << 40);
        asked_before(|| sleep(Duration::ZERO));
        asked_before(|| sleep_until(Instant::now()));
        asked_while_blocked(libc::SYS_clock_nanosleep, || sleep(Duration::MAX));
        asked_while_blocked(libc::SYS_clock_nanosleep, || sleep_until(long()));
        ends_in_time(libc::SYS_clock_nanosleep, sleep);
        ends_in_time(libc::SYS_clock_nanosleep, |limit| sleep_until(Instant::now() + limit));
        sleep_until(Instant::now()).unwrap();
    });
}

#[test]
fn futex_wait_at_its_points() {
    watched("futex_wait", || {
        let word = AtomicU32::new(0);
        asked_before(|| futex_wait(&word, 0, None));
        asked_while_blocked(libc::SYS_futex, || futex_wait(&word, 0, None));
        asked_while_blocked(libc::SYS_futex, || futex_wait(&word, 0, Some(Duration::MAX)));
        assert_eq!(futex_wake(&word, 1), 0, "an interrupted waiter takes no wake-up");
        let timed = |limit| futex_wait(&word, 0, Some(limit));
        assert_eq!(ends_in_time(libc::SYS_futex, timed), FutexWait::TimedOut);
        let wakes = || wait_until("somebody is woken", || futex_wake(&word, 1) == 1);
        let woken = disturbed(libc::SYS_futex, || futex_wait(&word, 0, None), wakes);
        assert_eq!(woken, FutexWait::Woken);
        word.store(1, Ordering::Relaxed);
        assert_eq!(futex_wait(&word, 0, None).unwrap(), FutexWait::Changed);
    });
}

/// The kernel wakes one if asked for none.
#[test]
fn no_wake_up_wakes_nobody() {
    watched("futex_wake of none", || {
        let word = AtomicU32::new(0);
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                tell.send(gettid()).unwrap();
                futex_wait(&word, 0, None)
            });
            wait_until_blocked(told.recv().unwrap(), libc::SYS_futex);
            assert_eq!(futex_wake(&word, 0), 0);
            wait_until("the one is woken", || futex_wake(&word, 1) == 1);
            assert_eq!(waiter.join().unwrap().unwrap(), FutexWait::Woken);
        });
    });
}
