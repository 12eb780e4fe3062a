//! A call that is ended for a cause counts as raised, whatever it is told: EINTR, or that it slept.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use eintr::{Outcome, Reason, timeout};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use test_support::{LIMIT, gettid, wait_until_blocked, watched};

/// The syscall of libc's `poll`.
#[cfg(target_arch = "x86_64")]
const POLL: i64 = libc::SYS_poll;
#[cfg(not(target_arch = "x86_64"))]
const POLL: i64 = libc::SYS_ppoll;

const SHORT: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

/// The kernel never makes this read again after a signal: the socket has a time limit of its own.
fn read_with_a_limit() -> io::Result<usize> {
    let (mut silent, _peer) = UnixStream::pair()?;
    silent.set_read_timeout(Some(HOUR))?;
    silent.read(&mut [0])
}

/// Nor this poll.
fn poll() -> io::Result<usize> {
    let (silent, _peer) = UnixStream::pair()?;
    let mut fds = [PollFd::new(silent.as_fd(), PollFlags::POLLIN)];
    Ok(nix::poll::poll(&mut fds, PollTimeout::NONE)? as usize)
}

fn read_for_ever() -> io::Result<usize> {
    let (silent, _peer) = UnixStream::pair()?;
    Ok(nix::unistd::read(&silent, &mut [0])?)
}

/// What a thread that is asked while it sleeps there gets, and what its requester hears.
fn asked_in(syscall: i64, call: impl FnOnce() -> io::Result<usize> + Send + 'static) {
    let (starts, started) = mpsc::channel();
    let worker = eintr::spawn(move || {
        starts.send(gettid()).unwrap();
        assert!(call().is_err());
    });
    wait_until_blocked(started.recv().unwrap(), syscall);
    let request = worker.interrupt();
    let interrupter = worker.interrupter();
    worker.join().unwrap();
    assert!(matches!(request.wait(LIMIT), Outcome::Raised));
    assert!(matches!(interrupter.raised().unwrap().reason(), Reason::Requested));
}

#[test]
fn a_socket_with_a_time_limit_that_is_asked() {
    watched("a socket asked", || asked_in(libc::SYS_recvfrom, read_with_a_limit));
}

#[test]
fn a_poll_that_is_asked() {
    watched("a poll asked", || asked_in(POLL, poll));
}

#[test]
fn a_plain_read_where_reach_is_off() {
    let read = || eintr::without_reach(read_for_ever);
    watched("a plain read asked", || asked_in(libc::SYS_read, read));
}

#[test]
fn a_deadline_that_cuts_a_call_short_is_told() {
    watched("a deadline", || {
        for call in [read_with_a_limit, poll] {
            let error = timeout(SHORT, call).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error:?}");
        }
    });
}

#[test]
fn a_deadline_that_cuts_a_sleep_is_told_where_the_body_fails() {
    watched("a sleep", || {
        let fails = || {
            std::thread::sleep(HOUR);
            Err::<(), _>(io::Error::other("not there yet"))
        };
        let error = timeout(SHORT, fails).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error:?}");
        let goes_on = || {
            std::thread::sleep(HOUR);
            Ok::<_, io::Error>(1)
        };
        assert_eq!(timeout(SHORT, goes_on).unwrap(), 1);
    });
}
