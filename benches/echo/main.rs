//! What a user sees: an echo server of a thread for each connection and a limit for each request, by
//! [`eintr::timeout`], and in the other ways that there are; see [`servers`].
//!
//! Requests a second: all servers are there at the same time, with their connections, and are asked in
//! turns, some thousand requests at once. Beside that the CPU time that a request takes a server:
//! whoever is asked by one busy client may have some of it to spare. The end: from SIGTERM until the
//! process is gone, with idle connections; a new process each time, in turns too. Ratios are medians of
//! those within a turn.
//!
//! `cargo bench -p eintr-benches --bench echo` runs all, on 127.0.0.1; `requests` or `stop` after `--`
//! chooses.

mod load;
mod servers;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use eintr_benches::contest::Samples;
use eintr_benches::table::Table;
use load::Load;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use servers::{OTHERS, OURS};

const CONNECTIONS: [usize; 2] = [100, 1_000];
/// To each server in a turn.
const REQUESTS: usize = 3_000;
const TURNS: usize = 10;
/// Of new processes: one is quicker than another that does the same, for as long as it lives.
const ROUNDS: usize = 8;
const ENDS: usize = 12;
/// Long enough for all connections to be idle.
const PAUSE: Duration = Duration::from_millis(50);
/// Tells a process that this program has started which server to be.
const SERVER: &str = "EINTR_BENCH_ECHO";

fn main() -> io::Result<()> {
    if let Ok(name) = env::var(SERVER) {
        return serve(&name);
    }
    let chosen = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_chosen = |name| chosen.as_ref().is_none_or(|chosen| chosen == name);
    let mut table = Table::default();
    for count in CONNECTIONS.into_iter().filter(|_| is_chosen("requests")) {
        requests(count, &mut table)?;
    }
    if is_chosen("stop") {
        stop(1_000, &mut table)?;
    }
    print!("\n{table}");
    Ok(())
}

/// What such a process does.
fn serve(name: &str) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let (_, serve) = OURS.into_iter().chain(OTHERS).find(|server| server.0 == name).unwrap();
    serve(listener).map_err(|error| io::Error::other(error.to_string()))
}

fn names() -> impl Iterator<Item = &'static str> {
    OURS.into_iter().chain(OTHERS).map(|(name, _)| name)
}

fn requests(connections: usize, table: &mut Table) -> io::Result<()> {
    let count = names().count();
    let [mut times, mut cpu] = [(); 2].map(|()| vec![Samples::new(); count]);
    for round in 0..ROUNDS {
        eprintln!("{connections} connections, round {round} of {ROUNDS}");
        let servers = names().map(Server::start).collect::<io::Result<Vec<_>>>()?;
        let loads = servers.iter().map(|server| Load::connect(server.address, connections));
        let loads = loads.collect::<io::Result<Vec<_>>>()?;
        for turn in 0..TURNS {
            for number in in_turn(turn, count) {
                let (server, load) = (&servers[number], &loads[number]);
                load.requests(connections)?; // they were asleep for some time
                let before = server.cpu_time()?;
                let time = load.requests(REQUESTS)?;
                let each = |time: Duration| time.as_nanos() as f64 / REQUESTS as f64;
                times[number].push(each(time));
                cpu[number].push(each(server.cpu_time()? - before));
            }
        }
    }
    for (ours, (name, _)) in OURS.iter().enumerate() {
        for (other, (reference, _)) in (OURS.len()..).zip(OTHERS) {
            let limit = (reference != "tokio").then_some(0.95);
            let what =
                format!("{connections} connections, requests a second: {name} / {reference}");
            table.rates(&what, &times[ours], &times[other], limit);
        }
        let (other, (reference, _)) = (OURS.len(), OTHERS[0]);
        let what = format!("{connections} connections, CPU time of one: {name} / {reference}");
        table.times(&what, &cpu[ours], &cpu[other], None);
    }
    Ok(())
}

/// Each of so many, in the other direction each time, so that nobody always follows the same one.
fn in_turn(turn: usize, count: usize) -> impl Iterator<Item = usize> {
    let forwards = move |number| (number + turn / 2) % count;
    (0..count).map(move |place| forwards(if turn % 2 == 0 { place } else { count - 1 - place }))
}

fn stop(connections: usize, table: &mut Table) -> io::Result<()> {
    let names: Vec<_> = names().collect();
    let mut times = vec![Samples::new(); names.len()];
    for turn in 0..ENDS {
        eprintln!("stop, turn {turn} of {ENDS}");
        for number in in_turn(turn, names.len()) {
            let server = Server::start(names[number])?;
            let _idle = Load::connect(server.address, connections)?;
            thread::sleep(PAUSE);
            times[number].push(server.stop()?.as_nanos() as f64);
        }
    }
    for (ours, (name, _)) in OURS.iter().enumerate() {
        for (other, (reference, _)) in (OURS.len()..).zip(OTHERS) {
            let (reference, limit) = match reference {
                "set_read_timeout, once" => ("a loop of pthread_kill", Some(1.5)),
                "set_read_timeout, each read" => continue,
                other => (other, None),
            };
            let what = format!("from SIGTERM to the end, {connections} idle: {name} / {reference}");
            table.times(&what, &times[ours], &times[other], limit);
        }
    }
    Ok(())
}

/// A process that serves. Dropped, it is killed.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(name: &str) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut process = command.env(SERVER, name).stdout(Stdio::piped()).spawn()?;
        let mut told = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut told)?;
        Ok(Self { process, address: told.trim().parse().map_err(io::Error::other)? })
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id() as i32)
    }

    fn cpu_time(&self) -> io::Result<Duration> {
        let clock: ClockId = clock_getcpuclockid(self.pid())?;
        Ok(clock.now()?.into())
    }

    /// How long it takes to end at SIGTERM.
    fn stop(mut self) -> io::Result<Duration> {
        let start = Instant::now();
        kill(self.pid(), Signal::SIGTERM)?;
        let status = self.process.wait()?;
        let time = start.elapsed();
        assert!(status.success(), "{status}");
        Ok(time)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
