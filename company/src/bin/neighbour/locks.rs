//! Locks, condition variables and channels of others: who waits is woken, and a lock keeps out (S20).
//! Each round has a partner of its own, whom nobody asks.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Barrier, Condvar, Mutex, RwLock, mpsc};
use std::thread;

use eintr_company::{Company, Round, wait, wrong};

const TIMES: usize = 20;

pub fn run(company: &Company, of: &str) {
    let round: Round = match of {
        "std" => &of_std,
        "parking_lot" => &of_parking_lot,
        "crossbeam" => &of_crossbeam,
        "rayon" => &of_rayon,
        _ => wrong(format!("whose? {of:?}")),
    };
    company.beside(&[round, round]);
}

/// What a lock guards: whether somebody is inside.
#[derive(Default)]
struct Inside(AtomicBool);

impl Inside {
    fn alone(&self) {
        if self.0.swap(true, SeqCst) {
            wrong("a lock let two in");
        }
        thread::yield_now();
        self.0.store(false, SeqCst);
    }
}

/// Both do the same many times, beside each other.
fn both(body: impl Fn() + Sync) {
    thread::scope(|scope| {
        let often = || (0..TIMES).for_each(|_| body());
        scope.spawn(often);
        often();
    });
}

fn of_std() -> Result<(), Box<dyn Error>> {
    let (mutex, lock) = (Mutex::new(Inside::default()), RwLock::new(Inside::default()));
    both(|| mutex.lock().unwrap().alone());
    both(|| lock.write().unwrap().alone());
    both(|| drop(lock.read().unwrap()));

    let barrier = Barrier::new(2);
    both(|| {
        barrier.wait();
    });

    let (turn, changed) = (Mutex::new(0), Condvar::new());
    thread::scope(|scope| {
        let take_turns = |parity| {
            for _ in 0..TIMES {
                let mut turn = turn.lock().unwrap();
                while *turn % 2 != parity {
                    turn = changed.wait(turn).unwrap();
                }
                *turn += 1;
                changed.notify_all();
            }
        };
        scope.spawn(move || take_turns(0));
        take_turns(1);
    });

    let (there, back) = (mpsc::sync_channel(0), mpsc::sync_channel(0));
    ping_pong(there, back, |to, n| to.send(n).unwrap(), |from| from.recv().unwrap());
    wait()
}

fn of_parking_lot() -> Result<(), Box<dyn Error>> {
    let mutex = parking_lot::Mutex::new(Inside::default());
    let lock = parking_lot::RwLock::new(Inside::default());
    both(|| mutex.lock().alone());
    both(|| lock.write().alone());
    both(|| drop(lock.read()));

    let (turn, changed) = (parking_lot::Mutex::new(0), parking_lot::Condvar::new());
    thread::scope(|scope| {
        let take_turns = |parity| {
            for _ in 0..TIMES {
                let mut turn = turn.lock();
                changed.wait_while(&mut turn, |turn| *turn % 2 != parity);
                *turn += 1;
                changed.notify_all();
            }
        };
        scope.spawn(move || take_turns(0));
        take_turns(1);
    });
    wait()
}

fn of_crossbeam() -> Result<(), Box<dyn Error>> {
    let (there, back) = (crossbeam_channel::bounded(0), crossbeam_channel::bounded(0));
    ping_pong(there, back, |to, n| to.send(n).unwrap(), |from| from.recv().unwrap());
    wait()
}

/// Numbers go there and back.
fn ping_pong<S: Send + Sync, R: Send>(
    there: (S, R),
    back: (S, R),
    send: impl Fn(&S, usize) + Sync,
    receive: impl Fn(&R) -> usize + Sync,
) {
    thread::scope(|scope| {
        let (send, receive) = (&send, &receive);
        scope.spawn(move || (0..TIMES).for_each(|_| send(&back.0, receive(&there.1))));
        for n in 0..TIMES {
            send(&there.0, n);
            if receive(&back.1) != n {
                wrong("another number came back");
            }
        }
    });
}

fn of_rayon() -> Result<(), Box<dyn Error>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
    let sum = pool.install(|| {
        use rayon::prelude::*;
        (0..TIMES).into_par_iter().map(|n| rayon::join(|| n, || n).0).sum::<usize>()
    });
    if sum != TIMES * (TIMES - 1) / 2 {
        wrong("another sum");
    }
    drop(pool);
    wait()
}
