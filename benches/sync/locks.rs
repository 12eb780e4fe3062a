//! Locks: alone, and against others.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::turns::{Turns, Way};

const THREADS: u64 = 2;

fn timed(times: u64, mut f: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        f();
    }
    start.elapsed()
}

pub fn uncontended(turns: &mut Turns) {
    let ours = eintr::sync::Mutex::new(0_u64);
    let std = std::sync::Mutex::new(0_u64);
    let parking_lot = parking_lot::Mutex::new(0_u64);
    let std_way = &|times| timed(times, || *black_box(&std).lock().unwrap() += 1);
    let parking_lot_way = &|times| timed(times, || *black_box(&parking_lot).lock() += 1);
    turns.take(
        "uncontended lock",
        400,
        20_000,
        Way("eintr", &|times| timed(times, || *black_box(&ours).lock().unwrap() += 1)),
        [(Way("std", std_way), Some(1.1)), (Way("parking_lot", parking_lot_way), None)],
    );
    let interruptible =
        &|times| timed(times, || *black_box(&ours).lock_interruptible().unwrap().unwrap() += 1);
    eintr::Task::root().run(|| {
        turns.take(
            "uncontended lock_interruptible",
            400,
            20_000,
            Way("eintr", interruptible),
            [(Way("std", std_way), Some(1.1)), (Way("parking_lot", parking_lot_way), None)],
        );
    });
    let ours = eintr::sync::RwLock::new(0_u64);
    let std = std::sync::RwLock::new(0_u64);
    let parking_lot = parking_lot::RwLock::new(0_u64);
    turns.take(
        "uncontended read",
        400,
        20_000,
        Way("eintr", &|times| timed(times, || drop(black_box(&ours).read().unwrap()))),
        [
            (
                Way("std", &|times| timed(times, || drop(black_box(&std).read().unwrap()))),
                Some(1.1),
            ),
            (
                Way("parking_lot", &|times| timed(times, || drop(black_box(&parking_lot).read()))),
                None,
            ),
        ],
    );
    turns.take(
        "uncontended write",
        400,
        20_000,
        Way("eintr", &|times| timed(times, || *black_box(&ours).write().unwrap() += 1)),
        [
            (
                Way("std", &|times| timed(times, || *black_box(&std).write().unwrap() += 1)),
                Some(1.1),
            ),
            (
                Way("parking_lot", &|times| timed(times, || *black_box(&parking_lot).write() += 1)),
                None,
            ),
        ],
    );
}

/// So many times in all, by threads that begin together.
fn against_others(times: u64, work: impl Fn() + Send + Sync + 'static) -> Duration {
    let (work, start) = (Arc::new(work), Arc::new(Barrier::new(THREADS as usize + 1)));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (work, start) = (work.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                (0..times / THREADS).for_each(|_| work());
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    began.elapsed()
}

/// Some work outside of the lock, and less inside.
fn outside() {
    for i in 0..20_u64 {
        black_box(i);
    }
}

pub fn contended(turns: &mut Turns) {
    let ours = Arc::new(eintr::sync::Mutex::new(0_u64));
    let std = Arc::new(std::sync::Mutex::new(0_u64));
    let parking_lot = Arc::new(parking_lot::Mutex::new(0_u64));
    let std_way = &|times| {
        let mutex = std.clone();
        against_others(times, move || {
            *mutex.lock().unwrap() += 1;
            outside();
        })
    };
    let parking_lot_way = &|times| {
        let mutex = parking_lot.clone();
        against_others(times, move || {
            *mutex.lock() += 1;
            outside();
        })
    };
    let ours_way = &|times| {
        let mutex = ours.clone();
        against_others(times, move || {
            *mutex.lock().unwrap() += 1;
            outside();
        })
    };
    let interruptible = &|times| {
        let mutex = ours.clone();
        against_others(times, move || {
            *mutex.lock_interruptible().unwrap().unwrap() += 1;
            outside();
        })
    };
    let references =
        || [(Way("std", std_way), Some(1.2)), (Way("parking_lot", parking_lot_way), Some(1.2))];
    turns.take("contended lock", 60, 200_000, Way("eintr", ours_way), references());
    turns.take(
        "contended lock_interruptible",
        60,
        200_000,
        Way("eintr", interruptible),
        references(),
    );
    let ours = Arc::new(eintr::sync::RwLock::new(0_u64));
    let std = Arc::new(std::sync::RwLock::new(0_u64));
    turns.take(
        "contended read, and one write in 16",
        60,
        200_000,
        Way("eintr", &|times| {
            let (lock, round) = (ours.clone(), std::sync::atomic::AtomicU64::new(0));
            against_others(times, move || {
                match round.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 16 {
                    0 => *lock.write().unwrap() += 1,
                    _ => drop(black_box(lock.read().unwrap())),
                }
            })
        }),
        [(
            Way("std", &|times| {
                let (lock, round) = (std.clone(), std::sync::atomic::AtomicU64::new(0));
                against_others(times, move || {
                    match round.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 16 {
                        0 => *lock.write().unwrap() += 1,
                        _ => drop(black_box(lock.read().unwrap())),
                    }
                })
            }),
            Some(1.2),
        )],
    );
}
