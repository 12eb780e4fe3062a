//! Readiness, counters, signals, time, futexes.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eintr::event::{EpollEvent, Events, FdSet, PollFd};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::files::fresh_path;
use super::ring::Ring;
use super::scene::{AN_HOUR, Made, Scene, intact, unless_emulated};

fn pipe() -> (Arc<PipeReader>, Arc<PipeWriter>) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (Arc::new(reader), Arc::new(writer))
}

/// What comes next is told, and is still there to be read.
fn next_event_is_told(reader: &PipeReader, writer: &PipeWriter) -> Result<String, String> {
    { writer }.write_all(b"x").unwrap();
    let told = eintr::event::poll(&mut [PollFd::new(reader, Events::IN)], Some(Duration::ZERO));
    let read = { reader }.read(&mut [0; 8]);
    intact(matches!((told, read), (Ok(1), Ok(1))), "the next event is told")
}

pub const SCENES: &[fn() -> Made] = &[
    poll,
    ppoll,
    select,
    epoll_wait,
    epoll_pwait2,
    eventfd_read,
    timerfd_read,
    inotify_read,
    pause,
    sigsuspend,
    sigwaitinfo,
    sigtimedwait,
    io_uring_wait,
    sleep,
    sleep_until,
    futex_wait,
];

fn poll() -> Made {
    let (reader, writer) = pipe();
    let (inside, outside) = (reader.clone(), writer.clone());
    let call = move || {
        eintr::event::poll(&mut [PollFd::new(&inside, Events::IN)], Some(AN_HOUR)).map(drop)
    };
    Ok(Scene::new("event::poll", &["ppoll", "poll"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_event_is_told(&reader, &writer)))
}

fn ppoll() -> Made {
    let (reader, writer) = pipe();
    let (inside, outside) = (reader.clone(), writer.clone());
    let call = move || {
        let fds = &mut [PollFd::new(&inside, Events::IN)];
        eintr::event::ppoll(fds, None, &[libc::SIGWINCH]).map(drop)
    };
    Ok(Scene::new("event::ppoll", &["ppoll"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_event_is_told(&reader, &writer)))
}

fn select() -> Made {
    let (reader, writer) = pipe();
    let (inside, outside) = (reader.clone(), writer.clone());
    let call = move || {
        let mut set = FdSet::new();
        set.insert(&*inside).expect("a small number");
        eintr::event::select(Some(&mut set), None, None, Some(AN_HOUR)).map(drop)
    };
    Ok(Scene::new("event::select", &["pselect6", "select"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_event_is_told(&reader, &writer)))
}

fn epoll_wait() -> Made {
    let wait =
        |epoll: &Epoll| eintr::event::epoll_wait(&epoll.0, &mut [EpollEvent::new(); 4], None);
    told_once("event::epoll_wait", &["epoll_pwait"], wait)
}

fn epoll_pwait2() -> Made {
    unless_emulated("event::epoll_pwait2")?;
    let wait = |epoll: &Epoll| {
        let events = &mut [EpollEvent::new(); 4];
        eintr::event::epoll_pwait2(&epoll.0, events, Some(AN_HOUR), &[libc::SIGWINCH])
    };
    told_once("event::epoll_pwait2", &["epoll_pwait2", "epoll_pwait"], wait)
}

/// An epoll with an event that is told once.
fn told_once(
    name: &'static str,
    syscalls: &'static [&'static str],
    wait: fn(&Epoll) -> Result<usize, eintr::Error>,
) -> Made {
    let (reader, writer) = pipe();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|errno| errno.to_string())?;
    // Told once, and never again.
    let once = EpollFlags::EPOLLIN | EpollFlags::EPOLLET | EpollFlags::EPOLLONESHOT;
    let interest = nix::sys::epoll::EpollEvent::new(once, 7);
    epoll.add(&reader, interest).map_err(|errno| errno.to_string())?;
    let epoll = Arc::new(epoll);
    let (inside, outside) = (epoll.clone(), writer.clone());
    Ok(Scene::new(name, syscalls, move || wait(&inside).map(drop))
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || {
            (&*writer).write_all(b"x").unwrap();
            let mut events = [nix::sys::epoll::EpollEvent::empty(); 4];
            let told = epoll.wait(&mut events, 0_u8);
            drop(reader);
            intact(told == Ok(1), "the one event that there is, is told")
        }))
}

fn eventfd_read() -> Made {
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

fn timerfd_read() -> Made {
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

fn inotify_read() -> Made {
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

fn next_signal_is_taken() -> Result<String, String> {
    let waited_for = block_waited_signal();
    let here = Waiter::default();
    here.is_here();
    here.signal();
    let taken = eintr::event::sigtimedwait(&waited_for, Duration::ZERO);
    intact(matches!(taken, Ok(Some(_))), "the next signal is taken")
}

fn sigwaitinfo() -> Made {
    let waiter = Arc::new(Waiter::default());
    let inside = waiter.clone();
    let call = move || {
        inside.is_here();
        eintr::event::sigwaitinfo(&block_waited_signal()).map(drop)
    };
    Ok(Scene::new("event::sigwaitinfo", &["rt_sigtimedwait"], call)
        .provide(move || waiter.signal())
        .check(next_signal_is_taken))
}

fn sigtimedwait() -> Made {
    let waiter = Arc::new(Waiter::default());
    let inside = waiter.clone();
    let call = move || {
        inside.is_here();
        eintr::event::sigtimedwait(&block_waited_signal(), AN_HOUR).map(drop)
    };
    Ok(Scene::new("event::sigtimedwait", &["rt_sigtimedwait"], call)
        .provide(move || waiter.signal())
        .check(next_signal_is_taken))
}

thread_local! {
    static SIGNALLED: AtomicBool = const { AtomicBool::new(false) };
}

extern "C" fn note_signal(_: libc::c_int) {
    SIGNALLED.with(|signalled| signalled.store(true, Ordering::Relaxed));
}

/// Until that signal's handler has run here; others go by.
fn until_signalled(
    name: &'static str,
    wait: impl Fn() -> Result<(), eintr::Error> + Send + 'static,
) -> Made {
    let waiter = Arc::new(Waiter::default());
    let inside = waiter.clone();
    // SAFETY: the handler stores into a thread-local that has neither a destructor nor a lazy beginning.
    let before = unsafe { libc::signal(libc::SIGWINCH, note_signal as *const () as usize) };
    assert_ne!(before, libc::SIG_ERR);
    let call = move || {
        inside.is_here();
        let signalled = || SIGNALLED.with(|signalled| signalled.load(Ordering::Relaxed));
        while !signalled() || eintr::is_interrupted() {
            wait()?;
        }
        SIGNALLED.with(|signalled| signalled.store(false, Ordering::Relaxed));
        Ok(())
    };
    Ok(Scene::new(name, &["ppoll"], call).provide(move || waiter.signal()))
}

fn pause() -> Made {
    until_signalled("event::pause", eintr::event::pause)
}

fn sigsuspend() -> Made {
    let call = || {
        block_waited_signal();
        eintr::event::sigsuspend(&[libc::SIGHUP])
    };
    until_signalled("event::sigsuspend", call)
}

fn io_uring_wait() -> Made {
    let ring = Arc::new(Ring::new().map_err(|error| format!("io_uring: {error}"))?);
    let (inside, outside) = (ring.clone(), ring.clone());
    let call = move || eintr::event::io_uring_wait(&inside, 1);
    Ok(Scene::new("event::io_uring_wait", &["io_uring_enter"], call)
        .provide(move || outside.complete_one())
        .check(move || {
            ring.complete_one();
            let waited = eintr::event::io_uring_wait(&ring, 1);
            intact(waited.is_ok(), "the next completion is waited for")
        }))
}

/// A sleep of an hour.
fn nap(call: &'static str, sleep: fn(Duration) -> Result<(), eintr::Error>) -> Made {
    let start = Instant::now();
    Ok(Scene::new(call, &["clock_nanosleep"], move || sleep(AN_HOUR))
        .check(move || intact(start.elapsed() < AN_HOUR, "the hour had not passed")))
}

fn sleep() -> Made {
    nap("time::sleep", eintr::time::sleep)
}

fn sleep_until() -> Made {
    nap("time::sleep_until", |time| eintr::time::sleep_until(Instant::now() + time))
}

fn futex_wait() -> Made {
    let word = Arc::new(AtomicU32::new(0));
    let (inside, outside) = (word.clone(), word.clone());
    let call = move || {
        loop {
            eintr::sync::futex_wait(&inside, 0, None)?;
            if inside.load(Ordering::Acquire) != 0 {
                return Ok(());
            }
        }
    };
    Ok(Scene::new("sync::futex_wait", &["futex"], call)
        .provide(move || {
            outside.store(1, Ordering::Release);
            eintr::sync::futex_wake(&outside, 1);
        })
        .check(move || {
            intact(eintr::sync::futex_wake(&word, u32::MAX) == 0, "nobody is left on the word")
        }))
}
