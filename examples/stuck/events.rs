//! Readiness, counters, signals, time, futexes.

use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eintr::event::{EpollEvent, Events, FdSet, PollFd};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::files::fresh_path;
use super::scene::{AN_HOUR, Made, Scene, intact};

fn pipe() -> (Arc<std::io::PipeReader>, Arc<std::io::PipeWriter>) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (Arc::new(reader), Arc::new(writer))
}

pub fn poll() -> Made {
    let (reader, writer) = pipe();
    let call = move || {
        eintr::event::poll(&mut [PollFd::new(&reader, Events::IN)], Some(AN_HOUR)).map(drop)
    };
    Ok(Scene::new("event::poll", &["ppoll", "poll"], call)
        .provide(move || (&*writer).write_all(b"x").unwrap()))
}

pub fn ppoll() -> Made {
    let (reader, writer) = pipe();
    let call = move || {
        let fds = &mut [PollFd::new(&reader, Events::IN)];
        eintr::event::ppoll(fds, None, &[libc::SIGWINCH]).map(drop)
    };
    Ok(Scene::new("event::ppoll", &["ppoll"], call)
        .provide(move || (&*writer).write_all(b"x").unwrap()))
}

pub fn select() -> Made {
    let (reader, writer) = pipe();
    let call = move || {
        let mut set = FdSet::new();
        set.insert(&*reader).expect("a small number");
        eintr::event::select(Some(&mut set), None, None, Some(AN_HOUR)).map(drop)
    };
    Ok(Scene::new("event::select", &["pselect6", "select"], call)
        .provide(move || (&*writer).write_all(b"x").unwrap()))
}

pub fn epoll_wait() -> Made {
    let (reader, writer) = pipe();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|errno| errno.to_string())?;
    let interest = nix::sys::epoll::EpollEvent::new(EpollFlags::EPOLLIN, 7);
    epoll.add(&reader, interest).map_err(|errno| errno.to_string())?;
    let epoll = epoll.0;
    let call = move || {
        let _keep = &reader;
        eintr::event::epoll_wait(&epoll, &mut [EpollEvent::new(); 4], None).map(drop)
    };
    Ok(Scene::new("event::epoll_wait", &["epoll_pwait2", "epoll_pwait", "epoll_wait"], call)
        .provide(move || (&*writer).write_all(b"x").unwrap()))
}

pub fn eventfd_read() -> Made {
    let counter = Arc::new(EventFd::new().map_err(|errno| errno.to_string())?);
    let (inside, outside) = (counter.clone(), counter.clone());
    let call = move || eintr::event::eventfd_read(&*inside).map(drop);
    Ok(Scene::new("event::eventfd_read", &["read"], call)
        .provide(move || outside.write(1).unwrap())
        .check(move || {
            counter.write(3).unwrap();
            let count = counter.read();
            intact(count == Ok(3), "the count is what was added")
        }))
}

pub fn timerfd_read() -> Made {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)
        .map_err(|errno| errno.to_string())?;
    let timer = Arc::new(timer);
    let set = |timer: &TimerFd, time: Duration| {
        timer.set(Expiration::OneShot(time.into()), TimerSetTimeFlags::empty()).unwrap();
    };
    set(&timer, AN_HOUR);
    let (inside, outside) = (timer.clone(), timer.clone());
    let call = move || eintr::event::timerfd_read(&*inside).map(drop);
    Ok(Scene::new("event::timerfd_read", &["read"], call)
        .provide(move || set(&outside, Duration::from_nanos(1)))
        .check(move || {
            set(&timer, Duration::from_nanos(1));
            intact(timer.wait().is_ok(), "the next expiration is read")
        }))
}

pub fn inotify_read() -> Made {
    let directory = fresh_path("watched");
    fs::create_dir(&directory).map_err(|error| error.to_string())?;
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC).map_err(|errno| errno.to_string())?;
    inotify.add_watch(&directory, AddWatchFlags::IN_CREATE).map_err(|errno| errno.to_string())?;
    let inotify = Arc::new(inotify);
    let (inside, file) = (inotify.clone(), directory.join("file"));
    let outside = file.clone();
    let call = move || eintr::event::inotify_read(&*inside, &mut [0; 512]).map(drop);
    Ok(Scene::new("event::inotify_read", &["read"], call)
        .provide(move || fs::File::create(outside).unwrap())
        .check(move || {
            fs::File::create(&file).unwrap();
            let events = inotify.read_events().unwrap();
            fs::remove_dir_all(directory).unwrap();
            intact(events.len() == 1, "the next event is read")
        }))
}

/// The signal that is waited for: blocked in the threads that wait, as the man page asks.
fn block_waited_signal() -> [libc::c_int; 1] {
    let mut set = nix::sys::signal::SigSet::empty();
    set.add(nix::sys::signal::Signal::SIGWINCH);
    set.thread_block().expect("to block a signal");
    [libc::SIGWINCH]
}

/// The thread that waits for a signal, once it does.
#[derive(Default)]
struct Waiter(AtomicI32);

impl Waiter {
    fn is_here(&self) {
        self.0.store(nix::unistd::gettid().as_raw(), Ordering::Release);
    }

    /// To the thread itself: in any other the signal is ignored by default.
    fn signal(&self) {
        let (process, thread) = (nix::unistd::getpid().as_raw(), self.0.load(Ordering::Acquire));
        // SAFETY: no pointers.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGWINCH) };
        assert_eq!(sent, 0);
    }
}

pub fn sigwaitinfo() -> Made {
    let waiter = Arc::new(Waiter::default());
    let inside = waiter.clone();
    let call = move || {
        inside.is_here();
        eintr::event::sigwaitinfo(&block_waited_signal()).map(drop)
    };
    Ok(Scene::new("event::sigwaitinfo", &["rt_sigtimedwait"], call)
        .provide(move || waiter.signal()))
}

pub fn sigtimedwait() -> Made {
    let waiter = Arc::new(Waiter::default());
    let inside = waiter.clone();
    let call = move || {
        inside.is_here();
        eintr::event::sigtimedwait(&block_waited_signal(), AN_HOUR).map(drop)
    };
    Ok(Scene::new("event::sigtimedwait", &["rt_sigtimedwait"], call)
        .provide(move || waiter.signal()))
}

pub fn io_uring_wait() -> Made {
    let mut parameters = [0_u64; 15];
    // SAFETY: the kernel writes its 120 bytes of parameters.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    if fd < 0 {
        return Err(format!("io_uring_setup: {}", std::io::Error::last_os_error()));
    }
    // SAFETY: a new descriptor.
    let ring = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    assert!(ring.as_raw_fd() >= 0);
    let call = move || eintr::event::io_uring_wait(&ring, 1);
    Ok(Scene::new("event::io_uring_wait", &["io_uring_enter"], call))
}

pub fn sleep() -> Made {
    Ok(Scene::new("time::sleep", &["clock_nanosleep"], || eintr::time::sleep(AN_HOUR)))
}

pub fn sleep_until() -> Made {
    let call = || eintr::time::sleep_until(Instant::now() + AN_HOUR);
    Ok(Scene::new("time::sleep_until", &["clock_nanosleep"], call))
}

pub fn futex_wait() -> Made {
    let word = Arc::new(AtomicU32::new(0));
    let (inside, outside) = (word.clone(), word);
    let call = move || {
        loop {
            eintr::sync::futex_wait(&inside, 0, None)?;
            if inside.load(Ordering::Acquire) != 0 {
                return Ok(());
            }
        }
    };
    Ok(Scene::new("sync::futex_wait", &["futex"], call).provide(move || {
        outside.store(1, Ordering::Release);
        eintr::sync::futex_wake(&outside, 1);
    }))
}
