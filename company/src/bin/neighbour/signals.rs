//! Who else uses SIGUSR1, before us or after: its signals from outside do what they did, and a
//! request still arrives, or says that it cannot.

use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use eintr_company::{Company, Mode, wrong};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, pthread_sigmask, sigaction,
};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;

use crate::reader;

/// How many SIGUSR1 the neighbour has seen.
static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_signal(_: i32) {
    SEEN.fetch_add(1, SeqCst);
}

pub fn run(company: &Company, who: &str) {
    let handler = SigHandler::Handler(on_signal);
    let hook = || {
        // SAFETY: counting is async-signal-safe.
        let id = unsafe {
            signal_hook::low_level::register(libc::SIGUSR1, || {
                SEEN.fetch_add(1, SeqCst);
            })
        };
        id.unwrap_or_else(|error| wrong(error));
    };
    match who {
        "signal-hook-before" => {
            hook();
            begin(company);
            both(company, 10);
        }
        "signal-hook-after" => {
            begin(company);
            hook();
            both(company, 10);
        }
        "handler-before" => {
            handle(handler, SaFlags::SA_RESTART);
            begin(company);
            both(company, 10);
        }
        // faulthandler's, or any that does not know of a previous one.
        "handler-after" => {
            begin(company);
            handle(handler, SaFlags::SA_RESTART);
            both(company, 10);
        }
        "once-after" => {
            begin(company);
            handle(handler, SaFlags::SA_RESETHAND);
            both(company, 1);
        }
        "default-after" => {
            begin(company);
            handle(SigHandler::SigDfl, SaFlags::empty());
            both(company, 0);
        }
        "ignored-after" => {
            begin(company);
            handle(SigHandler::SigIgn, SaFlags::empty());
            both(company, 0);
        }
        "sigwait" => {
            block();
            thread::spawn(|| {
                while usr1().wait().is_ok() {
                    SEEN.fetch_add(1, SeqCst);
                }
            });
            begin(company);
            both(company, 10);
        }
        "signalfd" => {
            block();
            let fd = SignalFd::new(&usr1()).unwrap_or_else(|error| wrong(error));
            thread::spawn(move || {
                while fd.read_signal().is_ok_and(|signal| signal.is_some()) {
                    SEEN.fetch_add(1, SeqCst);
                }
            });
            begin(company);
            both(company, 10);
        }
        "jobserver-before" | "jobserver-after" => jobserver(company, who == "jobserver-after"),
        _ => wrong(format!("who? {who:?}")),
    }
}

/// We come now.
fn begin(company: &Company) {
    if company.mode != Mode::Without {
        eintr::spawn(eintr::checkpoint).join().expect("no panic").expect("nobody asks");
    }
}

/// So many signals from outside, before and after the requests.
fn both(company: &Company, signals: usize) {
    outside(signals);
    reader::come_and_go(company);
    outside(if signals > 1 { signals } else { 0 });
}

fn outside(signals: usize) {
    for _ in 0..signals {
        let before = SEEN.load(SeqCst);
        kill(Pid::this(), Signal::SIGUSR1).unwrap_or_else(|error| wrong(error));
        until("a SIGUSR1 from outside arrives", || SEEN.load(SeqCst) == before + 1);
    }
}

fn until(what: &str, happened: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !happened() {
        if Instant::now() > end {
            wrong(format!("not within 5 s: {what}"));
        }
        thread::yield_now();
    }
}

fn usr1() -> SigSet {
    SigSet::from_iter([Signal::SIGUSR1])
}

fn block() {
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&usr1()), None)
        .unwrap_or_else(|error| wrong(error));
}

fn handle(handler: SigHandler, flags: SaFlags) {
    let action = SigAction::new(handler, flags, SigSet::empty());
    // SAFETY: `on_signal` only counts.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap_or_else(|error| wrong(error));
}

/// Its helper thread takes SIGUSR1 without a look at who had it, and is ended by it.
fn jobserver(company: &Company, after: bool) {
    static TOKENS: AtomicUsize = AtomicUsize::new(0);
    let client = jobserver::Client::new(2).unwrap_or_else(|error| wrong(error));
    let helper = || {
        let helper = client.clone().into_helper_thread(|token| {
            token.unwrap_or_else(|error| wrong(format!("jobserver: {error}")));
            TOKENS.fetch_add(1, SeqCst);
        });
        helper.unwrap_or_else(|error| wrong(error))
    };
    if after {
        begin(company);
    }
    let held = helper();
    begin(company);
    for round in 1..=3 {
        held.request_token();
        until("the helper has a token", || TOKENS.load(SeqCst) == round);
        reader::come_and_go(company);
    }
    drop(held);
}
