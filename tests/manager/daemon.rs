//! The daemon of the examples always stops.
//!
//! The tests here work like this: they run it as a process, talk to it over TCP as clients that are
//! idle, have sent half a line, or flood it, and end it at a random moment. Its exit status is
//! looked at, what the clients are told, and that nothing is left: no pid file, no lock, no child.
//! The test's process is where orphans go, so a child that was left behind would be found.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use test_support::child::{alone, itself};
use test_support::{emulated, rounds, skipped_under_emulation, wait_until};

const BYE: &str = "bye: interrupted by SIGTERM\n";

/// The daemon, in a directory of its own.
struct Daemon {
    process: Child,
    output: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Daemon {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With that in its environment.
    fn start_with(environment: &[(&str, &str)]) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("eintr-daemon-{}-{number}", std::process::id());
        let directory = env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let mut command = program();
        command.envs(environment.iter().copied());
        command.arg("127.0.0.1:0").arg(&directory).stdin(Stdio::null());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output, directory }
    }

    /// Where it listens.
    fn address(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().strip_prefix("listening on ").expect("it says where").to_owned()
    }

    fn journal(&self) -> PathBuf {
        self.directory.join("eintr-daemon.journal")
    }

    fn pid_file(&self) -> PathBuf {
        self.directory.join("eintr-daemon.pid")
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    /// How many of its threads are in that syscall.
    fn threads_in(&self, syscall: i64) -> usize {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap().flatten();
        let calls =
            threads.filter_map(|thread| fs::read_to_string(thread.path().join("syscall")).ok());
        calls.filter(|call| call.starts_with(&format!("{syscall} "))).count()
    }

    fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    /// Waits for its end. Its status, its last words, and its complaints.
    fn end(mut self) -> (ExitStatus, String, String) {
        let mut words = String::new();
        self.output.read_to_string(&mut words).unwrap();
        let mut complaints = String::new();
        self.process
            .stderr
            .take()
            .map(|mut stderr| stderr.read_to_string(&mut complaints).unwrap());
        let status = self.process.wait().unwrap();
        assert!(!self.pid_file().exists(), "it has left its pid file: {words}{complaints}");
        if self.journal().exists() {
            File::open(self.journal()).unwrap().try_lock().expect("it has left its lock");
        }
        assert_eq!(waitpid(None::<Pid>, None), Err(Errno::ECHILD), "it has left a child");
        fs::remove_dir_all(&self.directory).unwrap();
        (status, words, complaints)
    }

    fn ends_well(self) {
        let (status, words, complaints) = self.end();
        assert!(status.success(), "{status}: {words}{complaints}");
        assert!(
            words.ends_with("nobody is left\n") && complaints.is_empty(),
            "{words}{complaints}"
        );
    }
}

/// The example beside this test.
fn program() -> Command {
    let test = itself().expect("it is known how to run it");
    let is_test = |path: &Path| path.starts_with(env::current_exe().unwrap().parent().unwrap());
    let deps = env::current_exe().unwrap();
    let example = deps.parent().unwrap().parent().unwrap().join("examples/daemon");
    assert!(example.exists(), "`cargo test` builds it, or `cargo build --example daemon`");
    // With the runner that runs the test, if there is one.
    if is_test(Path::new(test.get_program())) {
        return Command::new(example);
    }
    let mut command = Command::new(test.get_program());
    command.args(test.get_args().filter(|word| !is_test(Path::new(word)))).arg(example);
    command
}

/// Orphans of this process come back to it.
fn adopt_orphans() {
    if skipped_under_emulation("orphans", "they cannot be adopted") {
        return;
    }
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
}

/// A client that has been greeted: from then on it must be told.
fn client(address: &str) -> BufReader<TcpStream> {
    let mut client = BufReader::new(TcpStream::connect(address).unwrap());
    assert_eq!(line(&mut client), "hello\n");
    client
}

fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    line
}

/// A client that has sent that.
fn that_sent(address: &str, text: &str) -> BufReader<TcpStream> {
    let mut client = client(address);
    client.get_mut().write_all(text.as_bytes()).unwrap();
    client
}

/// Sends requests until the connection ends; the last line that it hears, if it listens at all.
fn flood(address: &str, listens: bool) -> thread::JoinHandle<Option<String>> {
    let mut client = client(address);
    let mut sender = client.get_ref().try_clone().unwrap();
    let sending = thread::spawn(move || while sender.write_all(b"primes 10\n").is_ok() {});
    thread::spawn(move || {
        let (mut line, mut last) = (String::new(), None);
        while listens && client.read_line(&mut line).is_ok_and(|length| length > 0) {
            last = Some(std::mem::take(&mut line));
        }
        if listens {
            let _ = client.get_ref().shutdown(std::net::Shutdown::Both);
        }
        sending.join().unwrap();
        last
    })
}

/// Numbers that differ from trial to trial.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *seed >> 33
}

/// Lets a random time of at most that many microseconds go by.
fn a_moment(seed: &mut u64, most: u64) {
    let (start, moment) = (Instant::now(), Duration::from_micros(random(seed) % most));
    while start.elapsed() < moment {
        std::hint::spin_loop();
    }
}

#[test]
fn it_answers_and_forgets() {
    alone(|| {
        adopt_orphans();
        let mut daemon = Daemon::start();
        let address = daemon.address();
        let pid = fs::read_to_string(daemon.pid_file()).unwrap();
        assert!(emulated() || pid.trim() == daemon.process.id().to_string());
        let before = daemon.descriptors();
        for _ in 0..20 {
            let mut client = client(&address);
            let dialogue = [
                ("primes 100\n", "25\n"),
                ("nap 0\n", "exit status: 0\n"),
                ("note it works\n", "noted\n"),
                ("primes many\n", "error: invalid digit found in string\n"),
                ("?\n", "what? primes NUMBER, nap SECONDS, note TEXT, counts\n"),
            ];
            for (request, answer) in dialogue {
                client.get_mut().write_all(request.as_bytes()).unwrap();
                assert_eq!(line(&mut client), answer);
            }
        }
        wait_until("its connections are closed", || daemon.descriptors() == before);
        assert_eq!(fs::read_to_string(daemon.journal()).unwrap(), "it works\n".repeat(20));
        daemon.signal(Signal::SIGINT);
        daemon.ends_well();
    });
}

#[test]
fn it_dumps_its_threads_at_sigquit() {
    alone(|| {
        adopt_orphans();
        let mut daemon = Daemon::start();
        let address = daemon.address();
        let mut idle = client(&address);
        let name = idle.get_ref().local_addr().unwrap().to_string();
        let mut complaints = BufReader::new(daemon.process.stderr.take().unwrap());
        daemon.signal(Signal::SIGQUIT);
        let mut seen = String::new();
        while !(seen.contains("accept (tid ") && seen.contains(&format!("{name} (tid "))) {
            assert!(complaints.read_line(&mut seen).unwrap() > 0, "{seen}");
        }
        daemon.process.stderr = Some(complaints.into_inner());
        // It goes on.
        idle.get_mut().write_all(b"primes 10\n").unwrap();
        assert_eq!(line(&mut idle), "4\n");
        daemon.signal(Signal::SIGTERM);
        assert_eq!(line(&mut idle), BYE);
        assert!(daemon.end().0.success());
    });
}

#[test]
fn one_at_a_time() {
    alone(|| {
        adopt_orphans();
        let mut daemon = Daemon::start();
        daemon.address();
        let second = program().arg("127.0.0.1:0").arg(&daemon.directory).output().unwrap();
        assert_eq!(second.status.code(), Some(1));
        assert!(daemon.pid_file().exists());
        daemon.signal(Signal::SIGTERM);
        daemon.ends_well();
    });
}

/// Under a load, and with a hundred of its threads stuck in a lock: it is seen to by operators and by the service manager all the
/// same, and ends as ever.
#[test]
fn a_hundred_are_stuck_under_a_load() {
    alone(|| {
        adopt_orphans();
        let name = format!("eintr-daemon-manager-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let next = || {
            let mut buffer = [0; 8192];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let find = |what: &str| while !next().starts_with(what) {};
        let socket = format!("@{name}");
        let mut daemon =
            Daemon::start_with(&[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "400000")]);
        let address = daemon.address();
        assert_eq!(next(), "READY=1");
        find("STATUS=listening on ");

        let journal = File::create(daemon.journal()).unwrap();
        journal.lock().unwrap();
        let floods = [(); 4].map(|()| flood(&address, true));
        let count = if emulated() { 10 } else { 100 };
        // Greeted first: to connect so many may take longer than a request may.
        let mut notes: Vec<_> = (0..count).map(|_| client(&address)).collect();
        for note in &mut notes {
            note.get_mut().write_all(b"note late\n").unwrap();
        }
        if !emulated() {
            wait_until("they are in the lock", || daemon.threads_in(libc::SYS_flock) == count);
        }
        // The dump has all of them.
        let mut complaints = BufReader::new(daemon.process.stderr.take().unwrap());
        let name_of = |note: &BufReader<TcpStream>| note.get_ref().local_addr().unwrap();
        let mut unseen: Vec<_> =
            notes.iter().map(|note| format!("{} (tid ", name_of(note))).collect();
        daemon.signal(Signal::SIGQUIT);
        while !unseen.is_empty() {
            let mut line = String::new();
            assert!(complaints.read_line(&mut line).unwrap() > 0, "{unseen:?}");
            unseen.retain(|name| !line.starts_with(name));
        }
        #[cfg(feature = "console")]
        {
            let path = daemon.directory.join("eintr-daemon.eintr");
            let mut console = std::os::unix::net::UnixStream::connect(path).unwrap();
            console.write_all(b"{\"protocol\":1,\"request\":\"list\"}\n").unwrap();
            let mut list = String::new();
            console.read_to_string(&mut list).unwrap();
            assert!(notes.iter().all(|note| list.contains(&name_of(note).to_string())), "{list}");
        }
        // Who writes to it must not find it closed.
        let complaints =
            thread::spawn(move || std::io::copy(&mut complaints, &mut std::io::sink()));
        // Fed, though most of it is stuck: the loop that accepts is not.
        for _ in 0..3 {
            find("WATCHDOG=1");
        }
        fs::write(daemon.directory.join("eintr-daemon.greeting"), "good day\n").unwrap();
        daemon.signal(Signal::SIGHUP);
        find("RELOADING=1\nMONOTONIC_USEC=");
        find("READY=1");
        let mut late = BufReader::new(TcpStream::connect(&address).unwrap());
        assert_eq!(line(&mut late), "good day\n");

        daemon.signal(Signal::SIGTERM);
        find("STOPPING=1");
        for mut note in notes.into_iter().chain([late]) {
            // (On a slow machine it has waited for longer than a request may take.)
            while line(&mut note) != BYE {}
            assert_eq!(line(&mut note), "", "and no more");
        }
        for flood in floods {
            assert_eq!(flood.join().unwrap().as_deref(), Some(BYE));
        }
        drop(journal);
        daemon.ends_well();
        complaints.join().unwrap().unwrap();
    });
}

/// With all kinds of clients.
fn ends_at_any_moment(mut seed: u64) {
    adopt_orphans();
    for trial in rounds(if emulated() { 3 } else { 50 }) {
        let mut daemon = Daemon::start();
        let address = daemon.address();
        let journal = File::create(daemon.journal()).unwrap();
        journal.lock().unwrap();
        let flood = flood(&address, trial % 16 != 0);
        let requests = ["", "prim", "nap 1000\n", "note late\n", "primes 1000000000\n"];
        let told = requests.map(|request| that_sent(&address, request));
        a_moment(&mut seed, 5_000);
        daemon.signal(Signal::SIGTERM);
        for (mut client, request) in told.into_iter().zip(requests) {
            assert_eq!(line(&mut client), BYE, "trial {trial}, {request:?}");
            assert_eq!(line(&mut client), "", "and no more");
        }
        let last = flood.join().unwrap();
        assert!(last.is_none() || last.as_deref() == Some(BYE), "trial {trial}: {last:?}");
        drop(journal);
        daemon.ends_well();
    }
}

// Two hundred times, in four parts: a part has to end before the watchdog's time is up.

#[test]
fn it_ends_at_any_moment_1() {
    alone(|| ends_at_any_moment(1));
}

#[test]
fn it_ends_at_any_moment_2() {
    alone(|| ends_at_any_moment(2));
}

#[test]
fn it_ends_at_any_moment_3() {
    alone(|| ends_at_any_moment(3));
}

#[test]
fn it_ends_at_any_moment_4() {
    alone(|| ends_at_any_moment(4));
}

/// Before it is ready, too: by the signal's default, as long as there is nothing to clean up.
#[test]
fn it_ends_while_it_begins() {
    alone(|| {
        adopt_orphans();
        let mut seed = 2;
        for trial in rounds(if emulated() { 5 } else { 50 }) {
            let daemon = Daemon::start();
            a_moment(&mut seed, 5_000);
            daemon.signal(Signal::SIGTERM);
            let (status, words, complaints) = daemon.end();
            let by_default = status.signal() == Some(libc::SIGTERM) && words.is_empty();
            assert!(status.success() || by_default, "{trial}: {status}: {words}{complaints}");
        }
    });
}
