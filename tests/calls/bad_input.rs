//! What no call should be given: a closed descriptor, no room, times beyond the clock.
//!
//! The tests here work like this: a table has a row for each call that takes a descriptor (its
//! signature in the sources says so), and makes it on one that is closed. The kernel's error must
//! come out as it is; and an interrupted thread is interrupted, whatever the descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::sync::Once;
use std::time::{Duration, Instant};

use eintr::event::{EpollEvent, Events, FdSet, PollFd};
use eintr::fs::LockKind;
use eintr::io::{RwFlags, SpliceFlags};
use eintr::net::{Message, RecvFlags, SendFlags};
use eintr::process::{WaitId, WaitOptions};
use eintr::{Error, event, fs, ipc, net, process, terminal, time};
use test_support::asked::asked_while_blocked;
use test_support::{public, skipped_under_emulation, watched};

/// A call on a descriptor.
struct Row(&'static str, fn(BorrowedFd<'_>) -> Result<(), Error>);

const ROWS: &[Row] = &[
    Row("io::read", |fd| eintr::io::read(fd, &mut [0; 4]).map(drop)),
    Row("io::write", |fd| eintr::io::write(fd, b"more").map(drop)),
    Row("io::readv", |fd| eintr::io::readv(fd, &mut [IoSliceMut::new(&mut [0; 4])]).map(drop)),
    Row("io::writev", |fd| eintr::io::writev(fd, &[IoSlice::new(b"more")]).map(drop)),
    Row("io::pread", |fd| eintr::io::pread(fd, &mut [0; 4], 0).map(drop)),
    Row("io::pwrite", |fd| eintr::io::pwrite(fd, b"more", 0).map(drop)),
    Row("io::read_exact", |fd| Ok(eintr::io::read_exact(fd, &mut [0; 4])?)),
    Row("io::write_all", |fd| Ok(eintr::io::write_all(fd, b"more")?)),
    Row("io::copy", |fd| Ok(eintr::io::copy(fd, io::stderr()).map(drop)?)),
    Row("io::copy to it", |fd| Ok(eintr::io::copy(io::stdin(), fd).map(drop)?)),
    Row("io::splice", |fd| {
        let (reader, _writer) = io::pipe()?;
        eintr::io::splice(reader, None, fd, None, 4, SpliceFlags::empty()).map(drop)
    }),
    Row("io::splice from it", |fd| {
        let (_reader, writer) = io::pipe()?;
        eintr::io::splice(fd, None, writer, None, 4, SpliceFlags::empty()).map(drop)
    }),
    Row("io::tee", |fd| {
        let (_reader, writer) = io::pipe()?;
        eintr::io::tee(fd, writer, 4, SpliceFlags::empty()).map(drop)
    }),
    Row("io::vmsplice", |fd| {
        eintr::io::vmsplice(fd, &[IoSlice::new(b"more")], SpliceFlags::empty()).map(drop)
    }),
    Row("io::preadv2", |fd| {
        let mut bytes = [0; 4];
        let buffers = &mut [IoSliceMut::new(&mut bytes)];
        eintr::io::preadv2(fd, buffers, None, RwFlags::empty()).map(drop)
    }),
    Row("io::pwritev2", |fd| {
        eintr::io::pwritev2(fd, &[IoSlice::new(b"more")], Some(0), RwFlags::empty()).map(drop)
    }),
    Row("io::sendfile", |fd| eintr::io::sendfile(io::stderr(), fd, None, 4).map(drop)),
    Row("io::copy_file_range", |fd| {
        eintr::io::copy_file_range(fd, None, io::stderr(), None, 4).map(drop)
    }),
    Row("net::accept", |fd| net::accept(&fd).map(drop)),
    Row("net::connect", |fd| {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        Ok(net::connect(fd, nowhere)?)
    }),
    Row("net::recv", |fd| net::recv(fd, &mut [0; 4], RecvFlags::empty()).map(drop)),
    Row("net::recv_from", |fd| net::recv_from(&fd, &mut [0; 4], RecvFlags::empty()).map(drop)),
    Row("net::recvmsg", |fd| {
        net::recvmsg(fd, &mut [IoSliceMut::new(&mut [0; 4])], RecvFlags::empty()).map(drop)
    }),
    Row("net::recvmmsg", |fd| {
        let mut bytes = [0; 4];
        let messages = &mut [&mut [IoSliceMut::new(&mut bytes)][..]];
        net::recvmmsg(fd, messages, RecvFlags::empty()).map(drop)
    }),
    Row("net::sendmmsg", |fd| {
        let buffers = [IoSlice::new(b"more")];
        net::sendmmsg(fd, &[Message::new(&buffers)], SendFlags::empty()).map(drop)
    }),
    Row("net::send", |fd| net::send(fd, b"more", SendFlags::empty()).map(drop)),
    Row("net::send_to", |fd| {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        net::send_to(fd, b"more", nowhere, SendFlags::empty()).map(drop)
    }),
    Row("net::sendmsg", |fd| {
        net::sendmsg(fd, &Message::new(&[IoSlice::new(b"more")]), SendFlags::empty()).map(drop)
    }),
    Row("fs::flock", |fd| fs::flock(fd, LockKind::Exclusive)),
    Row("fs::ofd_lock", |fd| fs::ofd_lock(fd, LockKind::Shared, ..)),
    Row("event::select", |fd| {
        let mut set = FdSet::new();
        set.insert(&fd)?;
        event::select(Some(&mut set), None, None, None).map(drop)
    }),
    Row("event::epoll_wait", |fd| event::epoll_wait(fd, &mut [EpollEvent::new()], None).map(drop)),
    Row("event::epoll_pwait2", |fd| {
        event::epoll_pwait2(fd, &mut [EpollEvent::new()], None, &[]).map(drop)
    }),
    Row("event::eventfd_read", |fd| event::eventfd_read(fd).map(drop)),
    Row("event::timerfd_read", |fd| event::timerfd_read(fd).map(drop)),
    Row("event::inotify_read", |fd| event::inotify_read(fd, &mut [0; 64]).map(drop)),
    Row("event::io_uring_wait", |fd| event::io_uring_wait(fd, 1)),
    Row("ipc::mq_receive", |fd| ipc::mq_receive(fd, &mut [0; 64], None).map(drop)),
    Row("ipc::mq_send", |fd| ipc::mq_send(fd, b"more", 0, None)),
    Row("process::waitid", |fd| process::waitid(WaitId::PidFd(fd), WaitOptions::EXITED).map(drop)),
    Row("terminal::tcdrain", |fd| terminal::tcdrain(fd)),
];

/// They do not fail: `poll` tells it as an event, and what gives up a lock is no call of ours.
const OTHERS: &[&str] = &["event::poll", "event::ppoll", "fs::unlock", "fs::ofd_unlock"];

/// A descriptor that is closed: a high one, which nobody is given meanwhile, and which fits into a
/// set of select's all the same. It was open once, for select passes over descriptors that are
/// beyond all that a process ever had.
fn closed() -> BorrowedFd<'static> {
    const HIGH: i32 = 1000;
    static OPENED: Once = Once::new();
    OPENED.call_once(|| {
        // SAFETY: nobody has that descriptor.
        assert_eq!(unsafe { (libc::dup2(2, HIGH), libc::close(HIGH)) }, (HIGH, 0));
    });
    // SAFETY: what is done with it is to fail.
    unsafe { BorrowedFd::borrow_raw(HIGH) }
}

fn takes_a_descriptor(call: &public::Call) -> bool {
    ["AsFd", "BorrowedFd", "Listener", "Datagram", "PollFd", "FdSet", "WaitId"]
        .iter()
        .any(|kind| call.signature.contains(kind))
}

#[test]
fn every_call_with_a_descriptor_has_a_row() {
    let has_row =
        |name: &str| OTHERS.contains(&name) || ROWS.iter().any(|Row(call, _)| *call == name);
    let calls = public::calls();
    let mut with_descriptor = calls.iter().filter(|call| takes_a_descriptor(call));
    if let Some(call) = with_descriptor.find(|call| !has_row(&call.name)) {
        panic!("{} has no row", call.name);
    }
}

/// What an emulator does not know.
const NOT_EMULATED: &[&str] =
    &["io::preadv2", "io::pwritev2", "event::epoll_pwait2", "event::io_uring_wait"];

#[test]
fn closed_descriptors() {
    for Row(name, call) in ROWS {
        if NOT_EMULATED.contains(name) && skipped_under_emulation(name, "there is none") {
            continue;
        }
        watched(name, || {
            let error = io::Error::from(call(closed()).expect_err(name));
            assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{name}: {error}");
        });
    }
}

#[test]
fn a_closed_descriptor_is_an_event_of_poll() {
    let fd = closed();
    let mut fds = [PollFd::new(&fd, Events::IN)];
    assert_eq!(event::poll(&mut fds, None).unwrap(), 1);
    assert_eq!(fds[0].revents(), Events::NVAL);
    assert_eq!(event::ppoll(&mut fds, None, &[]).unwrap(), 1);
    assert_eq!(fs::unlock(fd).unwrap_err().raw_os_error(), Some(libc::EBADF));
    assert_eq!(fs::ofd_unlock(fd, ..).unwrap_err().raw_os_error(), Some(libc::EBADF));
}

/// The interrupt comes first: the kernel is not asked about the descriptor.
#[test]
fn closed_descriptors_in_an_interrupted_thread() {
    for Row(name, call) in ROWS {
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        let result = task.run(|| call(closed()));
        // What the call looks at before it waits may fail before.
        let error = result.expect_err(name);
        let is_expected = error.interrupted().is_some() || name.starts_with("io::copy");
        assert!(is_expected, "{name}: {error}");
    }
}

#[test]
fn no_room_and_nothing_to_say() {
    watched("empty buffers", || {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        eintr::io::write_all(&there, b"ping").unwrap();
        assert_eq!(eintr::io::read(&here, &mut []).unwrap(), 0);
        assert_eq!(eintr::io::readv(&here, &mut []).unwrap(), 0);
        assert_eq!(eintr::io::readv(&here, &mut [IoSliceMut::new(&mut [])]).unwrap(), 0);
        assert_eq!(net::recv(&here, &mut [], RecvFlags::empty()).unwrap(), 0);
        eintr::io::read_exact(&here, &mut []).unwrap();
        assert_eq!(eintr::io::write(&there, &[]).unwrap(), 0);
        assert_eq!(eintr::io::writev(&there, &[]).unwrap(), 0);
        assert_eq!(net::send(&there, &[], SendFlags::empty()).unwrap(), 0);
        assert_eq!(net::sendmsg(&there, &Message::new(&[]), SendFlags::empty()).unwrap(), 0);
        assert_eq!(eintr::io::getrandom(&mut []).unwrap(), 0);
        let mut four = [0; 4];
        eintr::io::read_exact(&here, &mut four).unwrap();
        assert_eq!(&four, b"ping", "none of that took a byte");

        assert_eq!(event::poll(&mut [], Some(Duration::ZERO)).unwrap(), 0);
        assert_eq!(event::select(None, None, None, Some(Duration::ZERO)).unwrap(), 0);
        assert!(event::sigtimedwait(&[], Duration::ZERO).unwrap().is_none());
    });
}

/// A datagram without bytes is one, and a buffer without room takes one.
#[test]
fn empty_datagrams() {
    watched("empty datagrams", || {
        let (here, there) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert_eq!(net::send(&there, &[], SendFlags::empty()).unwrap(), 0);
        assert_eq!(net::send(&there, b"cut off", SendFlags::empty()).unwrap(), 7);
        assert_eq!(net::send(&there, b"whole", SendFlags::empty()).unwrap(), 5);
        let mut buffer = [0; 8];
        assert_eq!(net::recv(&here, &mut buffer, RecvFlags::empty()).unwrap(), 0);
        if !skipped_under_emulation("no buffers", "recvmsg takes no message then") {
            let received = net::recvmsg(&here, &mut [], RecvFlags::empty()).unwrap();
            assert!(received.bytes == 0 && received.truncated);
        } else {
            assert_eq!(net::recv(&here, &mut [], RecvFlags::empty()).unwrap(), 0);
        }
        assert_eq!(net::recv(&here, &mut buffer, RecvFlags::empty()).unwrap(), 5);
    });
}

/// A wait for nothing is a wait all the same, and is interrupted.
#[test]
fn waits_for_nothing() {
    watched("waits for nothing", || {
        asked_while_blocked(libc::SYS_ppoll, || event::poll(&mut [], None));
        asked_while_blocked(libc::SYS_pselect6, || event::select(None, None, None, None));
        asked_while_blocked(libc::SYS_rt_sigtimedwait, || event::sigwaitinfo(&[]));
        let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
        asked_while_blocked(libc::SYS_recvfrom, || net::recv(&here, &mut [], RecvFlags::empty()));
    });
}

/// What the clock cannot tell is for ever.
#[test]
fn times_beyond_the_clock() {
    const FAR: [Duration; 3] =
        [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 62)];
    for far in FAR {
        watched(&format!("{far:?}"), || {
            asked_while_blocked(libc::SYS_clock_nanosleep, || time::sleep(far));
            asked_while_blocked(libc::SYS_ppoll, || event::ppoll(&mut [], Some(far), &[]));
            asked_while_blocked(libc::SYS_pselect6, || event::select(None, None, None, Some(far)));
            asked_while_blocked(libc::SYS_rt_sigtimedwait, || event::sigtimedwait(&[], far));
        });
    }
    let last = (0..63).fold(Instant::now(), |last, i| {
        last.checked_add(Duration::from_secs(1 << (62 - i))).unwrap_or(last)
    });
    watched("the last instant", || {
        asked_while_blocked(libc::SYS_clock_nanosleep, || time::sleep_until(last));
    });
}

/// Numbers that are no signals, children, queues, sets.
#[test]
fn what_does_not_exist() {
    let errno = |error: Error| io::Error::from(error).raw_os_error();
    for signal in [0, -1, 65, i32::MAX, i32::MIN] {
        assert_eq!(event::sigwaitinfo(&[signal]).map(drop).map_err(errno), Err(Some(libc::EINVAL)));
        let polled = event::ppoll(&mut [], Some(Duration::ZERO), &[signal]);
        assert_eq!(polled.map_err(errno), Err(Some(libc::EINVAL)), "{signal}");
    }
    let nobody = WaitId::Pid(i32::MAX);
    let waited = process::waitid(nobody, WaitOptions::EXITED).map(drop);
    assert_eq!(waited.map_err(errno), Err(Some(libc::ECHILD)));
    let waited = process::waitpid(i32::MAX, WaitOptions::empty()).map(drop);
    assert_eq!(waited.map_err(errno), Err(Some(libc::ECHILD)));
    let nothing = process::waitid(nobody, WaitOptions::empty()).map(drop);
    assert_eq!(nothing.map_err(errno), Err(Some(libc::EINVAL)));
    let operation = [ipc::SemOp::new(0, 1)];
    assert_eq!(ipc::semop(-1, &operation, None).map_err(errno), Err(Some(libc::EINVAL)));
    assert_eq!(ipc::msgsnd(-1, 1, b"").map_err(errno), Err(Some(libc::EINVAL)));
    let received = ipc::msgrcv(-1, &mut [], ipc::MsgKind::Any).map(drop);
    assert_eq!(received.map_err(errno), Err(Some(libc::EINVAL)));
    let null = fs::open("a\0path", fs::OpenOptions::new().read(true)).map(drop).unwrap_err();
    assert_eq!(io::Error::from(null).kind(), io::ErrorKind::InvalidInput);
}
