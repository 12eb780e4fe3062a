//! Becoming another program on a thread that is asked at that moment (S23): no signal of ours follows
//! into it, where the default action would end it.
//!
//! The tests here work like this: a process becomes another program, or itself again, and whoever
//! waits for it sees what it dies of.

use std::env;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use eintr::{Error, Interrupter, Outcome, Task, checkpoint, process, take, timeout};
use nix::sys::signal::{self, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use test_support::child::{alone, limit_life, this_test};
use test_support::target::{came_back, is_interrupt, own_read, pipe, plain_read};
use test_support::{gettid, signals, skipped_under_emulation, wait_until_blocked};

const LINK: &str = "EINTR_TEST_LINK";
const PLAIN: &str = "EINTR_TEST_PLAIN";

/// One process that becomes itself again, that many times, each time on a thread that somebody asks
/// and somebody looks at; what it ends with. None in that process itself.
fn chain(links: u32, plain: bool) -> Option<ExitStatus> {
    let mut command = this_test()?;
    command.stdout(Stdio::null());
    let Ok(link) = env::var(LINK) else {
        command.env(LINK, links.to_string());
        if plain {
            command.env(PLAIN, "");
        }
        return Some(command.status().unwrap());
    };
    limit_life();
    let link: u32 = link.parse().unwrap();
    if link == 0 {
        return None;
    }
    command.env(LINK, (link - 1).to_string());
    let (begins, begin) = mpsc::channel();
    let target = eintr::spawn(move || {
        begin.recv().unwrap();
        let error = if plain { command.exec() } else { process::exec(&mut command) };
        panic!("exec came back: {error}");
    });
    // Before: while one thread execs, the kernel lets the others make none.
    let _reporter = thread::spawn(move || {
        loop {
            drop(eintr::report());
        }
    });
    begins.send(()).unwrap();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(u64::from(link) * 7 % 600) {
        std::hint::spin_loop();
    }
    target.interrupt();
    loop {
        thread::park();
    }
}

#[test]
fn nobody_dies_of_it() {
    let why = "two thousand programs that each start the emulator take too long";
    if skipped_under_emulation("nobody dies of exec", why) {
        return;
    }
    let status = chain(2000, false);
    assert!(status.is_none_or(|status| status.success()), "{status:?}");
}

/// The checker is checked: by std's own the same chain breaks.
#[test]
fn by_stds_own_somebody_dies() {
    let status = chain(5000, true);
    let died = |status: ExitStatus| status.signal() == Some(libc::SIGUSR1);
    assert!(status.is_none_or(died), "{status:?}");
}

/// What is pending in the program that a child of this process becomes on a thread, inside of a task,
/// that blocks our signal; it does `before` first.
fn pending_after(before: impl FnOnce(&Interrupter)) -> u64 {
    let (mut told, tells) = io::pipe().unwrap();
    // SAFETY: the child runs what these cases do: eintr, pipes, and memory, which glibc keeps in
    // order; and ends by `_exit` or becomes another program.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            limit_life();
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let (task, interrupter) = eintr::task();
                task.run(|| {
                    signals::block(&[libc::SIGUSR1]);
                    before(&interrupter);
                    let mut cat = Command::new("cat");
                    panic!("{}", process::exec(cat.arg("/proc/self/status").stdout(tells)));
                });
            }));
            // SAFETY: no destructor or buffer of the parent's is to be run here.
            unsafe { libc::_exit(1) }
        }
    };
    drop(tells);
    let status = io::read_to_string(&mut told).unwrap();
    waitpid(child, None).unwrap();
    let lines = status.lines().filter_map(|line| line.split_once(":"));
    let sets = lines.filter(|(name, _)| ["SigPnd", "ShdPnd"].contains(name));
    let sets: Vec<_> = sets.map(|(_, set)| u64::from_str_radix(set.trim(), 16).unwrap()).collect();
    assert_eq!(sets.len(), 2, "{status}");
    sets[0] | sets[1]
}

#[test]
fn one_that_is_blocked_does_not_follow() {
    alone(|| {
        let asked = pending_after(|interrupter| drop(interrupter.interrupt()));
        assert_eq!(asked, 0);
    });
}

/// Nor does one that was on its way when the program took the signal for itself (S21).
#[test]
fn one_that_was_ours_before_does_not_follow() {
    alone(|| {
        let pending = pending_after(|interrupter| {
            interrupter.interrupt();
            assert!(signals::is_pending(gettid(), libc::SIGUSR1));
            signals::handle(libc::SIGUSR1, signals::count, libc::SA_RESTART, &[]);
            assert_eq!(eintr::support().signal, Some(libc::SIGUSR2));
        });
        assert_eq!(pending, 0);
    });
}

/// Without us it would.
#[test]
fn another_of_that_number_does() {
    alone(|| {
        let bit = 1 << (libc::SIGUSR1 - 1);
        let first = pending_after(|interrupter| {
            signals::send(gettid(), libc::SIGUSR1);
            interrupter.interrupt();
        });
        assert_eq!(first, bit);
        let to_the_process = pending_after(|interrupter| {
            interrupter.interrupt();
            signal::raise(Signal::SIGUSR1).unwrap();
            signal::kill(nix::unistd::getpid(), Signal::SIGUSR1).unwrap();
        });
        assert_eq!(to_the_process, bit);
    });
}

/// A command that cannot be run, and does `before` when everything else is done.
fn no_command(before: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Command {
    let mut command = Command::new("/nonexistent");
    // SAFETY: it runs in this process, which has all that it may need.
    unsafe { command.pre_exec(before) };
    command
}

fn fails(command: &mut Command) {
    assert_eq!(process::exec(command).kind(), io::ErrorKind::NotFound);
}

/// What is asked meanwhile waits, with no lock held; when there is no new program, the thread can be asked
/// as before.
#[test]
fn comes_back_and_is_asked() {
    alone(|| {
        for reach in [true, false] {
            Task::new().reach(reach).run(|| {
                let interrupter = Interrupter::current().unwrap();
                let requester = interrupter.clone();
                let mut command = no_command(move || {
                    let requester = requester.clone();
                    let ask = move || requester.interrupt().wait(Duration::ZERO);
                    let outcome = thread::spawn(ask).join().unwrap();
                    assert!(matches!(outcome, Outcome::Masked(_)), "{outcome:?}");
                    assert!(!eintr::report().is_empty());
                    assert!(checkpoint().is_ok());
                    Ok(())
                });
                let (reader, _writer) = pipe();
                for _ in 0..2 {
                    fails(&mut command);
                    assert!(came_back(&plain_read(&reader)));
                    assert!(is_interrupt(&own_read(&reader)));
                    assert!(take().is_some());
                }
                let tid = gettid();
                thread::scope(|scope| {
                    scope.spawn(|| {
                        wait_until_blocked(tid, libc::SYS_read);
                        interrupter.interrupt();
                    });
                    assert!(is_interrupt(&own_read(&reader)));
                });
            });
        }
    });
}

#[test]
fn comes_back_and_deadlines_stand() {
    alone(|| {
        let (reader, _writer) = pipe();
        let ended: Result<u8, Error> = timeout(Duration::from_millis(20), || {
            fails(&mut no_command(|| Ok(())));
            own_read(&reader)
        });
        assert!(ended.is_err());
        let ended: Result<u8, Error> = timeout(Duration::from_millis(20), || {
            fails(&mut no_command(|| {
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_millis(40) {
                    std::hint::spin_loop();
                }
                Ok(())
            }));
            own_read(&reader)
        });
        assert!(ended.is_err());
    });
}

/// An exec inside of another's `pre_exec`, and outside of any task.
#[test]
fn within_itself_and_without_a_task() {
    alone(|| {
        fails(&mut no_command(|| Ok(())));
        Task::new().run(|| {
            fails(&mut no_command(|| {
                fails(&mut no_command(|| Ok(())));
                Ok(())
            }));
            Interrupter::current().unwrap().interrupt();
            assert!(is_interrupt(&own_read(pipe().0)));
        });
        fails(&mut no_command(|| Ok(())));
    });
}
