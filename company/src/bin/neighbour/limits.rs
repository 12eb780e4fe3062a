//! A program that has come to one of the kernel's limits: no signal can be queued any more, and no timer
//! made; no descriptor opened; no memory mapped.

use std::cell::Cell;
use std::error::Error;
use std::sync::Barrier;
use std::time::Duration;

use eintr_company::{Company, Mode, Round, wrong};
use nix::poll::{PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const THREADS: usize = 3;

thread_local! {
    static HAS_BEGUN: Cell<bool> = const { Cell::new(false) };
}

pub fn run(company: &Company, what: &str) {
    let resource = match what {
        "signals" => Resource::RLIMIT_SIGPENDING,
        "descriptors" => Resource::RLIMIT_NOFILE,
        "memory" => Resource::RLIMIT_AS,
        _ => wrong(format!("no such limit: {what:?}")),
    };
    if company.mode != Mode::Without {
        eintr::spawn(eintr::checkpoint).join().expect("no panic").expect("nobody asks");
    }
    let all = Barrier::new(THREADS);
    let round = || {
        // Once all are there: a thread needs memory.
        if !HAS_BEGUN.replace(true) && all.wait().is_leader() {
            exhaust(resource)?;
        }
        if company.mode != Mode::Without {
            // It ends, by a timer or by a thread in its place.
            let _ = eintr::within(Duration::from_millis(1), || eintr::time::sleep(Duration::MAX));
        }
        wait()
    };
    company.beside(&[&round as Round; THREADS]);
}

fn exhaust(resource: Resource) -> nix::Result<()> {
    let (_, most) = getrlimit(resource)?;
    setrlimit(resource, 0, most)
}

/// It needs nothing but time. One that has been asked would wait for a minute: a request must reach it.
fn wait() -> Result<(), Box<dyn Error>> {
    let milliseconds = if eintr::is_interrupted() { 60_000_u16 } else { 5 };
    poll(&mut [], PollTimeout::from(milliseconds))?;
    Ok(())
}
