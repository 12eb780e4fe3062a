//! Reach by its rules: where it is on, what masks and nesting make of it, what a refusal leaves,
//! and what the requester hears.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use eintr::{Interrupted, Interrupter, Outcome, Task};
use test_support::{
    LIMIT, gettid, has_dispatch, times_asleep, wait_until, wait_until_blocked, watched,
};

use crate::{assert_reached, errno_of_a_read};

/// The syscall of libc's `poll`.
#[cfg(target_arch = "x86_64")]
const POLL: i64 = libc::SYS_poll;
#[cfg(not(target_arch = "x86_64"))]
const POLL: i64 = libc::SYS_ppoll;

/// Runs the body on a thread of its own, in a task that was asked.
fn asked(name: &str, body: impl FnOnce(&Interrupter) + Send) {
    if !has_dispatch(name) {
        return;
    }
    watched(name, || {
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        thread::scope(|scope| scope.spawn(|| task.run(|| body(&interrupter))).join().unwrap());
    });
}

/// A plain read sleeps, and gets the byte that comes then.
fn assert_not_reached() {
    let (mut reader, mut writer): (PipeReader, PipeWriter) = io::pipe().unwrap();
    let here = gettid();
    thread::scope(|scope| {
        scope.spawn(move || {
            wait_until_blocked(here, libc::SYS_read);
            writer.write_all(b"x").unwrap();
        });
        let mut byte = [0];
        assert_eq!(reader.read(&mut byte).unwrap(), 1);
        assert_eq!(&byte, b"x");
    });
}

#[test]
fn on_and_off() {
    asked("on_and_off", |_| {
        assert_reached();
        eintr::without_reach(|| {
            assert_eq!(errno_of_a_read(), Some(libc::EINTR), "the tradition");
            assert_eq!(errno_of_a_read(), Some(libc::EINTR), "as long as the cause stands");
            eintr::reach(assert_reached);
            assert_eq!(errno_of_a_read(), Some(libc::EINTR));
            Task::new().run(assert_reached);
            assert_eq!(errno_of_a_read(), Some(libc::EINTR));
        });
        assert_reached();
        Task::new().reach(false).run(|| assert_eq!(errno_of_a_read(), Some(libc::EINTR)));
        assert_reached();
        let panicked = std::panic::catch_unwind(|| eintr::without_reach(|| panic!("expected")));
        assert!(panicked.is_err());
        assert_reached();
    });
}

#[test]
fn a_thread_without_reach_and_a_stretch_of_it_with() {
    if !has_dispatch("a_thread_without_reach") {
        return;
    }
    watched("a_thread_without_reach", || {
        let (tell, told) = mpsc::channel();
        let worker = eintr::Builder::new()
            .reach(false)
            .spawn(move || {
                tell.send(gettid()).unwrap();
                assert_eq!(errno_of_a_read(), Some(libc::EINTR));
                eintr::reach(assert_reached);
                assert_eq!(errno_of_a_read(), Some(libc::EINTR));
            })
            .unwrap();
        wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
        worker.interrupt();
        worker.join().unwrap();
    });
}

/// A call that is asleep when reach is on around it is refused, also if the task has it off.
#[test]
fn asleep_inside_reach() {
    if !has_dispatch("asleep_inside_reach") {
        return;
    }
    watched("asleep_inside_reach", || {
        let (tell, told) = mpsc::channel();
        let worker = eintr::Builder::new()
            .reach(false)
            .spawn(move || {
                tell.send(gettid()).unwrap();
                eintr::reach(assert_reached);
            })
            .unwrap();
        wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
        worker.interrupt();
        worker.join().unwrap();
    });
}

#[test]
fn over_when_the_cause_is() {
    asked("over_when_the_cause_is", |interrupter| {
        for _ in 0..20 {
            assert_reached();
            assert!(eintr::take().is_some());
            assert_not_reached();
            interrupter.interrupt();
        }
    });
    if has_dispatch("over_when_the_task_is") {
        watched("over_when_the_task_is", || {
            for _ in 0..20 {
                let (task, interrupter) = eintr::task();
                interrupter.interrupt();
                task.run(assert_reached);
                assert_not_reached();
                let (task, interrupter) = eintr::task();
                interrupter.interrupt();
                let run = || {
                    task.run(|| -> () {
                        assert_reached();
                        panic!("expected")
                    })
                };
                assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
                assert_not_reached();
            }
        });
    }
}

#[test]
fn masks() {
    asked("masks", |interrupter| {
        assert_reached();
        eintr::mask(|| {
            assert_not_reached();
            eintr::mask(assert_not_reached);
            assert_not_reached();
            let (inner, inner_interrupter) = eintr::task();
            inner.run(|| {
                assert_not_reached();
                inner_interrupter.interrupt();
                assert_reached();
            });
            assert_not_reached();
        });
        assert_reached();
        eintr::take().unwrap();
        eintr::mask(|| {
            interrupter.interrupt();
            assert_not_reached();
        });
        // What waited is felt by the very next plain call.
        assert_reached();
    });
}

#[test]
fn a_request_that_comes_under_a_mask_is_felt_right_after_it() {
    if !has_dispatch("unmask") {
        return;
    }
    watched("unmask", || {
        for _ in 0..100 {
            let (tell, told) = mpsc::channel();
            let (asks, asked) = mpsc::channel();
            let worker = eintr::spawn(move || {
                eintr::mask(|| {
                    tell.send(()).unwrap();
                    asked.recv().unwrap();
                });
                assert_reached();
            });
            told.recv().unwrap();
            worker.interrupt();
            asks.send(()).unwrap();
            worker.join().unwrap();
        }
    });
}

#[test]
fn nesting() {
    if !has_dispatch("nesting") {
        return;
    }
    watched("nesting", || {
        let (outer, outer_interrupter) = eintr::task();
        outer.run(|| {
            let (inner, interrupter) = eintr::task();
            interrupter.interrupt();
            inner.run(assert_reached);
            assert_not_reached();
            Task::new().run(assert_not_reached);
            outer_interrupter.interrupt();
            Task::new().run(assert_reached);
            Task::root().run(assert_not_reached);
            assert_reached();
        });
    });
}

#[test]
fn what_is_recognised_and_where() {
    asked("what_is_recognised", |interrupter| {
        let canceled = || io::Error::from_raw_os_error(libc::ECANCELED);
        assert_reached();
        assert!(Interrupted::of(&canceled()).is_some());
        let wrapped = io::Error::other(anyhow::Error::new(canceled()).context("while reading"));
        assert!(Interrupted::of(&wrapped).is_some(), "wherever it stands in the chain");
        assert!(eintr::mask(|| Interrupted::of(&canceled())).is_none());
        let elsewhere = thread::spawn(move || Interrupted::of(&canceled()).is_some());
        assert!(!elsewhere.join().unwrap());
        let eintr = || io::Error::from_raw_os_error(libc::EINTR);
        assert!(Interrupted::of(&eintr()).is_some());
        eintr::take().unwrap();
        assert!(Interrupted::of(&canceled()).or(Interrupted::of(&eintr())).is_none());
        interrupter.interrupt_with("gone home");
        assert_reached();
        let interrupted = Interrupted::of(&canceled()).unwrap();
        assert_eq!(interrupted.to_string(), "interrupted: gone home");
    });
}

/// What was there is there still (P2).
#[test]
fn a_refusal_takes_nothing() {
    asked("a_refusal_takes_nothing", |_| {
        assert_reached();
        let refused = |result: io::Result<()>| {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
        };
        // Made where nothing is refused: a connection, bytes, a datagram, a child.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = eintr::mask(|| TcpStream::connect(address)).unwrap();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut child = eintr::mask(|| {
            far.write_all(b"byte").unwrap();
            sender.send_to(b"datagram", receiver.local_addr().unwrap()).unwrap();
            Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap()
        });

        spend_the_time();
        let mut bytes = [0; 16];
        refused(listener.accept().map(drop));
        refused(near.read(&mut bytes).map(drop));
        refused(receiver.recv_from(&mut bytes).map(drop));
        refused(child.wait().map(drop));
        assert_eq!(bytes, [0; 16]);

        eintr::take().unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(near.read(&mut bytes).unwrap(), 4);
        assert_eq!(receiver.recv_from(&mut bytes).unwrap(), (8, sender.local_addr().unwrap()));
        assert_eq!(child.wait().unwrap().code(), Some(7));
    });
}

/// What is ready is done, as long as there is time (P14), and told in part; not a connection.
#[test]
fn what_is_ready_is_done() {
    if !has_dispatch("what_is_ready") {
        return;
    }
    watched("what_is_ready", || while !did_what_was_ready() {});
}

/// A try counts if the machine let it be in time.
fn did_what_was_ready() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let (mut reader, mut writer) = io::pipe().unwrap();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    far.write_all(b"byte").unwrap();
    writer.write_all(b"some").unwrap();
    sender.send_to(b"datagram", receiver.local_addr().unwrap()).unwrap();
    let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    wait_until("it has ended", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.contains(") Z ")
    });
    let start = Instant::now();
    let (task, interrupter) = eintr::task();
    interrupter.interrupt();
    let results = task.run(|| {
        let mut bytes = [0; 16];
        let read = [near.read(&mut bytes), reader.read(&mut bytes), receiver.recv(&mut bytes)];
        let [empty, drained] = [near.read(&mut bytes), reader.read(&mut bytes)];
        let accepted = listener.accept().map(|_| 0);
        (read, child.wait(), [empty, drained, accepted])
    });
    if start.elapsed() >= ALLOWED {
        return false;
    }
    let (read, status, refused) = results;
    assert_eq!(read.map(Result::unwrap), [4, 4, 8]);
    assert_eq!(status.unwrap().code(), Some(7));
    for refused in refused {
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    }
    true
}

/// How long what is ready is done.
const ALLOWED: Duration = Duration::from_millis(100);

/// Stays armed until nothing is done any more.
fn spend_the_time() {
    let start = Instant::now();
    while start.elapsed() < ALLOWED {
        std::hint::spin_loop();
    }
    assert_reached();
}

/// A loop over what is always ready ends, also if it masks or cleans up for each item, or takes what
/// has been asked of a task inside.
#[test]
fn a_loop_over_what_is_ready_ends() {
    let each: [fn(); 4] = [
        || (),
        || eintr::mask(|| ()),
        || assert!(eintr::cleanup(Duration::ZERO, assert_reached).expired),
        || {
            eintr::mask(|| {
                let (task, interrupter) = eintr::task();
                interrupter.interrupt();
                task.run(|| {
                    assert_reached();
                    eintr::take().unwrap();
                });
            });
        },
    ];
    for each in each {
        asked("a loop over what is ready", |_| {
            let (near, far) = UnixStream::pair().unwrap();
            eintr::mask(|| (&far).write_all(b"x")).unwrap();
            let error = loop {
                // What it takes it gives back: there is always one.
                let result = (&near).read(&mut [0]).and_then(|_| (&far).write(b"x"));
                let Err(error) = result else {
                    each();
                    continue;
                };
                break error;
            };
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
        });
    }
}

/// A take begins the time anew.
#[test]
fn each_request_has_time_of_its_own() {
    if !has_dispatch("each_request") {
        return;
    }
    watched("each_request", || {
        let (task, interrupter) = eintr::task();
        task.run(|| {
            let (near, far) = UnixStream::pair().unwrap();
            (&far).write_all(&[0; 100]).unwrap();
            loop {
                let start = Instant::now();
                interrupter.interrupt();
                let read = (&near).read(&mut [0]);
                let in_time = start.elapsed() < ALLOWED;
                spend_the_time();
                assert!((&near).read(&mut [0]).is_err());
                eintr::take().unwrap();
                if in_time {
                    return assert_eq!(read.unwrap(), 1);
                }
            }
        });
    });
}

/// Descriptors with O_NONBLOCK, zero timeouts, files: run as asked.
#[test]
fn what_does_not_wait_is_not_refused() {
    asked("what_does_not_wait", |_| {
        assert_reached();
        let before = Interrupter::current().unwrap().report().refused;
        let (near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let blocks = (&near).read(&mut [0]).unwrap_err();
        assert_eq!(blocks.kind(), io::ErrorKind::WouldBlock);
        eintr::mask(|| far.write_all(b"xy")).unwrap();
        assert_eq!((&near).read(&mut [0]).unwrap(), 1);
        let mut poll = libc::pollfd {
            fd: std::os::fd::AsRawFd::as_raw_fd(&near),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one descriptor.
        assert_eq!(unsafe { libc::poll(&mut poll, 1, 0) }, 1);
        let mut byte = 0_u8;
        let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK;
        // SAFETY: one byte is written.
        assert_eq!(unsafe { libc::recv(poll.fd, (&raw mut byte).cast(), 1, flags) }, 1);
        assert_eq!(byte, b'y');
        assert!(!std::fs::read_to_string("/proc/self/status").unwrap().is_empty());
        assert_eq!(Interrupter::current().unwrap().report().refused, before);
    });
}

/// What does not block gets out for a while; what would block is refused at once, and all of it in
/// the end. The outputs go on.
#[test]
fn goodbyes() {
    const FOR: Duration = Duration::from_millis(100);
    if !has_dispatch("goodbyes") {
        return;
    }
    watched("goodbyes", || {
        // A try counts if the machine let it be in time.
        while !said_goodbye(FOR) {}
    });
}

fn said_goodbye(limit: Duration) -> bool {
    let start = Instant::now();
    let (task, interrupter) = eintr::task();
    interrupter.interrupt();
    task.run(|| {
        assert_reached();
        let (mut reader, mut writer) = io::pipe().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let results = [writer.write(b"bye"), (&near).write(b"bye")];
        if start.elapsed() >= limit {
            return false;
        }
        assert_eq!(results.map(Result::unwrap), [3, 3]);
        let mut bytes = [0; 8];
        assert_eq!(eintr::mask(|| reader.read(&mut bytes)).unwrap(), 3);
        assert_eq!(eintr::mask(|| (&far).read(&mut bytes)).unwrap(), 3);

        // A full pipe takes nothing more, and what fits goes out.
        let written = writer.write(&[0; 1 << 20]);
        if start.elapsed() < limit {
            assert!(matches!(written, Ok(1..1_048_576)), "{written:?}");
        }
        while start.elapsed() < limit * 2 {
            std::hint::spin_loop();
        }
        let refused = (&near).write(b"bye").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ECANCELED));
        io::stdout().write_all(b"still printing\n").unwrap();
        io::stderr().write_all(b"still printing\n").unwrap();
        true
    })
}

#[test]
fn the_requester_hears_of_a_refusal() {
    if !has_dispatch("raised") {
        return;
    }
    watched("raised", || {
        let (tell, told) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let worker = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            assert_reached();
            wait.recv().unwrap();
            (0..4).for_each(|_| assert_reached());
        });
        wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
        let request = worker.interrupt();
        assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        let interrupter = worker.interrupter();
        assert!(interrupter.raised().is_some());
        assert_eq!(interrupter.report().refused, 1);
        go.send(()).unwrap();
        worker.join().unwrap();
        let report = interrupter.report();
        assert_eq!((report.refused, report.raised), (5, 0));
        assert!(matches!(request.wait(LIMIT), Outcome::Raised), "it stays so");
    });
}

/// Whatever a call was told, it was cut short: that counts as raised, where nothing else does.
#[test]
fn a_call_that_is_cut_short_counts_as_raised() {
    if !has_dispatch("cut short") {
        return;
    }
    let calls: [(i64, fn()); 3] = [
        (libc::SYS_clock_nanosleep, || thread::sleep(Duration::MAX)),
        // SAFETY: the length of time is borrowed. It returns EINTR once, and is not made again.
        (libc::SYS_clock_nanosleep, || unsafe {
            libc::nanosleep(&libc::timespec { tv_sec: 3600, tv_nsec: 0 }, std::ptr::null_mut());
        }),
        // SAFETY: no descriptors.
        (POLL, || unsafe {
            libc::poll(std::ptr::null_mut(), 0, -1);
        }),
    ];
    for (number, call) in calls {
        watched("cut short", move || {
            let (tell, told) = mpsc::channel();
            let (go, wait) = mpsc::channel::<()>();
            let worker = eintr::spawn(move || {
                tell.send(gettid()).unwrap();
                call();
                wait.recv().unwrap();
            });
            wait_until_blocked(told.recv().unwrap(), number);
            let request = worker.interrupt();
            assert!(matches!(request.wait(LIMIT), Outcome::Raised));
            let interrupter = worker.interrupter();
            assert!(interrupter.report().refused > 0);
            assert!(interrupter.raised().is_some());
            go.send(()).unwrap();
            worker.join().unwrap();
        });
    }
}

fn sleeps_of_this_thread() -> i64 {
    // SAFETY: the usage is plain numbers, and written.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &mut usage), 0);
        usage.ru_nvcsw
    }
}

/// A loop that ignores its errors, be they refusals, sleeps cut short, or EINTR.
#[test]
fn a_loop_that_does_not_listen_is_made_to_wait() {
    const BACKOFF: Duration = Duration::from_millis(10);
    const TIMES: u32 = 40;
    let loops: [fn(&PipeReader); 3] = [
        |mut pipe| assert!(pipe.read(&mut [0]).is_err()),
        |_| thread::sleep(Duration::from_secs(3600)),
        // SAFETY: no arguments.
        |_| assert_eq!(unsafe { libc::syscall(libc::SYS_ppoll, 0, 0, 0, 0, 0) }, -1),
    ];
    for again in loops {
        asked("a loop", |_| {
            let (pipe, _writer) = io::pipe().unwrap();
            let again = || again(&pipe);
            let is_backing_off = || {
                let start = Instant::now();
                again();
                start.elapsed() >= BACKOFF
            };
            // Eight in a row: one may be as slow because the thread had to wait for a processor.
            while !(0..8).all(|_| is_backing_off()) {}
            // The brake is slept, and not spun.
            let (start, before) = (Instant::now(), sleeps_of_this_thread());
            (0..TIMES).for_each(|_| again());
            let (took, sleeps) = (start.elapsed(), sleeps_of_this_thread() - before);
            assert!(took >= BACKOFF * TIMES, "{took:?}");
            assert!(sleeps >= TIMES.into(), "{sleeps}");
            // Whoever listens goes on without back-off.
            assert!(eintr::checkpoint().is_err());
            let before = sleeps_of_this_thread();
            (0..16).for_each(|_| again());
            assert!(sleeps_of_this_thread() < before + 16);
        });
    }
}

/// Where the kernel stops the thread at its calls, one signal is enough: a wait that nothing may end
/// is disturbed once, and never again.
#[test]
fn no_signal_is_repeated() {
    if !has_dispatch("no_signal_is_repeated") {
        return;
    }
    watched("no_signal_is_repeated", || {
        let (tell, told) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let worker = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            ends.recv().unwrap();
            assert_reached();
        });
        let tid = told.recv().unwrap();
        wait_until_blocked(tid, libc::SYS_futex);
        let before = times_asleep(tid);
        worker.interrupt();
        wait_until("the signal has come", || times_asleep(tid) > before);
        wait_until_blocked(tid, libc::SYS_futex);
        let before = times_asleep(tid);
        thread::sleep(Duration::from_millis(200));
        assert_eq!(times_asleep(tid), before);
        end.send(()).unwrap();
        worker.join().unwrap();
    });
}
