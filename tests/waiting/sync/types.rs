//! What the types are: as std's.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::{mpsc as std_mpsc, *};

/// Whether a type has a trait, found out by which method is seen first.
macro_rules! has {
    ($type:ty: $($bound:tt)+) => {{
        #[allow(dead_code)]
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Otherwise for T {}
        struct Asked<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: ?Sized + $($bound)+> Asked<T> {
            const HAS: bool = true;
        }
        <Asked<$type>>::HAS
    }};
}

macro_rules! same {
    ($($ours:ty = $std:ty),* $(,)?) => {$(
        for (name, ours, std) in [
            ("Send", has!($ours: Send), has!($std: Send)),
            ("Sync", has!($ours: Sync), has!($std: Sync)),
            ("UnwindSafe", has!($ours: UnwindSafe), has!($std: UnwindSafe)),
            ("RefUnwindSafe", has!($ours: RefUnwindSafe), has!($std: RefUnwindSafe)),
            ("Unpin", has!($ours: Unpin), has!($std: Unpin)),
            ("Clone", has!($ours: Clone), has!($std: Clone)),
            ("Debug", has!($ours: std::fmt::Debug), has!($std: std::fmt::Debug)),
            ("Display", has!($ours: std::fmt::Display), has!($std: std::fmt::Display)),
            ("Default", has!($ours: Default), has!($std: Default)),
        ] {
            assert_eq!(ours, std, "{name} of {}", stringify!($std));
        }
    )*};
}

#[test]
fn the_traits_are_those_of_std() {
    use eintr::sync as ours;
    type Cell = std::cell::Cell<u8>;
    same! {
        ours::Mutex<u8> = Mutex<u8>,
        ours::Mutex<Cell> = Mutex<Cell>,
        ours::Mutex<Rc<u8>> = Mutex<Rc<u8>>,
        ours::Mutex<dyn Send> = Mutex<dyn Send>,
        ours::MutexGuard<'static, u8> = MutexGuard<'static, u8>,
        ours::MutexGuard<'static, Cell> = MutexGuard<'static, Cell>,
        ours::MutexGuard<'static, Rc<u8>> = MutexGuard<'static, Rc<u8>>,
        ours::RwLock<u8> = RwLock<u8>,
        ours::RwLock<Cell> = RwLock<Cell>,
        ours::RwLock<Rc<u8>> = RwLock<Rc<u8>>,
        ours::RwLockReadGuard<'static, u8> = RwLockReadGuard<'static, u8>,
        ours::RwLockReadGuard<'static, Cell> = RwLockReadGuard<'static, Cell>,
        ours::RwLockWriteGuard<'static, u8> = RwLockWriteGuard<'static, u8>,
        ours::RwLockWriteGuard<'static, Cell> = RwLockWriteGuard<'static, Cell>,
        ours::Condvar = Condvar,
        ours::WaitTimeoutResult = WaitTimeoutResult,
        ours::Barrier = Barrier,
        ours::BarrierWaitResult = BarrierWaitResult,
        ours::Sender<u8> = std_mpsc::Sender<u8>,
        ours::Sender<Cell> = std_mpsc::Sender<Cell>,
        ours::Sender<Rc<u8>> = std_mpsc::Sender<Rc<u8>>,
        ours::SyncSender<u8> = std_mpsc::SyncSender<u8>,
        ours::SyncSender<Rc<u8>> = std_mpsc::SyncSender<Rc<u8>>,
    }
    // More than std's: it may be cloned and shared.
    assert!(has!(ours::Receiver<u8>: Clone) && has!(ours::Receiver<u8>: Sync));
    assert!(has!(ours::Receiver<u8>: Send) && has!(std_mpsc::Receiver<u8>: Send));
    assert!(has!(ours::Receiver<Cell>: Sync), "messages are handed over, not shared");
    assert!(!has!(ours::Receiver<Rc<u8>>: Send) && !has!(ours::Receiver<Rc<u8>>: Sync));
    assert!(!has!(ours::Parker: Sync) && has!(ours::Parker: Send));
}

#[test]
fn they_can_be_static_and_unsized() {
    static COUNT: eintr::sync::Mutex<u32> = eintr::sync::Mutex::new(1);
    static TABLE: eintr::sync::RwLock<[u8; 2]> = eintr::sync::RwLock::new([1, 2]);
    static CHANGED: eintr::sync::Condvar = eintr::sync::Condvar::new();
    static ROOM: eintr::sync::Semaphore = eintr::sync::Semaphore::new(1);
    static OVER: eintr::sync::Event = eintr::sync::Event::new();
    *COUNT.lock().unwrap() += 1;
    CHANGED.notify_all();
    drop(ROOM.acquire());
    assert!(!OVER.is_set());
    let unsized_mutex: &eintr::sync::Mutex<dyn std::fmt::Debug> = &COUNT;
    assert_eq!(format!("{:?}", unsized_mutex.lock().unwrap()), "2");
    let slice: &eintr::sync::RwLock<[u8]> = &TABLE;
    assert_eq!(slice.read().unwrap().len(), 2);
}

/// A guard of what lives long is one of what does not, as std's.
#[test]
fn a_read_guard_is_covariant() {
    fn shortest<'a>(
        long: eintr::sync::RwLockReadGuard<'a, &'static str>,
        short: &'a str,
    ) -> &'a str {
        let long: eintr::sync::RwLockReadGuard<'a, &'a str> = long;
        if short.len() < long.len() { short } else { *long }
    }
    let lock = eintr::sync::RwLock::new("long");
    let short = String::from("-");
    assert_eq!(shortest(lock.read().unwrap(), &short), "-");
}

#[test]
fn they_are_no_larger_than_std_s() {
    use eintr::sync as ours;
    assert!(size_of::<ours::Mutex<()>>() <= size_of::<Mutex<()>>());
    assert!(size_of::<ours::RwLock<()>>() <= size_of::<RwLock<()>>());
    assert!(size_of::<ours::Condvar>() <= size_of::<Condvar>());
    assert!(size_of::<ours::Sender<u8>>() <= size_of::<std_mpsc::Sender<u8>>());
}
