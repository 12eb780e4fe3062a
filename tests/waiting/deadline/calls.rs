//! What a deadline interrupts: our own calls, plain ones (by EINTR), and code that computes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use eintr::{TimedOut, remaining, timeout, timeout_at, within, without_reach};
use nix::errno::Errno;
use test_support::watched;

use super::{HOUR, SHORT, Told, assert_told_before, pipe, read_in_vain};

#[test]
fn read_is_interrupted_in_time() {
    watched("read", || {
        let start = Instant::now();
        assert_eq!(timeout(SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
        assert!(start.elapsed() >= SHORT, "too early: {:?}", start.elapsed());
    });
}

#[test]
fn sleep_is_interrupted_in_time() {
    watched("sleep", || {
        let start = Instant::now();
        assert_eq!(timeout(SHORT, || Ok(eintr::time::sleep(HOUR)?)), Err(Told::TimedOut));
        assert!(start.elapsed() >= SHORT, "too early: {:?}", start.elapsed());
    });
}

#[test]
fn what_is_ready_is_not_lost() {
    watched("nothing lost", || {
        let (reader, mut writer) = pipe();
        writer.write_all(b"x").unwrap();
        let told = timeout(Duration::ZERO, || Ok(eintr::io::read(&reader, &mut [0])?));
        assert_eq!(told, Err(Told::TimedOut));
        assert_eq!(eintr::io::read(&reader, &mut [0; 2]).unwrap(), 1);
    });
}

/// A short deadline, then a long one in the same thread: the signal for the first must not end a
/// call of the second.
#[test]
fn a_shot_that_comes_too_early_disturbs_no_call() {
    watched("an early shot", || {
        let (reader, mut writer) = pipe();
        within(SHORT, || ());
        let writes = std::thread::spawn(move || {
            std::thread::sleep(3 * SHORT);
            writer.write_all(b"x").unwrap();
        });
        let told = timeout(HOUR, || Ok(eintr::io::read(&reader, &mut [0])?));
        assert_eq!(told, Ok::<_, Told>(1));
        writes.join().unwrap();
    });
}

/// The timer stands at the first one, which has ended by the time it goes off, and must be set on
/// from there.
#[test]
fn a_shot_that_comes_too_early_sets_the_timer_on() {
    watched("an early shot sets on", || {
        let start = Instant::now();
        within(SHORT, || ());
        assert_eq!(timeout(3 * SHORT, || Ok(read_in_vain()?)), Err(Told::TimedOut));
        assert!(start.elapsed() >= 3 * SHORT, "too early: {:?}", start.elapsed());
    });
}

#[test]
fn a_shorter_one_inside_a_longer_one_and_the_rest_of_that() {
    watched("shorter inside longer", || {
        let start = Instant::now();
        let outer = start + 4 * SHORT;
        let told = timeout_at(outer, || {
            assert_told_before(outer, timeout(SHORT, || Ok(read_in_vain()?)));
            Ok(read_in_vain()?)
        });
        assert_eq!(told, Err(Told::TimedOut));
        assert!(start.elapsed() >= 4 * SHORT, "too early: {:?}", start.elapsed());
    });
}

#[test]
fn a_chain_of_calls_has_one_budget() {
    watched("a chain", || {
        let start = Instant::now();
        let mut naps = 0;
        let told = timeout(5 * SHORT, || -> Result<(), Told> {
            loop {
                let left = remaining().unwrap();
                eintr::time::sleep(SHORT)?;
                naps += 1;
                assert!(remaining().unwrap() < left, "it is one budget");
            }
        });
        assert_eq!(told, Err(Told::TimedOut));
        assert!(start.elapsed() >= 5 * SHORT && naps <= 5, "{naps} in {:?}", start.elapsed());
    });
}

#[test]
fn a_loop_that_computes_stops_at_a_checkpoint() {
    watched("a computing loop", || {
        let told = timeout(SHORT, || -> Result<u64, Told> {
            let mut sum = 0_u64;
            loop {
                eintr::checkpoint()?;
                sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
            }
        });
        assert_eq!(told, Err(Told::TimedOut));
    });
}

fn plain_read(fd: impl AsFd) -> Result<usize, Errno> {
    nix::unistd::read(fd, &mut [0])
}

/// Code that handles EINTR and then checks (P11).
#[test]
fn a_plain_call_gets_eintr() {
    watched("a plain call", || {
        let (reader, _writer) = pipe();
        let told = without_reach(|| {
            timeout(SHORT, || {
                assert_eq!(plain_read(&reader), Err(Errno::EINTR));
                Ok::<_, Told>(eintr::checkpoint()?)
            })
        });
        assert_eq!(told, Err(Told::TimedOut));
    });
}

/// Where no task runs, the outermost deadline has plain calls reached, unless that was turned off.
#[test]
fn a_plain_loop_of_stds_ends_in_any_thread() {
    watched("a plain loop", || {
        let (reader, _writer) = pipe();
        let mut lines = BufReader::new(reader);
        for nested in [false, true] {
            let mut read = || lines.read_line(&mut String::new());
            let told = timeout(SHORT, || match nested {
                true => timeout(Duration::MAX, read),
                false => read(),
            });
            assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        let (reader, _writer) = pipe();
        let (task, _) = eintr::task();
        let told = task.reach(false).run(|| within(SHORT, || plain_read(&reader)));
        assert_eq!(told.value, Err(Errno::EINTR), "the task has it off");
    });
}

/// Where the thread is armed before the call begins, no signal of that moment ends it, but those
/// that follow.
#[test]
fn a_plain_call_that_begins_late_gets_eintr() {
    watched("a late plain call", || {
        let (reader, _writer) = pipe();
        without_reach(|| {
            within(Duration::ZERO, || assert_eq!(plain_read(&reader), Err(Errno::EINTR)));
            // The inner one passes in a call of ours, and the outer one's time comes with it.
            let deadline = Instant::now() + SHORT;
            let both = timeout_at(deadline, || {
                drop(timeout_at(deadline, || Ok::<_, Told>(read_in_vain()?)));
                assert_eq!(plain_read(&reader), Err(Errno::EINTR));
                Ok::<_, TimedOut>(())
            });
            assert_eq!(both, Ok(()));
        });
    });
}

#[test]
fn plain_calls_after_the_end_are_left_alone() {
    watched("after the end", || {
        let (reader, mut writer) = pipe();
        within(SHORT, || plain_read(&reader).unwrap_err());
        // Nor does the first of these end with EINTR: its shot comes while the read waits.
        within(SHORT, || ());
        let writes = std::thread::spawn(move || {
            std::thread::sleep(5 * SHORT);
            writer.write_all(b"x").unwrap();
        });
        assert_eq!(plain_read(&reader), Ok(1));
        writes.join().unwrap();
    });
}

/// Plain std code that does not retry.
#[test]
fn plain_waits_for_locks_and_connections_get_eintr() {
    watched("locks and connections", || without_reach(wait_for_locks_and_connections));
}

fn wait_for_locks_and_connections() {
    let path = std::env::temp_dir().join(format!("eintr-deadline-{}", std::process::id()));
    let [held, wanted] = [(); 2].map(|()| File::create(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    nix::fcntl::Flock::lock(held, nix::fcntl::FlockArg::LockExclusive).map_or_else(
        |(_, errno)| panic!("{errno}"),
        |_held| {
            within(SHORT, || {
                let arg = nix::fcntl::FlockArg::LockExclusive;
                let (_, errno) = nix::fcntl::Flock::lock(wanted, arg).unwrap_err();
                assert_eq!(errno, Errno::EINTR);
            });
        },
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    within(SHORT, || {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&listener);
        assert_eq!(nix::sys::socket::accept(fd), Err(Errno::EINTR));
    });
}

/// A reader of std's over ours: its loops do not retry what a deadline raises.
#[test]
fn lines_end_at_the_deadline() {
    struct Ours(File);
    impl io::Read for Ours {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(eintr::io::read(&self.0, buffer)?)
        }
    }
    watched("lines", || {
        let (reader, mut writer) = pipe();
        writer.write_all(b"one\ntwo\nhal").unwrap();
        let mut lines = Vec::new();
        let told = timeout(SHORT, || -> io::Result<()> {
            for line in io::BufReader::new(Ours(reader)).lines() {
                lines.push(line?);
            }
            Ok(())
        });
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(lines, ["one", "two"]);
    });
}
