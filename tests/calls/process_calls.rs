//! Waiting for children. The tests work like this: a child lives until it is killed; whatever
//! happens to a wait for it, it can be waited for afterwards exactly once. No test waits for any
//! child: the others' are beside it.

use std::io::Write;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

use eintr::process::{WaitId, WaitOptions, WaitStatus, wait, waitid, waitpid};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use test_support::asked::{asked_before, asked_while_blocked, disturbed};
use test_support::watched;

const EXITED: WaitOptions = WaitOptions::EXITED;

/// Lives until it is killed.
fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

fn errno(result: Result<impl std::fmt::Debug, eintr::Error>) -> Option<i32> {
    std::io::Error::from(result.unwrap_err()).raw_os_error()
}

#[test]
fn wait_is_interrupted_and_reaps_nobody() {
    watched("wait", || {
        let mut child = sleeper();
        asked_before(|| wait(&mut child));
        asked_while_blocked(libc::SYS_waitid, || wait(&mut child));
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        asked_before(|| wait(&mut child));
        assert_eq!(wait(&mut child).unwrap().signal(), Some(libc::SIGKILL));

        asked_before(|| wait(&mut child));
        assert_eq!(wait(&mut child).unwrap().signal(), Some(libc::SIGKILL), "std knows it");
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert_eq!(errno(waitpid(child.id() as i32, WaitOptions::empty())), Some(libc::ECHILD));
    });
}

#[test]
fn wait_goes_on_after_stray_signals() {
    watched("wait, disturbed", || {
        let mut child = sleeper();
        let pid = child.id() as i32;
        let kills = || signal(pid, Signal::SIGTERM);
        let status = disturbed(libc::SYS_waitid, || wait(&mut child), kills);
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        assert_eq!(child.try_wait().unwrap(), Some(status));
    });
}

#[test]
fn wait_closes_the_childs_input_once_it_waits() {
    watched("wait for a reader of its input", || {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        asked_before(|| wait(&mut child));
        child.stdin.as_mut().expect("not yet").write_all(b"").unwrap();
        assert!(wait(&mut child).unwrap().success());
    });
}

#[test]
fn a_child_that_was_reaped_elsewhere_is_an_error() {
    watched("wait, too late", || {
        let mut child = Command::new("true").spawn().unwrap();
        waitpid(child.id() as i32, WaitOptions::empty()).unwrap();
        assert_eq!(errno(wait(&mut child)), Some(libc::ECHILD));
    });
}

#[test]
#[expect(clippy::zombie_processes, reason = "it is reaped by the call under test")]
fn waitid_is_interrupted_and_reaps_nobody() {
    watched("waitid", || {
        // A group of its own, led by itself.
        let child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let pid = child.id() as i32;
        // SAFETY: no pointers; the descriptor is new, and ours.
        let pidfd = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
            assert!(fd >= 0, "{}", std::io::Error::last_os_error());
            OwnedFd::from_raw_fd(fd as i32)
        };
        let ids = [WaitId::Pid(pid), WaitId::PidFd(pidfd.as_fd()), WaitId::Group(pid)];
        for id in ids {
            asked_before(|| waitid(id, EXITED));
            asked_while_blocked(libc::SYS_waitid, || waitid(id, EXITED));
        }
        let kills = || signal(pid, Signal::SIGKILL);
        let seen =
            disturbed(libc::SYS_waitid, || waitid(ids[0], EXITED | WaitOptions::NOWAIT), kills);
        let WaitStatus::Signaled { signal: libc::SIGKILL, core_dumped: false, .. } = seen.status
        else {
            panic!("{seen:?}");
        };
        for id in ids {
            asked_before(|| waitid(id, EXITED));
            assert_eq!(waitid(id, EXITED | WaitOptions::NOWAIT).unwrap(), seen);
        }
        assert_eq!(waitid(ids[1], EXITED).unwrap(), seen);
        assert_eq!(errno(waitid(ids[0], EXITED)), Some(libc::ECHILD));
        assert_eq!(errno(waitid(WaitId::Any, WaitOptions::empty())), Some(libc::EINVAL));
    });
}

#[test]
fn waitpid_is_interrupted_and_reaps_nobody() {
    watched("waitpid", || {
        // SAFETY: the child makes no call but these two, which are safe after a fork.
        let pid = unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::pause();
                libc::_exit(1);
            }
            pid
        };
        assert!(pid > 0);
        asked_before(|| waitpid(pid, WaitOptions::empty()));
        asked_while_blocked(libc::SYS_wait4, || waitpid(pid, WaitOptions::empty()));
        let kills = || signal(pid, Signal::SIGKILL);
        let waited = disturbed(libc::SYS_wait4, || waitpid(pid, EXITED), kills);
        assert_eq!(waited.pid, pid);
        let WaitStatus::Signaled { signal: libc::SIGKILL, core_dumped: false, .. } = waited.status
        else {
            panic!("{waited:?}");
        };
        assert_eq!(errno(waitpid(pid, EXITED)), Some(libc::ECHILD));
    });
}

#[test]
#[expect(clippy::zombie_processes, reason = "they are reaped by the calls under test")]
fn both_tell_of_stops_and_codes() {
    watched("statuses", || {
        let changes = WaitOptions::STOPPED | WaitOptions::CONTINUED;
        let by_waitid = |pid| waitid(WaitId::Pid(pid), changes | EXITED).unwrap();
        let by_waitpid = |pid| waitpid(pid, changes).unwrap();
        let waits: [&dyn Fn(i32) -> eintr::process::Waited; 2] = [&by_waitid, &by_waitpid];
        for next in waits {
            // It goes on until its input ends: a child that has exited is no longer said to go on.
            let script = ["-c", "kill -STOP $$; read line; exit 7"];
            let mut child = Command::new("sh").args(script).stdin(Stdio::piped()).spawn().unwrap();
            let pid = child.id() as i32;
            let stopped = next(pid);
            assert_eq!((stopped.pid, stopped.status), (pid, WaitStatus::Stopped(libc::SIGSTOP)));
            signal(pid, Signal::SIGCONT);
            assert_eq!(next(pid).status, WaitStatus::Continued);
            drop(child.stdin.take());
            assert_eq!(next(pid).status, WaitStatus::Exited(7));
        }
    });
}
