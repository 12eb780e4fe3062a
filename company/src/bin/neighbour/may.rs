//! Coroutines that go on on whatever thread is free (may): what they have begun ends on the thread where it began, or its end is
//! a panic that says so. Their threads are not harmed, and neither is anybody else on them.

use std::any::Any;
use std::error::Error;
use std::io::{self, Read};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use ::may::coroutine::{self, JoinHandle};
use eintr_company::{Company, Mode, wait, wrong};
use test_support::gettid;

pub fn run(company: &Company, what: &str) {
    ::may::config().set_workers(3);
    let with = company.mode != Mode::Without;
    match what {
        "stretches" => {
            silence();
            company.beside(&[&|| stretches(with), &|| stretches(with)]);
            nothing_stands();
            let (ended, told) = (ENDED.load(SeqCst), TOLD.load(SeqCst));
            if ended == 0 || (with && told == 0) {
                wrong(format!("{ended} have ended where they began, {told} elsewhere"));
            }
        }
        "reach" => company.beside(&[&|| reached(with)]),
        _ => wrong(format!("what? {what:?}")),
    }
}

static ENDED: AtomicUsize = AtomicUsize::new(0);
static TOLD: AtomicUsize = AtomicUsize::new(0);

const ELSEWHERE: &str = "ended on another thread than it began on";

fn is_told(panicked: &(dyn Any + Send)) -> bool {
    panicked.downcast_ref::<String>().is_some_and(|told| told.ends_with(ELSEWHERE))
}

/// A panic that is expected is not printed.
fn silence() {
    let prints = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        if !is_told(panicked.payload()) && !panicked.to_string().contains(ELSEWHERE) {
            prints(panicked);
        }
    }));
}

fn spawned<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    // SAFETY: there is room on its stack. What is kept of a thread is eintr's, which looks whose it is.
    unsafe { coroutine::spawn(body) }
}

const HOUR: Duration = Duration::from_secs(3600);

/// What can be begun.
const STRETCHES: &[fn(&dyn Fn())] = &[
    |suspend| eintr::within(HOUR, suspend).value,
    |suspend| eintr::mask(suspend),
    |suspend| eintr::cleanup(HOUR, suspend).value,
    |suspend| eintr::Task::new().run(suspend),
    |suspend| eintr::Task::root().reach(false).run(suspend),
    |suspend| eintr::with_hook(|_| {}, suspend),
    |suspend| eintr::reach(suspend),
    |suspend| eintr::without_reach(suspend),
    |suspend| {
        let (task, interrupter) = eintr::task();
        task.run(|| {
            suspend();
            interrupter.interrupt();
            suspend();
        });
    },
];

/// Sixteen coroutines on three threads, each of which begins them one in another.
fn stretches(with: bool) -> Result<(), Box<dyn Error>> {
    let begun = (0..16).map(|number| spawned(move || nested(with, number, 3)));
    for coroutine in begun.collect::<Vec<_>>() {
        if let Err(panicked) = coroutine.join() {
            wrong(format!("a coroutine panicked: {:?}", panicked.downcast_ref::<String>()));
        }
    }
    wait()
}

fn nested(with: bool, number: usize, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return coroutine::yield_now() };
    let suspend = || {
        coroutine::yield_now();
        nested(with, number / 3 + 1, depth);
        coroutine::yield_now();
    };
    if !with {
        ENDED.fetch_add(1, SeqCst);
        return suspend();
    }
    let began = gettid();
    let ended = catch_unwind(AssertUnwindSafe(|| STRETCHES[number % STRETCHES.len()](&suspend)));
    match (ended, began == gettid()) {
        (Ok(()), true) => drop(ENDED.fetch_add(1, SeqCst)),
        (Err(panicked), false) if is_told(&*panicked) => drop(TOLD.fetch_add(1, SeqCst)),
        (Ok(()), false) => {
            wrong("what has begun on one thread has ended on another, and is not told")
        }
        (Err(panicked), here) => {
            let panicked = panicked.downcast_ref::<String>();
            wrong(format!("a panic, on the same thread: {here}: {panicked:?}"));
        }
    }
}

/// When all have ended, whichever thread one comes to.
fn nothing_stands() {
    let begun = (0..64).map(|_| {
        spawned(|| {
            if eintr::remaining().is_some() || eintr::Interrupter::current().is_some() {
                wrong("something stands on a thread that has ended elsewhere");
            }
        })
    });
    for coroutine in begun.collect::<Vec<_>>() {
        coroutine.join().unwrap_or_else(|_| wrong("a coroutine panicked"));
    }
}

/// A task in a coroutine, in a read that blocks its thread.
fn reached(with: bool) -> Result<(), Box<dyn Error>> {
    let (mut reader, writer) = io::pipe()?;
    let (task, interrupter) = eintr::task();
    let read = spawned(move || {
        let mut read = || reader.read(&mut [0]);
        coroutine::yield_now();
        if with { task.run(read) } else { read() }
    });
    if !with {
        drop(writer);
    } else {
        interrupter.interrupt();
    }
    match (read.join(), with) {
        (Ok(Ok(0)), false) => {}
        (Ok(Err(error)), true)
            if eintr::Interrupted::of(&error).is_some()
                || error.raw_os_error() == Some(libc::ECANCELED) => {}
        (Ok(read), _) => wrong(format!("a read in a coroutine: {read:?}")),
        (Err(_), _) => wrong("a coroutine panicked"),
    }
    wait()
}
