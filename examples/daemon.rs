//! A daemon of plain threads that always stops. SIGTERM or SIGINT ends it within a grace: each
//! connection is told, children are reaped, locks are let go of, the pid file is gone. A second one
//! ends it at once. SIGQUIT prints where each thread is; SIGHUP has the greeting read anew. systemd
//! hears when it is ready, reloads and stops, and its watchdog is fed by the loop that accepts.
//!
//!     cargo run --example daemon [ADDRESS [DIRECTORY]]
//!
//! A request is a line: `primes NUMBER` computes, `nap SECONDS` runs a process, `note TEXT` writes
//! to a file under its lock, `counts` tells what was interrupted so far. With `--features console`,
//! `eintrctl DIRECTORY/eintr-daemon.eintr list` shows what it is doing.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::RwLock;
use std::time::Duration;

use eintr::termination::{self, Heartbeat, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use eintr::{Builder, Group, ResultExt, observed};

/// How long all of it may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long a connection may be silent, or deaf.
const PATIENCE: Duration = Duration::from_secs(60);
const REQUEST: Duration = Duration::from_secs(10);
/// How long a connection may take to hear the goodbye, and a child to end when it is asked to.
const GOODBYE: Duration = Duration::from_secs(1);

/// What each connection is told first.
static GREETING: RwLock<String> = RwLock::new(String::new());

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("daemon: {error}"); // of a thread that did not end: where it is stuck
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);

    // Before there is anything to clean up.
    let group = Group::new();
    let _end = termination::interrupt_on(&[SIGINT, SIGTERM], &group)?;
    let dump = |_| eprintln!("{}", eintr::dump());
    let _dump = termination::on(&[SIGQUIT], dump)?;
    let greeting = directory.join("eintr-daemon.greeting");
    let load = move || {
        let text = fs::read_to_string(&greeting).unwrap_or_else(|_| "hello".into());
        *GREETING.write().unwrap() = text.trim().into();
    };
    load();
    let _reload = termination::on(&[SIGHUP], move |_| termination::reloading(&load))?;
    let _pid_file = PidFile::create(directory.join("eintr-daemon.pid"))?;
    #[cfg(feature = "console")]
    let console = eintr::console::listen(directory.join("eintr-daemon.eintr"))?;
    #[cfg(feature = "console")]
    console.add_group("all", &group);

    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    termination::ready()?;
    termination::status(&format!("listening on {}", listener.local_addr()?))?;

    let (connections, builder) = (group.clone(), Builder::new().name("accept".into()));
    let journal = directory.join("eintr-daemon.journal");
    let acceptor = group.spawn_with(builder, move || accept(&listener, &connections, &journal))?;
    println!("ending: {}", acceptor.join().expect("it does not panic").unwrap_err());
    group.stop(GRACE)?;
    println!("nobody is left");
    Ok(())
}

fn accept(listener: &TcpListener, connections: &Group, journal: &Path) -> io::Result<()> {
    let heartbeat = Heartbeat::new("accept")?;
    loop {
        let spawned = heartbeat.idle(|| listener.accept()).and_then(|(stream, peer)| {
            let builder = Builder::new().name(peer.to_string());
            let journal = journal.to_owned();
            connections.spawn_with(builder, move || serve(&stream, &journal))
        });
        if let Err(error) = spawned {
            eintr::checkpoint()?;
            eprintln!("accept: {error}"); // no descriptors, no threads: others will end
            eintr::time::sleep(Duration::from_millis(100))?;
        }
    }
}

fn serve(stream: &TcpStream, journal: &Path) {
    // What was interrupted may have failed in any way.
    if let Err(why) = converse(stream, journal).or_interrupted() {
        let _ = eintr::cleanup(GOODBYE, || {
            say(stream, &format!("bye: {why}"))?;
            stream.shutdown(Shutdown::Write)?;
            // Closed with something unread, a socket throws away what it has not sent.
            io::copy(&mut &*stream, &mut io::sink())
        });
    }
}

fn converse(stream: &TcpStream, journal: &Path) -> io::Result<()> {
    let mut requests = BufReader::new(stream);
    let greeting = GREETING.read().unwrap().clone();
    say(stream, &greeting)?;
    loop {
        let mut line = String::new();
        if eintr::timeout(PATIENCE, || requests.by_ref().take(1024).read_line(&mut line))? == 0 {
            return Ok(());
        }
        let answer = eintr::timeout(REQUEST, || answer(line.trim(), journal)).or_else(|error| {
            eintr::checkpoint()?;
            Ok::<_, io::Error>(format!("error: {error}"))
        })?;
        eintr::timeout(PATIENCE, || say(stream, &answer))?;
    }
}

fn say(mut stream: &TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\n").as_bytes())
}

fn answer(request: &str, journal: &Path) -> io::Result<String> {
    let (what, argument) = request.split_once(' ').unwrap_or((request, ""));
    Ok(match what {
        "primes" => primes(argument.parse().map_err(io::Error::other)?)?.to_string(),
        "nap" => eintr::process::status(Command::new("sleep").arg(argument), GOODBYE)?.to_string(),
        "note" => {
            let mut file = File::options().create(true).append(true).open(journal)?;
            file.lock()?;
            writeln!(file, "{argument}")?;
            "noted".into()
        }
        "counts" => format!("{:?}", observed::counts()),
        _ => "what? primes NUMBER, nap SECONDS, note TEXT, counts".into(),
    })
}

fn primes(limit: u64) -> Result<usize, eintr::Interrupted> {
    let mut count = 0;
    for number in 2..limit {
        eintr::checkpoint()?;
        let mut divisors = (2..number).take_while(|divisor| divisor * divisor <= number);
        count += usize::from(divisors.all(|divisor| number % divisor != 0));
    }
    Ok(count)
}

struct PidFile(PathBuf, #[expect(dead_code, reason = "the lock ends with it")] File);

impl PidFile {
    fn create(path: PathBuf) -> Result<Self, Box<dyn Error>> {
        let mut file = File::options().create(true).truncate(false).write(true).open(&path)?;
        file.try_lock().map_err(|error| format!("{}: {error}", path.display()))?;
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(path, file))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
