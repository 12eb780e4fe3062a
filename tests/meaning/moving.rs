//! A handler that comes after ours and forgets us (S21): the library moves to a signal that is free, unless
//! the program has chosen the one that it uses.
//!
//! The tests here work like this: a process interrupts a thread, and so has a signal in use. Then it
//! takes that away, in the ways in which programs do, and interrupts others.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use eintr::{Error, Interrupter, Outcome, Signal, checkpoint, timeout, within};
use libc::{SIGUSR1, SIGUSR2, c_int};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use test_support::child::{alone, limit_life};
use test_support::target::{
    came_back, is_interrupt, own_read, pipe, plain_read, rest, target, unreached,
};
use test_support::{
    LIMIT, gettid, signals, skipped_under_emulation, wait_until, wait_until_blocked,
};

const READ: i64 = libc::SYS_read;
const SOON: Duration = Duration::from_millis(30);

/// A request arrives in each kind of call, and is known to.
fn requests_arrive() {
    let (reader, _writer) = pipe();
    let fds: Vec<_> = (0..3).map(|_| reader.try_clone().unwrap()).collect();
    let [own, reached, plain] = fds.try_into().unwrap();
    let own = target(move || own_read(own)).blocked_in(READ).interrupted();
    assert!(is_interrupt(&own.result()));
    let reached = target(move || plain_read(reached)).blocked_in(READ).interrupted();
    assert!(came_back(&reached.result()));
    // Nobody sees that one.
    let plain = unreached(move || plain_read(plain)).blocked_in(READ);
    plain.thread.interrupt();
    assert!(came_back(&plain.result()));
}

/// The default action, as `signal(SIGUSR1, SIG_DFL)` has it.
fn forget(signal: c_int) {
    let mut action = signals::action(signal);
    action.sa_sigaction = libc::SIG_DFL;
    signals::set_action(signal, &action);
}

fn in_use() -> c_int {
    requests_arrive();
    let number = signals::ours();
    assert_eq!(number, SIGUSR1);
    number
}

/// Where a test moves twice. The emulator takes actions for signals 63 and 64, and sends neither.
fn is_left_out(test: &str) -> bool {
    skipped_under_emulation(test, "signal 64 cannot be sent there")
}

#[test]
fn the_default_action() {
    if is_left_out("the_default_action") {
        return;
    }
    alone(|| {
        forget(in_use());
        requests_arrive();
        assert_eq!(signals::ours(), SIGUSR2);
        forget(SIGUSR2);
        let moved_to = eintr::support().signal.unwrap();
        assert_eq!(moved_to, signals::ours());
        assert!(![SIGUSR1, SIGUSR2].contains(&moved_to));
        requests_arrive();
    });
}

#[test]
fn ignored() {
    alone(|| {
        signals::ignore(in_use());
        requests_arrive();
        assert_eq!(signals::ours(), SIGUSR2);
    });
}

#[test]
fn a_handler_that_does_not_know_us() {
    alone(|| {
        signals::handle(in_use(), signals::count, libc::SA_RESTART, &[]);
        requests_arrive();
        assert_eq!(signals::RUNS.load(SeqCst), 0);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(signals::RUNS.load(SeqCst), 1, "what comes from outside");
    });
}

#[test]
fn again_and_again() {
    if is_left_out("again_and_again") {
        return;
    }
    alone(|| {
        for _ in 0..8 {
            requests_arrive();
            forget(signals::ours());
        }
        requests_arrive();
    });
}

/// A shot that comes for nobody any more sets the timer for the deadline that stands.
#[test]
fn a_shot_that_led_to_another() {
    if is_left_out("a_shot_that_led_to_another") {
        return;
    }
    alone(|| {
        in_use();
        let (reader, _writer) = pipe();
        let stuck = target(move || {
            timeout::<_, Error>(100 * SOON, || {
                within(10 * SOON, || ());
                own_read(reader)
            })
        });
        let stuck = stuck.blocked_in(READ);
        signals::ignore(SIGUSR1);
        rest(12 * SOON);
        requests_arrive();
        assert!(stuck.result().is_err());
    });
}

static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// It takes the request of which it is told; then nothing waits for its end any more.
extern "C" fn ask_and_take(_: c_int) {
    Interrupter::current().unwrap().interrupt();
    eintr::take();
    IS_OPEN.store(!signals::blocked().contains(&SIGUSR1), SeqCst);
}

/// One that was ours before is the program's to block.
#[test]
fn what_is_deferred_is_the_one_in_use() {
    if is_left_out("what_is_deferred_is_the_one_in_use") {
        return;
    }
    alone(|| {
        signals::ignore(in_use());
        requests_arrive();
        signals::handle(libc::SIGHUP, ask_and_take, libc::SA_RESTART, &[]);
        let (reader, writer) = pipe();
        let stuck = target(move || {
            signals::block(&[SIGUSR1]);
            own_read(reader)
        });
        let stuck = stuck.blocked_in(READ);
        signals::send(stuck.tid, libc::SIGHUP);
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(stuck.result().unwrap(), b'x');
        assert!(!IS_OPEN.load(SeqCst));
    });
}

/// Those that were asked before are told once more: what was on its way has gone with the handler.
#[test]
fn what_was_pending() {
    alone(|| {
        in_use();
        let (reader, _writer) = pipe();
        let (again, is_asked) = std::sync::mpsc::channel();
        let lost = target(move || {
            signals::block(&[SIGUSR1]);
            is_asked.recv().unwrap();
            signals::unblock(&[SIGUSR1]);
            plain_read(reader)
        });
        wait_until("it blocks the signal", || signals::is_blocked(lost.tid, SIGUSR1));
        lost.thread.interrupt();
        assert!(signals::is_pending(lost.tid, SIGUSR1));
        // The kernel throws away what is pending.
        signals::ignore(SIGUSR1);
        again.send(()).unwrap();
        wait_until_blocked(lost.tid, READ);
        requests_arrive();
        assert!(came_back(&lost.result()));
    });
}

#[test]
fn one_that_somebody_waits_for_is_left_alone() {
    if is_left_out("one_that_somebody_waits_for_is_left_alone") {
        return;
    }
    alone(|| {
        in_use();
        // In this thread too, as whoever waits for signals has it.
        signals::block(&[SIGUSR2]);
        let (told, tid) = std::sync::mpsc::channel();
        let waiter = thread::spawn(move || {
            told.send(gettid()).unwrap();
            let mut number = 0;
            // SAFETY: the set and the number are borrowed.
            unsafe { libc::sigwait(&signals::set_of(&[SIGUSR2]), &mut number) };
            number
        });
        let tid = tid.recv().unwrap();
        wait_until_blocked(tid, libc::SYS_rt_sigtimedwait);
        forget(SIGUSR1);
        requests_arrive();
        assert!(![SIGUSR1, SIGUSR2].contains(&signals::ours()));
        signals::send(tid, SIGUSR2);
        assert_eq!(waiter.join().unwrap(), SIGUSR2);
    });
}

/// A thread that had blocked all signals before its task began, for which ours was opened, does not see
/// another one. It keeps nobody from moving, and its report says why it stays.
#[test]
fn a_thread_that_blocks_the_next_one_too() {
    if is_left_out("a_thread_that_blocks_the_next_one_too") {
        return;
    }
    alone(|| {
        in_use();
        let (reader, writer) = pipe();
        let (tell, told) = std::sync::mpsc::channel();
        let (task, requester) = eintr::task();
        let cut_off = thread::spawn(move || {
            signals::change_mask(libc::SIG_SETMASK, &signals::full());
            task.run(|| {
                tell.send(gettid()).unwrap();
                let read = own_read(reader);
                (read, checkpoint().is_err())
            })
        });
        wait_until_blocked(told.recv().unwrap(), READ);
        signals::ignore(SIGUSR1);
        requests_arrive();
        let outcome = requester.interrupt().wait(Duration::ZERO);
        let Outcome::Stuck(report) = outcome else { panic!("{outcome:?}") };
        assert!(report.to_string().contains("blocks"), "{report}");
        nix::unistd::write(&writer, b"x").unwrap();
        assert!(matches!(cut_off.join().unwrap(), (Ok(b'x'), true)));
    });
}

/// A deadline looks as well, where its timer is set.
#[test]
fn deadlines() {
    if is_left_out("deadlines") {
        return;
    }
    alone(|| {
        let (reader, _writer) = pipe();
        forget(in_use());
        let ended: Result<u8, Error> = timeout(SOON, || own_read(&reader));
        assert!(ended.is_err());
        let number = signals::ours();
        assert_ne!(number, SIGUSR1);
        signals::ignore(number);
        let reached = within(SOON, || plain_read(&reader));
        assert!(came_back(&reached.value));
        signals::handle(signals::ours(), signals::count, 0, &[]);
        let plain = within(SOON, || eintr::without_reach(|| plain_read(&reader)));
        assert!(came_back(&plain.value));
        assert_eq!(signals::RUNS.load(SeqCst), 0);
    });
}

/// How many timers of this process send that signal; none where the kernel does not tell.
fn timers_of(signal: c_int) -> Option<usize> {
    let timers = fs::read_to_string("/proc/self/timers").ok()?;
    let of_it = format!("signal: {signal}/");
    Some(timers.lines().filter(|line| line.starts_with(&of_it)).count())
}

/// Timers that stood before are made anew, each for the time that it has left.
#[test]
fn a_thousand_threads_with_timers() {
    if skipped_under_emulation("a_thousand_threads_with_timers", "it has 32 timers") {
        return;
    }
    alone(|| {
        const THREADS: usize = 1000;
        let number = in_use();
        let (reader, _writer) = pipe();
        let soon = Duration::from_secs(3);
        let all: Vec<_> = (0..THREADS)
            .map(|index| {
                let reader = reader.try_clone().unwrap();
                let limit = if index % 2 == 0 { soon } else { 100 * LIMIT };
                let builder = eintr::Builder::new().stack_size(64 << 10).reach(index % 4 < 2);
                let body = move || timeout::<_, Error>(limit, || own_read(reader));
                builder.spawn(body).unwrap()
            })
            .collect();
        let timers = || timers_of(number).is_none_or(|timers| timers >= THREADS);
        wait_until("all have timers, or have ended", || {
            timers() || all.iter().any(|thread| thread.is_finished())
        });
        signals::ignore(number);
        requests_arrive();
        assert_eq!(timers_of(number).unwrap_or(0), 0);
        for (index, thread) in all.into_iter().enumerate() {
            if index % 2 != 0 {
                thread.interrupt();
            }
            assert!(thread.join().unwrap().is_err());
        }
    });
}

#[test]
fn many_requesters_at_once() {
    if is_left_out("many_requesters_at_once") {
        return;
    }
    alone(|| {
        in_use();
        for _ in 0..5 {
            let (reader, _writer) = pipe();
            let stuck: Vec<_> = (0..16)
                .map(|_| {
                    let reader = reader.try_clone().unwrap();
                    target(move || plain_read(reader)).blocked_in(READ)
                })
                .collect();
            let start = Barrier::new(stuck.len() + 1);
            thread::scope(|scope| {
                for target in &stuck {
                    scope.spawn(|| {
                        start.wait();
                        target.thread.interrupt();
                    });
                }
                forget(signals::ours());
                start.wait();
            });
            stuck.into_iter().for_each(|target| assert!(came_back(&target.result())));
        }
    });
}

#[test]
fn a_child_moves_by_itself() {
    alone(|| {
        forget(in_use());
        // SAFETY: the child runs eintr, threads and pipes, which glibc keeps in order, and ends by `_exit`.
        let child = match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                limit_life();
                requests_arrive();
                // SAFETY: no destructor or buffer of the parent's is to be run here.
                unsafe { libc::_exit(0) }
            }
        };
        assert!(matches!(waitpid(child, None).unwrap(), WaitStatus::Exited(_, 0)));
        requests_arrive();
    });
}

/// After the program's own choice there is no other: it is told, and nobody dies.
#[test]
fn a_chosen_one_is_undeliverable() {
    alone(|| {
        eintr::install(Signal::USR1).unwrap();
        in_use();
        forget(SIGUSR1);
        for ignored in [false, true] {
            if ignored {
                signals::ignore(SIGUSR1);
            }
            let (reader, writer) = pipe();
            let stuck = target(move || (own_read(reader).is_ok(), checkpoint().is_err()));
            let stuck = stuck.blocked_in(READ);
            let support = eintr::support();
            assert_eq!(support.own_calls, eintr::Road::Absent);
            assert_eq!(support.own_calls_obstacle, Some(eintr::Obstacle::HandlerReplaced));
            let outcome = stuck.thread.interrupt().wait(Duration::ZERO);
            assert!(matches!(outcome, Outcome::Undeliverable(_)), "{outcome:?}");
            nix::unistd::write(&writer, b"x").unwrap();
            assert_eq!(stuck.result(), (true, true));
            // Its shot would be the process's end.
            assert!(within(SOON, || rest(2 * SOON)).expired);
        }
        assert_eq!(signals::ours(), SIGUSR1);
    });
}
