//! One run of a neighbour.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use eintr_company::Mode;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// How a neighbour is started.
pub struct Program {
    pub path: std::path::PathBuf,
    pub environment: Vec<(String, String)>,
    pub arguments: Vec<String>,
}

/// What became of it.
#[derive(PartialEq, Eq)]
pub enum Outcome {
    Right,
    Ended(i32),
    Killed(i32),
    Stuck,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Right => f.write_str("right"),
            Self::Ended(status) => write!(f, "wrong (status {status})"),
            Self::Killed(signal) => match Signal::try_from(*signal) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {signal}"),
            },
            Self::Stuck => f.write_str("stuck"),
        }
    }
}

/// Runs it for that time, and for no longer than so much more. Tells what it printed. What it leaves behind is
/// killed.
pub fn run(program: &Program, mode: Mode, time: Duration, patience: Duration) -> (Outcome, String) {
    // A file: whoever is left behind holds no pipe.
    let output = std::env::temp_dir().join(format!("eintr-company-{}", process::id()));
    let outcome = start(program, mode, time, patience, &output).unwrap_or_else(|error| {
        panic!("{}: {error}", program.path.display());
    });
    let told = String::from_utf8_lossy(&fs::read(&output).unwrap_or_default()).into_owned();
    let _ = fs::remove_file(&output);
    let lines: Vec<&str> = told.lines().collect();
    (outcome, lines[lines.len().saturating_sub(40)..].join("\n"))
}

fn start(
    program: &Program,
    mode: Mode,
    time: Duration,
    patience: Duration,
    output: &std::path::Path,
) -> io::Result<Outcome> {
    let output = File::create(output)?;
    let mut child = Command::new(&program.path)
        .arg(mode.name())
        .arg(time.as_millis().to_string())
        .args(&program.arguments)
        .envs(program.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()?;
    let leader = Pid::from_raw(child.id().cast_signed());
    let end = Instant::now() + time + patience;
    // It is not yet waited for: its number stays its own until the group is killed.
    let ended = || {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(leader), flags).is_ok_and(|status| status != WaitStatus::StillAlive)
    };
    let mut stuck = false;
    while !ended() && !stuck {
        thread::sleep(Duration::from_millis(5));
        stuck = Instant::now() > end;
    }
    let _ = killpg(leader, Signal::SIGKILL);
    let status = child.wait()?;
    Ok(if stuck { Outcome::Stuck } else { outcome(status) })
}

fn outcome(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(0), _) => Outcome::Right,
        (Some(code), _) => Outcome::Ended(code),
        (None, signal) => Outcome::Killed(signal.unwrap_or_default()),
    }
}
