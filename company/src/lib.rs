//! What the neighbours' programs share: threads that work beside one another, as tasks that are
//! asked or without us.
//!
//! A program prints nothing and ends with status 0 if all was right. What an interrupt may cause is
//! an `Err` of a round; what nothing may cause ends the program at once, by [`wrong`].

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::os::fd::AsFd;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use eintr::Interrupter;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub mod forks;
mod mode;

pub use mode::Mode;

/// What a thread does again and again.
pub type Round<'a> = &'a (dyn Fn() -> Result<(), Box<dyn Error>> + Sync);

/// Ends the program: this must not happen, asked or not.
pub fn wrong(what: impl Display) -> ! {
    eprintln!("wrong: {what}");
    process::exit(1)
}

/// A round for a thread that is reached: it waits for 5 ms.
pub fn wait() -> Result<(), Box<dyn Error>> {
    let (reader, _writer) = io::pipe()?;
    poll(&mut [PollFd::new(reader.as_fd(), PollFlags::POLLIN)], PollTimeout::from(5u8))?;
    Ok(())
}

/// How a program is run, from its arguments: a mode and milliseconds; what follows is its own.
pub struct Company {
    pub mode: Mode,
    pub time: Duration,
    pub arguments: Vec<String>,
}

impl Company {
    pub fn from_arguments() -> Self {
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next().unwrap_or_else(|| wrong("usage: MODE MILLISECONDS ..."));
        let mode = next().parse().unwrap_or_else(|error| wrong(error));
        let time = Duration::from_millis(next().parse().unwrap_or_else(|error| wrong(error)));
        Self { mode, time, arguments: arguments.collect() }
    }

    /// Runs each of them in a thread of its own until the time is up. The first thread is the one
    /// that is asked: it stays asked, or takes what comes every millisecond.
    ///
    /// A round that fails is excused if the thread was asked. The first and the last round of each
    /// thread, of which nobody asks anything, must be right.
    pub fn beside(&self, rounds: &[Round]) {
        let goes_on = AtomicBool::new(true);
        let ready = AtomicUsize::new(0);
        thread::scope(|scope| {
            let threads: Vec<_> = rounds
                .iter()
                .map(|round| {
                    let (task, interrupter) = self.task().unzip();
                    let (goes_on, ready) = (&goes_on, &ready);
                    let thread = scope.spawn(move || {
                        let body = || {
                            must(*round, "first");
                            ready.fetch_add(1, SeqCst);
                            self.work(*round, goes_on);
                        };
                        match task {
                            Some(task) => task.run(body),
                            None => body(),
                        }
                    });
                    (thread, interrupter)
                })
                .collect();
            while ready.load(SeqCst) < rounds.len() {
                thread::yield_now();
            }
            self.ask(threads[0].1.as_ref());
            goes_on.store(false, SeqCst);
            for (thread, _) in threads {
                thread.join().unwrap_or_else(|_| wrong("a thread panicked"));
            }
        });
    }

    fn task(&self) -> Option<(eintr::Task, Interrupter)> {
        (self.mode != Mode::Without).then(eintr::task)
    }

    /// For as long as the program runs.
    fn ask(&self, first: Option<&Interrupter>) {
        let end = Instant::now() + self.time;
        if let (Mode::Asked, Some(first)) = (self.mode, first) {
            first.interrupt();
        }
        while Instant::now() < end {
            if let (Mode::Storm, Some(first)) = (self.mode, first) {
                first.interrupt();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn work(&self, round: Round, goes_on: &AtomicBool) {
        while goes_on.load(SeqCst) {
            if let Err(error) = round() {
                if self.mode == Mode::Without || !eintr::is_interrupted() {
                    wrong(error);
                }
            }
            if self.mode == Mode::Storm {
                eintr::take();
            }
        }
        if self.mode != Mode::Without {
            eintr::take();
        }
        must(round, "last");
    }
}

fn must(round: Round, which: &str) {
    round().unwrap_or_else(|error| wrong(format!("in the {which} round: {error}")));
}
