//! A thread that waits in a read: a request must reach it, or say that it cannot.

use std::io::{Read, Write, pipe};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use eintr::Outcome;
use eintr_company::{Company, Mode, wrong};
use test_support::wait_until_blocked;

const LIMIT: Duration = Duration::from_secs(5);

/// One after the other until the time is up; one, if nobody is asked or it is to be asked once.
pub fn come_and_go(company: &Company) {
    let end = Instant::now() + company.time;
    loop {
        match company.mode {
            Mode::Without => fed(|read| {
                thread::spawn(read);
            }),
            Mode::Idle => fed(|read| {
                eintr::spawn(read);
            }),
            Mode::Asked | Mode::Storm => asked(),
        }
        if company.mode != Mode::Storm || Instant::now() > end {
            return;
        }
    }
}

/// One that nobody asks reads what is written.
fn fed(spawn: impl FnOnce(Box<dyn FnOnce() + Send>)) {
    let (mut reader, mut writer) = pipe().unwrap_or_else(|error| wrong(error));
    let (tell, told) = mpsc::channel();
    spawn(Box::new(move || {
        let _ = tell.send(reader.read(&mut [0]));
    }));
    writer.write_all(b"x").unwrap_or_else(|error| wrong(error));
    match told.recv_timeout(LIMIT) {
        Ok(Ok(1)) => {}
        read => wrong(format!("a read that nobody asked: {read:?}")),
    }
}

fn asked() {
    let (mut reader, mut writer) = pipe().unwrap_or_else(|error| wrong(error));
    let (tell, tid) = mpsc::channel();
    let thread = eintr::spawn(move || {
        let _ = tell.send(tid_by_proc());
        // It goes on after an EINTR, as most of std.
        reader.read_exact(&mut [0])
    });
    wait_until_blocked(tid.recv().expect("it has begun"), libc::SYS_read);
    match thread.interrupt().wait(LIMIT) {
        Outcome::Undeliverable(_) => writer.write_all(b"x").unwrap_or_else(|error| wrong(error)),
        Outcome::Raised | Outcome::Finished => {
            if let Err(report) = thread.interrupter().wait_finished(LIMIT) {
                wrong(format!("asked, and stuck: {report}"));
            }
            match thread.join() {
                Ok(Err(_)) => {}
                read => wrong(format!("a read that was asked: {read:?}")),
            }
        }
        outcome => wrong(format!("asked: {outcome:?}")),
    }
}

/// A sandbox may have forbidden the syscall.
fn tid_by_proc() -> i32 {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_else(|error| wrong(error));
    let name = link.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.parse().unwrap_or_else(|error| wrong(error))
}
