//! Coroutines of one thread (corosensei), whose deadlines and tasks end in another order than they
//! began.

use std::error::Error;
use std::thread;
use std::time::Duration;

use corosensei::{Coroutine, CoroutineResult, Yielder};
use eintr::Reason;
use eintr_company::{Company, Mode, wait, wrong};

pub fn run(company: &Company, what: &str) {
    let with = company.mode != Mode::Without;
    match what {
        "deadlines" => company.beside(&[&|| deadlines(with)]),
        "tasks" => company.beside(&[&|| tasks(with)]),
        _ => wrong(format!("what? {what:?}")),
    }
}

/// A coroutine that is suspended once.
fn suspended(body: impl FnOnce(&dyn Fn()) + 'static) -> Coroutine<(), (), ()> {
    Coroutine::new(move |yielder: &Yielder<(), ()>, ()| body(&|| yielder.suspend(())))
}

fn end(coroutine: &mut Coroutine<(), (), ()>) {
    if !matches!(coroutine.resume(()), CoroutineResult::Return(())) {
        wrong("a coroutine has not ended");
    }
}

fn deadlines(with: bool) -> Result<(), Box<dyn Error>> {
    let limited = |limit| {
        suspended(move |suspend| {
            if with {
                eintr::within(limit, suspend);
            } else {
                suspend();
            }
        })
    };
    let mut first = limited(Duration::from_millis(1));
    let mut second = limited(Duration::from_secs(60));
    first.resume(());
    second.resume(());
    end(&mut first);
    drop(first);
    end(&mut second);
    drop(second);
    // The deadline of the first passes.
    thread::sleep(Duration::from_millis(2));
    if with {
        if let Some(left) = eintr::remaining() {
            wrong(format!("no deadline stands, and there is {left:?} left"));
        }
        if let Err(interrupted) = eintr::checkpoint() {
            if matches!(interrupted.reason(), Reason::Deadline) {
                wrong("no deadline stands, and one is raised");
            }
        }
    }
    wait()
}

fn tasks(with: bool) -> Result<(), Box<dyn Error>> {
    let task = || {
        suspended(move |suspend| {
            if with {
                eintr::task().0.run(suspend);
            } else {
                suspend();
            }
        })
    };
    let (mut first, mut second) = (task(), task());
    first.resume(());
    second.resume(());
    end(&mut first);
    drop(first);
    end(&mut second);
    drop(second);
    wait()
}
