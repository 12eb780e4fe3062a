//! `process::status` and `process::output`: as std's, and no child is left behind.
//!
//! The tests work like this: each has a process of its own, in which the kernel is asked in the end
//! whether any child is left, running or dead, and whether any descriptor is. A child says by its
//! output or by a file that it has come so far; that it is gone says the end of a pipe that it had.

use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use eintr::Error;
use eintr::process::{output, status};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use test_support::child::alone;
use test_support::seccomp::forbid;
use test_support::{gettid, skipped_under_emulation, wait_until, wait_until_blocked};

const AN_HOUR: Duration = Duration::from_secs(3600);

/// As [`alone`], and no child and no descriptor is left.
fn tidy(case: impl FnOnce()) {
    alone(|| {
        // What is opened once, by whatever is used first.
        let _ = status(&mut Command::new("true"), AN_HOUR);
        let before = open_descriptors();
        case();
        assert_no_child();
        assert_eq!(open_descriptors(), before);
    });
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn assert_no_child() {
    let any = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
    assert_eq!(any, Err(Errno::ECHILD));
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command
}

/// Both of std's ways to start a child: posix_spawn, and fork with exec.
fn both_ways(command: impl Fn() -> Command) -> [Command; 2] {
    let mut forked = command();
    // SAFETY: nothing is done.
    unsafe { forked.pre_exec(|| Ok(())) };
    [command(), forked]
}

fn is_interrupt<T>(result: &Result<T, Error>) -> bool {
    result.as_ref().is_err_and(|error| error.interrupted().is_some())
}

/// A pipe for a child's standard output: what it says is awaited, and its end.
fn line_out(command: &mut Command) -> BufReader<PipeReader> {
    let (reader, writer) = io::pipe().unwrap();
    command.stdout(writer);
    BufReader::new(reader)
}

fn await_line(reader: &mut BufReader<PipeReader>) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "the child has ended");
}

/// Runs a call on a thread of its own; `attend` is given the thread's id and its interrupter.
fn beside<T: Send + 'static>(
    call: impl FnOnce() -> T + Send + 'static,
    attend: impl FnOnce(i32, &eintr::Interrupter),
) -> T {
    let (tell, told) = mpsc::channel();
    let worker = eintr::spawn(move || {
        tell.send(gettid()).unwrap();
        call()
    });
    attend(told.recv().unwrap(), &worker.interrupter());
    worker.join().unwrap()
}

/// A file that says that something has happened.
fn mark(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("eintr-commands-{name}-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

#[test]
fn they_are_as_stds() {
    tidy(|| {
        for mut command in both_ways(|| shell("exit 7")) {
            assert_eq!(status(&mut command, AN_HOUR).unwrap().code(), Some(7));
        }
        for mut command in both_ways(|| shell("kill -KILL $$")) {
            let status = status(&mut command, AN_HOUR).unwrap();
            assert_eq!(status.signal(), Some(libc::SIGKILL));
        }
        for mut command in both_ways(|| shell("echo out; echo err >&2; exit 3")) {
            let ours = output(&mut command, AN_HOUR).unwrap();
            assert_eq!(ours, command.output().unwrap());
            assert_eq!((&ours.stdout[..], &ours.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
        }
        let why = "its vfork child has a memory of its own, and cannot tell";
        if !skipped_under_emulation("a command that is not there", why) {
            let mut missing = Command::new("/nonexistent");
            let by_status = status(&mut missing, AN_HOUR).map(drop);
            let by_output = output(&mut missing, AN_HOUR).map(drop);
            let kinds = [by_status, by_output].map(|missing| missing.unwrap_err());
            let kinds = kinds.map(|error| io::Error::from(error).kind());
            assert_eq!(kinds, [io::ErrorKind::NotFound; 2]);
        }
        let (reader, writer) = io::pipe().unwrap();
        eintr::io::write_all(&writer, b"fed").unwrap();
        drop(writer);
        let fed = output(Command::new("cat").stdin(reader), AN_HOUR).unwrap();
        assert_eq!(fed.stdout, b"fed");
    });
}

/// Each of the two holds less than is written to it, and is written to in turns.
#[test]
fn output_reads_both_at_once() {
    tidy(|| {
        let mut chatty = shell(
            "i=0; while [ $i -lt 40 ]; do \
             head -c 10000 /dev/zero; head -c 20000 /dev/zero >&2; i=$((i + 1)); done",
        );
        let output = output(&mut chatty, AN_HOUR).unwrap();
        assert!(output.status.success());
        assert_eq!((output.stdout.len(), output.stderr.len()), (400_000, 800_000));
    });
}

#[test]
fn asked_before_they_start_nothing() {
    tidy(|| {
        let started = mark("started");
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        task.run(|| {
            for mut command in both_ways(|| {
                let mut command = Command::new("touch");
                command.arg(&started);
                command
            }) {
                assert!(is_interrupt(&status(&mut command, AN_HOUR)));
                assert!(is_interrupt(&output(&mut command, AN_HOUR)));
                eintr::mask(|| assert!(status(&mut command, AN_HOUR).unwrap().success()));
                fs::remove_file(&started).unwrap();
            }
        });
        assert!(!started.exists());
    });
}

/// It does as it is told: the grace is not waited for.
#[test]
fn a_child_that_is_asked_ends() {
    tidy(|| {
        for command in both_ways(|| Command::new("sleep")) {
            let mut command = command;
            command.arg("1000");
            let (mut end, writer) = io::pipe().unwrap();
            command.stdin(writer);
            let asked = beside(
                move || status(&mut command, Duration::MAX),
                |tid, interrupter| {
                    wait_until_blocked(tid, libc::SYS_waitid);
                    interrupter.interrupt();
                },
            );
            assert!(is_interrupt(&asked));
            assert_eq!(end.read(&mut [0]).unwrap(), 0, "nobody has it any more");
        }
        for command in both_ways(|| Command::new("sleep")) {
            let mut command = command;
            command.arg("1000");
            let asked = beside(
                move || output(&mut command, Duration::MAX),
                |tid, interrupter| {
                    wait_until_blocked(tid, libc::SYS_ppoll);
                    interrupter.interrupt();
                },
            );
            assert!(is_interrupt(&asked));
        }
    });
}

/// It closes its outputs and goes on: `output` waits for its end alone.
#[test]
fn a_child_with_closed_outputs_is_ended() {
    tidy(|| {
        let asked = beside(
            || output(&mut shell("exec sleep 1000 >&- 2>&-"), Duration::MAX),
            |tid, interrupter| {
                wait_until_blocked(tid, libc::SYS_waitid);
                interrupter.interrupt();
            },
        );
        assert!(is_interrupt(&asked));
    });
}

const DEAF: &str = "trap '' TERM; echo deaf; exec sleep 1000";

fn a_deaf_child(grace: Duration) -> (Result<std::process::ExitStatus, Error>, Duration) {
    let mut deaf = shell(DEAF);
    let mut line = line_out(&mut deaf);
    let mut asked_at = Instant::now();
    let asked = beside(
        move || status(&mut deaf, grace),
        |_, interrupter| {
            await_line(&mut line);
            asked_at = Instant::now();
            interrupter.interrupt();
        },
    );
    (asked, asked_at.elapsed())
}

#[test]
fn a_child_that_does_not_listen_is_killed() {
    tidy(|| {
        let grace = Duration::from_millis(50);
        let (asked, after) = a_deaf_child(grace);
        assert!(is_interrupt(&asked) && after >= grace, "{asked:?} {after:?}");
        let (asked, _) = a_deaf_child(Duration::ZERO);
        assert!(is_interrupt(&asked), "{asked:?}");
        let marked = mark("deaf");
        let script = format!("trap '' TERM; echo > {}; exec sleep 1000", marked.display());
        let asked = beside(
            move || output(&mut shell(&script), grace),
            |_, interrupter| {
                wait_until("it is deaf", || marked.exists());
                interrupter.interrupt();
            },
        );
        assert!(is_interrupt(&asked), "{asked:?}");
        fs::remove_file(mark("deaf")).unwrap_or_default();
    });
}

/// What it writes on its way out is more than a pipe holds.
#[test]
fn a_child_may_say_goodbye_to_output() {
    tidy(|| {
        let (ready, gone) = (mark("ready"), mark("gone"));
        let script = format!(
            "trap 'head -c 1000000 /dev/zero; echo > {gone}; exit' TERM; \
             head -c 100000 /dev/zero; echo > {ready}; while :; do sleep 0.01; done",
            gone = gone.display(),
            ready = ready.display(),
        );
        let asked = beside(
            move || output(&mut shell(&script), Duration::MAX),
            |_, interrupter| {
                wait_until("it is ready", || ready.exists());
                interrupter.interrupt();
            },
        );
        assert!(is_interrupt(&asked), "{asked:?}");
        fs::remove_file(gone).expect("it got to its end");
        fs::remove_file(ready).unwrap();
    });
}

/// The child's own child has inherited the outputs, and does not end.
#[test]
fn a_grandchild_is_not_waited_for() {
    tidy(|| {
        let (reader, writer) = io::pipe().unwrap();
        let ready = mark("heir");
        // The heir's input ends when the test lets go of it.
        let script = format!(
            "exec 3<&0; (exec cat <&3 4>&1 >/dev/null) & echo > {}; exec sleep 1000",
            ready.display()
        );
        let asked = beside(
            move || {
                let mut parent = shell(&script);
                output(parent.stdin(reader), Duration::MAX)
            },
            |_, interrupter| {
                wait_until("it is ready", || ready.exists());
                interrupter.interrupt();
            },
        );
        assert!(is_interrupt(&asked), "{asked:?}");
        drop(writer);
        fs::remove_file(ready).unwrap();
    });
}

#[test]
fn a_deadline_ends_the_child_too() {
    tidy(|| {
        for mut command in both_ways(|| Command::new("sleep")) {
            command.arg("1000");
            let late = Duration::from_millis(20);
            let by_status = eintr::timeout(late, || status(&mut command, Duration::MAX));
            let by_output = eintr::timeout(late, || output(&mut command, Duration::MAX));
            for result in [by_status.map(drop), by_output.map(drop)] {
                let error = io::Error::from(result.unwrap_err());
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            }
        }
    });
}

/// Asked at any moment, from before the start to after the end: the child has ended, and its status
/// is told or the interrupt.
#[test]
fn asked_at_any_moment() {
    tidy(|| {
        let (mut told, mut interrupted) = (0, 0);
        let mut delay = 0;
        while told < 20 || interrupted < 20 {
            for mut command in both_ways(|| shell("exit 7")) {
                delay = (delay + 137) % 4000;
                let result = beside(
                    move || match delay % 2 {
                        0 => status(&mut command, AN_HOUR),
                        _ => output(&mut command, AN_HOUR).map(|output| output.status),
                    },
                    |_, interrupter| {
                        let start = Instant::now();
                        while start.elapsed() < Duration::from_micros(delay) {
                            thread::yield_now();
                        }
                        interrupter.interrupt();
                    },
                );
                match result {
                    Ok(status) => {
                        assert_eq!(status.code(), Some(7));
                        told += 1;
                    }
                    Err(error) => {
                        assert!(error.interrupted().is_some(), "{error}");
                        interrupted += 1;
                    }
                }
                assert_no_child();
            }
        }
    });
}

#[test]
fn without_a_task_they_are_plain() {
    tidy(|| {
        assert!(status(&mut Command::new("true"), Duration::ZERO).unwrap().success());
        assert!(output(&mut shell("exit"), Duration::ZERO).unwrap().status.success());
    });
}

/// One that the sandbox lets have no pidfd.
#[test]
fn without_pidfds() {
    if skipped_under_emulation("without_pidfds", "a seccomp filter is for the emulator's syscalls")
    {
        return;
    }
    tidy(|| {
        forbid(libc::SYS_pidfd_open);
        let (asked, _) = a_deaf_child(Duration::from_millis(20));
        assert!(is_interrupt(&asked), "{asked:?}");
        let asked = beside(
            || output(&mut shell("exec sleep 1000"), Duration::MAX),
            |tid, interrupter| {
                wait_until_blocked(tid, libc::SYS_ppoll);
                interrupter.interrupt();
            },
        );
        assert!(is_interrupt(&asked), "{asked:?}");
    });
}

/// A child that runs as somebody else cannot be ended, and that is said.
#[test]
fn a_child_that_may_not_be_signalled() {
    // SAFETY: no pointers.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!(
            "skipped: a_child_that_may_not_be_signalled: only root can run a child as another"
        );
        return;
    }
    tidy(|| {
        let (reader, writer) = io::pipe().unwrap();
        let mut command = Command::new("cat");
        command.stdin(reader).uid(1);
        let asked = beside(
            move || status(&mut command, Duration::MAX),
            |tid, interrupter| {
                wait_until_blocked(tid, libc::SYS_waitid);
                // SAFETY: no pointers. Of the whole process, by libc.
                assert_eq!(unsafe { libc::setresuid(2, 2, 2) }, 0);
                interrupter.interrupt();
            },
        );
        let error = io::Error::from(asked.unwrap_err());
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        drop(writer);
        nix::sys::wait::wait().expect("it was left behind");
    });
}
