//! What the service manager hears: each message, on a socket that the test has bound in its place.
//!
//! The tests here work like this: each runs in a process of its own, whose `NOTIFY_SOCKET` is the test's. Nothing is said of when a
//! message comes, but of which, and in what order.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc;
use std::time::Duration;

use eintr::termination::{self, Heartbeat, SIGHUP, SIGQUIT, SIGTERM};
use eintr::{Builder, Group};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;
use signal_hook::low_level::raise;
use test_support::child::{alone, limit_life};
use test_support::{emulated, gettid, wait_until_on_futex};

/// In the service manager's place.
struct Manager(UnixDatagram);

impl Manager {
    /// By an abstract name.
    fn new() -> Self {
        let name = format!("eintr-manager-{}", std::process::id());
        set("NOTIFY_SOCKET", &format!("@{name}"));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self(UnixDatagram::bind_addr(&address).unwrap())
    }

    fn next(&self) -> String {
        let mut buffer = [0; 8192];
        let length = self.0.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// As many messages as it has room for.
    fn fill(&self) {
        let address = self.0.local_addr().unwrap();
        let has_room = || {
            let sender = UnixDatagram::unbound().unwrap();
            sender.set_nonblocking(true).unwrap();
            sender.send_to_addr(b"X=1", &address).is_ok()
        };
        while has_room() {}
    }

    fn has_nothing(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        self.0.recv(&mut [0; 64]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// The next message that is so; those before it are handed out as well.
    fn next_that(&self, is_it: impl Fn(&str) -> bool) -> (Vec<String>, String) {
        let mut before = Vec::new();
        loop {
            let message = self.next();
            if is_it(&message) {
                return (before, message);
            }
            before.push(message);
        }
    }

    /// As long as the program does that again and again.
    fn next_while(&self, mut beat: impl FnMut()) -> String {
        self.0.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut buffer = [0; 8192];
        let length = loop {
            beat();
            match self.0.recv(&mut buffer) {
                Ok(length) => break length,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        };
        self.0.set_read_timeout(None).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
}

fn set(name: &str, value: &str) {
    // SAFETY: in a process of its own, before any other thread looks at the environment.
    unsafe { std::env::set_var(name, value) };
}

#[test]
fn a_reload_begins_and_ends() {
    alone(|| {
        let path = std::env::temp_dir().join(format!("eintr-manager-{}", std::process::id()));
        let manager = Manager(UnixDatagram::bind(&path).unwrap());
        set("NOTIFY_SOCKET", path.to_str().unwrap());
        let microseconds = || {
            let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
            (Duration::from(now).as_micros()) as u64
        };
        let reload = |ends: fn()| {
            let _reload =
                termination::on(&[SIGHUP], move |_| termination::reloading(ends)).unwrap();
            let before = microseconds();
            raise(SIGHUP).unwrap();
            let message = manager.next();
            let time: u64 =
                message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
            assert!((before..=microseconds()).contains(&time), "{message}");
            manager.next()
        };
        assert_eq!(reload(|| {}), "READY=1");
        assert_eq!(reload(|| panic!("on purpose")), "READY=1");
        // Once it stops it is not ready any more.
        let stopping = || {
            termination::stopping().unwrap();
            termination::reloading(|| {});
            termination::status("over").unwrap();
        };
        assert_eq!(reload(stopping), "STOPPING=1");
        let (before, _) = manager.next_that(|message| message == "STATUS=over");
        assert!(before.iter().all(|message| message.starts_with("RELOADING=1\n")), "{before:?}");
        std::fs::remove_file(path).unwrap();
    });
}

/// As a program does whose children are not to find it there. No other thread reads the environment meanwhile.
#[test]
fn the_environment_is_read_by_who_calls() {
    alone(|| {
        let manager = Manager::new();
        let (task, interrupter) = eintr::task();
        let _registration = termination::interrupt_on(&[SIGTERM], interrupter).unwrap();
        // SAFETY: in a process of its own, whose other threads look at no environment.
        unsafe { std::env::remove_var("NOTIFY_SOCKET") };
        raise(SIGTERM).unwrap();
        assert_eq!(manager.next(), "STOPPING=1");
        drop(task);
    });
}

#[test]
fn a_text_is_one_line_and_not_too_long() {
    alone(|| {
        assert!(!termination::status("nobody listens").unwrap());
        let manager = Manager::new();
        assert!(termination::status("ready\nMAINPID=1\x1b[2J").unwrap());
        assert_eq!(manager.next(), "STATUS=ready\\nMAINPID=1\\u{1b}[2J");
        termination::status(&"ä".repeat(10_000)).unwrap();
        let long = manager.next();
        assert!(long.ends_with("ä...") && long.len() < 2048, "{long}");
        termination::extend(Duration::from_millis(2500)).unwrap();
        assert_eq!(manager.next(), "EXTEND_TIMEOUT_USEC=2500000");
    });
}

/// A member of the group that ends when it is let go of, whatever it is asked; it waits for that.
fn stubborn(group: &Group, name: &str) -> (mpsc::Sender<()>, eintr::JoinHandle<()>) {
    let (release, released) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let wait = move || {
        eintr::mask(|| {
            tell.send(gettid()).unwrap();
            released.recv().unwrap();
        });
    };
    let member = group.spawn_with(Builder::new().name(name.into()), wait).unwrap();
    wait_until_on_futex(told.recv().unwrap());
    (release, member)
}

fn end((release, thread): (mpsc::Sender<()>, eintr::JoinHandle<()>)) {
    release.send(()).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_stop_that_goes_on_is_given_time() {
    alone(|| {
        let manager = Manager::new();
        let group = Group::new();
        let [first, second] = ["first", "two\nMAINPID=1"].map(|name| stubborn(&group, name));
        let _end = termination::interrupt_on(&[SIGTERM], &group).unwrap();
        raise(SIGTERM).unwrap();
        assert_eq!(manager.next(), "STOPPING=1");
        let message = manager.next();
        let rest = message.strip_prefix("STATUS=stopping: 2 tasks have not ended: ").unwrap();
        assert!(rest.contains("first: ") && rest.contains("two\\nMAINPID=1: "), "{rest}");
        assert!(!rest.contains('\n') && (emulated() || rest.contains("futex")), "{rest}");
        // What has begun after the signal is no reason to wait longer.
        end(stubborn(&group, "late"));
        for _ in 0..2 {
            assert!(manager.next().starts_with("STATUS=stopping: "));
        }
        end(first);
        let (before, message) = manager.next_that(|message| message.starts_with("EXTEND_"));
        assert!(
            before.iter().all(|message| message.starts_with("STATUS=stopping: ")),
            "{before:?}"
        );
        let (time, status) = message.split_once('\n').unwrap();
        assert!(time.strip_prefix("EXTEND_TIMEOUT_USEC=").unwrap().parse::<u32>().unwrap() > 0);
        assert!(status.starts_with("STATUS=stopping: 1 task has not ended: two\\n"), "{status}");
        end(second);
        let (_, message) = manager.next_that(|message| message.starts_with("EXTEND_"));
        assert!(message.ends_with("\nSTATUS=stopping: all tasks have ended"), "{message}");
    });
}

#[test]
fn of_many_some_are_named() {
    alone(|| {
        let manager = Manager::new();
        let group = Group::new();
        let name = "n".repeat(200);
        let all: Vec<_> = (0..100).map(|_| stubborn(&group, &name)).collect();
        let _end = termination::interrupt_on(&[SIGTERM], &group).unwrap();
        raise(SIGTERM).unwrap();
        let (_, message) = manager.next_that(|message| message.starts_with("STATUS="));
        assert!(message.contains("100 tasks have not ended: nnn"), "{message}");
        assert!(message.len() < 2048, "{message}");
        all.into_iter().for_each(end);
    });
}

/// One that does not read holds up neither an interrupt nor a closure; and hears of the stop when it reads.
#[test]
fn a_manager_that_hangs_is_not_waited_for() {
    alone(|| {
        let manager = Manager::new();
        manager.fill();
        let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
        let _end = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        let (tell, told) = mpsc::channel();
        let _dump = termination::on(&[SIGQUIT], move |_| tell.send(()).unwrap()).unwrap();
        raise(SIGTERM).unwrap();
        worker.join().unwrap().unwrap_err();
        raise(SIGQUIT).unwrap();
        told.recv().unwrap();
        // (Its only task may have ended before the stop was looked at: then no time is asked for.)
        let is_it = |message: &str| {
            message.starts_with("STOPPING=1\n") && message.ends_with("all tasks have ended")
        };
        manager.next_that(is_it);
    });
}

const FED: &str = "WATCHDOG=1";

fn is_missing(message: &str, who: &str) -> bool {
    message.strip_prefix("STATUS=no heartbeat").is_some_and(|rest| rest.contains(who))
}

#[test]
fn the_watchdog_is_fed_by_heartbeats_alone() {
    alone(|| {
        set("WATCHDOG_USEC", "200000");
        set("WATCHDOG_PID", &std::process::id().to_string());
        let manager = Manager::new();
        termination::status("serving").unwrap();
        assert_eq!(manager.next(), "STATUS=serving");

        let heartbeat = Heartbeat::new("accept").unwrap();
        // (Where this thread was kept waiting, it is missing for a moment.)
        let fed = |heartbeat: &Heartbeat| {
            let message = manager.next_while(|| heartbeat.beat());
            message == FED || message == "WATCHDOG=1\nSTATUS=serving"
        };
        for _ in 0..3 {
            while !fed(&heartbeat) {}
        }
        // It hangs.
        let mut messages: Vec<_> = (0..5).map(|_| manager.next()).collect();
        messages.retain(|message| !is_missing(message, "of accept: "));
        assert!(messages.len() <= 2, "fed by nobody's heart: {messages:?}");
        heartbeat.beat();
        let (_, message) = manager.next_that(|message| message.starts_with(FED));
        assert_eq!(message, "WATCHDOG=1\nSTATUS=serving");
        // It waits for work.
        heartbeat.idle(|| {
            for _ in 0..3 {
                manager.next_that(|message| message.starts_with(FED));
            }
        });

        // Another is missing.
        let other = Heartbeat::new("journal").unwrap();
        while !is_missing(&manager.next_while(|| heartbeat.beat()), "journal") {}
        for _ in 0..3 {
            assert!(is_missing(&manager.next_while(|| heartbeat.beat()), "journal"));
        }
        drop(other);
        while !fed(&heartbeat) {}

        // One has panicked.
        let body = || {
            let _heartbeat = Heartbeat::new("writer").unwrap();
            panic!("on purpose");
        };
        std::thread::spawn(body).join().unwrap_err();
        while !is_missing(&manager.next_while(|| heartbeat.beat()), "writer") {}
        assert!(is_missing(&manager.next_while(|| heartbeat.beat()), "writer"));

        // None is left that could be asked.
        termination::stopping().unwrap();
        manager.next_that(|message| message == "STOPPING=1");
    });
}

/// When the thread takes the second signal, it has been through with all else after the first.
fn let_the_thread_look() {
    let (tell, told) = mpsc::channel();
    let _look = termination::on(&[SIGHUP], move |_| tell.send(()).unwrap()).unwrap();
    for _ in 0..2 {
        raise(SIGHUP).unwrap();
        told.recv().unwrap();
    }
}

/// A thread that ends in the middle of its idle wait, without unwinding, does not wait for ever.
#[test]
fn an_idle_part_whose_thread_has_gone_is_missing() {
    alone(|| {
        set("WATCHDOG_USEC", "200000");
        let manager = Manager::new();
        let heartbeat = Heartbeat::new("accept").unwrap();
        std::thread::spawn(move || {
            // SAFETY: what it leaves behind is a closure without destructors, and the heartbeat.
            heartbeat.idle(|| unsafe { libc::syscall(libc::SYS_exit, 0) })
        });
        manager.next_that(|message| is_missing(message, "accept"));
    });
}

/// What it had no room for it hears later, without another beat.
#[test]
fn a_beat_that_could_not_be_told_counts_again() {
    alone(|| {
        set("WATCHDOG_USEC", "200000");
        let manager = Manager::new();
        manager.fill();
        let _heartbeat = Heartbeat::new("accept").unwrap();
        let_the_thread_look();
        manager.next_that(|message| message.starts_with(FED));
    });
}

#[test]
fn another_processs_watchdog_is_not_fed() {
    alone(|| {
        set("WATCHDOG_USEC", "200000");
        set("WATCHDOG_PID", "1");
        let manager = Manager::new();
        let heartbeat = Heartbeat::new("accept").unwrap();
        heartbeat.beat();
        let_the_thread_look();
        assert!(manager.has_nothing());
    });
}

/// What is idle in the parent would be idle in the child for ever.
#[test]
fn a_child_does_not_feed_its_parents_watchdog() {
    alone(|| {
        set("WATCHDOG_USEC", "200000");
        let manager = Manager::new();
        let heartbeat = Heartbeat::new("accept").unwrap();
        assert_eq!(manager.next(), FED);
        // SAFETY: the child ends by `_exit`.
        heartbeat.idle(|| match unsafe { nix::unistd::fork() }.unwrap() {
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 7));
            }
            ForkResult::Child => {
                limit_life();
                let ended = std::panic::catch_unwind(|| {
                    let manager = Manager::new();
                    let_the_thread_look();
                    manager.has_nothing()
                });
                // SAFETY: nothing runs after it.
                unsafe { libc::_exit(if let Ok(true) = ended { 7 } else { 1 }) };
            }
        });
    });
}
