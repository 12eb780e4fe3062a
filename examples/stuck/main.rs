//! One managed thread stuck in each of our calls, on real kernel objects, and each comes back.
//!
//! ```sh
//! cargo run --release --example stuck            # a table
//! cargo run --release --example stuck -- --json  # the same rows as a JSON array
//! ```
//!
//! Exit status 0 only if every call came back as interrupted and everything that it touched is
//! intact.

mod events;
mod files;
mod processes;
mod ring;
mod scene;
mod scenes;
mod show;
mod sockets;

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use eintr::{Error, Outcome, Report, ThreadState};
use scene::Scene;
use show::Row;

/// A call that is not back by then is stuck.
const LIMIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let json = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--json") => true,
        Some(other) => {
            eprintln!("stuck: no option {other:?}; there is --json");
            return ExitCode::from(2);
        }
    };
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    for make in scenes::all() {
        match make() {
            Ok(scene) => rows.push(interrupted(scene)),
            Err(why) => skipped.push(why),
        }
    }
    if json {
        show::json(&rows)
    } else {
        show::table(&rows, &skipped)
    }
    ExitCode::from(u8::from(rows.iter().any(|row| !row.passed)))
}

/// Gets a thread stuck in a call, and out of it.
fn interrupted(scene: Scene) -> Row {
    let Scene { call, syscalls, mut stuck, check, .. } = scene;
    let (tell, told) = mpsc::channel();
    let worker = eintr::Builder::new()
        .name("stuck".into())
        .spawn(move || {
            let result = stuck();
            let _ = tell.send((Instant::now(), result));
        })
        .expect("a thread");
    let interrupter = worker.interrupter();

    let Some(state) = blocked_in(syscalls, || interrupter.report()) else {
        return Row::failed(call, format!("never blocked: {}", interrupter.report()));
    };
    let asked = Instant::now();
    let request = interrupter.interrupt_with("the show is over");
    let Ok((returned, result)) = told.recv_timeout(LIMIT) else {
        return Row::failed(call, format!("STUCK: {}", interrupter.report()));
    };
    let raised = matches!(request.wait(LIMIT), Outcome::Raised);
    let ended = interrupter.wait_finished(LIMIT).is_ok();

    let error = match &result {
        Err(error @ Error::Interrupted(_)) => Ok(error.to_string()),
        Err(error) => Err(format!("another error: {error}")),
        Ok(()) => Err("a result out of nothing".to_owned()),
    };
    let check = check();
    Row {
        call,
        state,
        took: Some(returned.duration_since(asked)),
        passed: raised && ended && error.is_ok() && check.is_ok(),
        error: error.unwrap_or_else(|error| error),
        intact: check.unwrap_or_else(|broken| broken),
    }
}

/// Waits until the kernel says that the thread sleeps in one of these syscalls, and says how.
fn blocked_in(syscalls: &[&str], report: impl Fn() -> Report) -> Option<String> {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(thread) = report().thread {
            let is_there =
                thread.syscall.as_deref().is_some_and(|syscall| syscalls.contains(&syscall));
            if is_there && thread.state == Some(ThreadState::Sleeping) {
                return Some(thread.to_string());
            }
        }
        std::thread::yield_now();
    }
    None
}
