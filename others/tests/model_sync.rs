//! Models of the state machines in `src/sync/raw/`, checked in every interleaving (within a bound
//! on preemptions) by loom.
//!
//! The files themselves are compiled in, over loom's atomics. The kernel's futex is written again
//! here ([`kernel::futex`]), and so is a wait that may end by itself at any time ([`MayEnd`]): for
//! that is what an interrupt, or a time that is up, is to a machine. A wake-up that is lost is a
//! thread that sleeps for ever, which loom reports as a deadlock.
//!
//! The checker is checked: with each of the mistakes that one could make here, the model must find
//! one.

use std::convert::Infallible;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicBool;
use loom::thread;

mod kernel {
    pub(crate) mod primitives {
        pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};

        /// To look again before sleeping changes nothing but the time.
        pub(crate) struct Patience;

        impl Patience {
            pub(crate) fn pass<T>(&self, _look: impl FnMut() -> Option<T>) -> Option<T> {
                None
            }
        }

        loom::thread_local! {
            static ID: u32 = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 1000 + 1;
        }

        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

        pub(crate) fn thread_id() -> u32 {
            ID.with(|id| *id)
        }

        pub(crate) fn spin_while(_holds: impl FnMut() -> bool) {}
    }

    /// The kernel's futex: to look at the word and to go to sleep is one step for whoever wakes.
    pub(crate) mod futex {
        use std::collections::HashMap;

        use loom::sync::atomic::AtomicBool;
        use loom::sync::{Condvar, Mutex};

        use super::primitives::{AtomicU32, Ordering};

        loom::lazy_static! {
            static ref SLEEPERS: Mutex<Sleepers> = Mutex::default();
            static ref WOKEN: Condvar = Condvar::new();
        }

        #[derive(Default)]
        struct Sleepers {
            last: u32,
            /// By the word; the first is woken first.
            on: HashMap<usize, Vec<u32>>,
        }

        impl Sleepers {
            fn on(&mut self, word: &AtomicU32) -> &mut Vec<u32> {
                self.on.entry(std::ptr::from_ref(word) as usize).or_default()
            }
        }

        /// Sleeps while the word is that, until it is woken or it is over; false if it was over and
        /// it was not woken.
        pub(crate) fn wait(word: &AtomicU32, expected: u32, over: &AtomicBool) -> bool {
            let mut sleepers = SLEEPERS.lock().unwrap();
            // As the trampoline, which looks first.
            if over.load(Ordering::Relaxed) {
                return false;
            }
            if word.load(Ordering::Relaxed) != expected {
                return true;
            }
            sleepers.last += 1;
            let own = sleepers.last;
            sleepers.on(word).push(own);
            loop {
                // Whoever was woken was woken, whatever else is pending.
                let place = sleepers.on(word).iter().position(|sleeper| *sleeper == own);
                let Some(place) = place else { return true };
                if over.load(Ordering::Relaxed) {
                    sleepers.on(word).remove(place);
                    return false;
                }
                sleepers = WOKEN.wait(sleepers).unwrap();
            }
        }

        /// Ends a wait from outside.
        pub(crate) fn end(over: &AtomicBool) {
            let _sleepers = SLEEPERS.lock().unwrap();
            over.store(true, Ordering::Relaxed);
            WOKEN.notify_all();
        }

        pub(crate) fn wake(word: &AtomicU32, count: u32) -> usize {
            let mut sleepers = SLEEPERS.lock().unwrap();
            let on = sleepers.on(word);
            let woken = on.drain(..on.len().min(count as usize)).count();
            if woken > 0 {
                WOKEN.notify_all();
            }
            woken
        }

        pub(crate) fn wake_all(word: &AtomicU32) {
            wake(word, u32::MAX);
        }

        /// Whether anybody sleeps on it.
        pub(crate) fn is_slept_on(word: &AtomicU32) -> bool {
            !SLEEPERS.lock().unwrap().on(word).is_empty()
        }
    }
}

#[allow(dead_code, unused_imports, reason = "the crate uses all of it")]
#[path = "../../src/sync/raw/mod.rs"]
mod raw;

use kernel::futex;
use kernel::primitives::{AtomicU32, Ordering, Patience};
use raw::{How, RawCondvar, RawEvent, RawMutex, RawRwLock, Sleepers, Slept, Token};

/// Nothing ends the wait.
struct ToTheEnd;

impl How for ToTheEnd {
    type Stop = Infallible;

    fn sleep(&self, word: &AtomicU32, expected: u32, _lock: Option<&AtomicU32>) -> Slept {
        futex::wait(word, expected, &AtomicBool::new(false));
        Slept::Woken
    }

    fn go_on(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The wait was given up.
#[derive(Debug, PartialEq, Eq)]
struct Interrupted;

/// Another thread may end the wait.
struct MayEnd {
    over: AtomicBool,
    /// The mistake: it ends even where it was woken.
    takes_wakeups: bool,
}

impl MayEnd {
    fn new(takes_wakeups: bool) -> Arc<Self> {
        Arc::new(Self { over: AtomicBool::new(false), takes_wakeups })
    }

    fn end(&self) {
        futex::end(&self.over);
    }
}

impl How for Arc<MayEnd> {
    type Stop = Interrupted;

    fn sleep(&self, word: &AtomicU32, expected: u32, _lock: Option<&AtomicU32>) -> Slept {
        let woken = futex::wait(word, expected, &self.over);
        let is_over = self.takes_wakeups && self.over.load(Ordering::Relaxed);
        if woken && !is_over { Slept::Woken } else { Slept::Ended }
    }

    fn go_on(&self) -> Result<(), Interrupted> {
        if self.over.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
    }
}

/// Runs `body` in every interleaving of at most two preemptions; of more, where
/// `LOOM_MAX_PREEMPTIONS` says so.
fn check(body: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(2));
    model.check(body);
}

/// A value that loom watches: two at a time are an error, and so is one that does not see what the
/// one before did.
#[derive(Default)]
struct Watched(UnsafeCell<u32>);

// SAFETY: loom looks at every access.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

impl Watched {
    fn add_one(&self) {
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }

    fn get(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|value| unsafe { *value })
    }
}

fn word() -> AtomicU32 {
    AtomicU32::new(0)
}

struct Locked {
    mutex: RawMutex,
    value: Watched,
}

impl Locked {
    fn new() -> Arc<Self> {
        Arc::new(Self { mutex: RawMutex { word: word() }, value: Watched::default() })
    }

    fn add_one<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        self.mutex.lock(how)?;
        self.value.add_one();
        self.mutex.unlock();
        Ok(())
    }
}

#[test]
fn a_mutex_excludes() {
    check(|| {
        let locked = Locked::new();
        let threads = [(); 2].map(|()| {
            let locked = locked.clone();
            thread::spawn(move || locked.add_one(&ToTheEnd))
        });
        locked.add_one(&ToTheEnd).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        locked.mutex.lock(&ToTheEnd).unwrap();
        assert_eq!(locked.value.get(), 3);
    });
}

/// One gives up while another waits.
fn giving_up_a_mutex(takes_wakeups: bool) {
    check(move || {
        let locked = Locked::new();
        locked.mutex.lock(&ToTheEnd).unwrap();
        let how = MayEnd::new(takes_wakeups);
        let asked = thread::spawn({
            let (locked, how) = (locked.clone(), how.clone());
            move || locked.add_one(&how)
        });
        let other = thread::spawn({
            let locked = locked.clone();
            move || locked.add_one(&ToTheEnd)
        });
        let requester = thread::spawn(move || how.end());
        locked.value.add_one();
        locked.mutex.unlock();
        let added = u32::from(asked.join().unwrap().is_ok());
        other.join().unwrap().unwrap();
        requester.join().unwrap();
        locked.mutex.lock(&ToTheEnd).unwrap();
        assert_eq!(locked.value.get(), 2 + added);
    });
}

#[test]
fn an_unlock_is_not_lost_on_one_that_gives_up() {
    giving_up_a_mutex(false);
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_the_unlock_that_is_lost() {
    giving_up_a_mutex(true);
}

/// Things under a mutex, for which threads wait.
struct Shelf {
    mutex: RawMutex,
    things: Watched,
    taken: Watched,
    changed: RawCondvar,
}

impl Shelf {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            mutex: RawMutex { word: word() },
            things: Watched::default(),
            taken: Watched::default(),
            changed: RawCondvar { count: word() },
        })
    }

    fn bring(&self) {
        self.mutex.lock(&ToTheEnd).unwrap();
        self.things.add_one();
        self.mutex.unlock();
        self.changed.notify_one();
    }

    /// As `Condvar::wait_interruptible` in a loop; whether the thread was stopped.
    fn take<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        self.mutex.lock(&ToTheEnd).unwrap();
        while self.things.get() == self.taken.get() {
            let ticket = self.changed.ticket();
            self.mutex.unlock();
            let slept = self.changed.sleep(ticket, how);
            self.mutex.lock(&ToTheEnd).unwrap();
            if slept == Slept::Ended {
                how.go_on().inspect_err(|_| self.mutex.unlock())?;
            }
        }
        self.taken.add_one();
        self.mutex.unlock();
        Ok(())
    }
}

/// Of two that wait one may give up, and one notification comes.
#[test]
fn a_notification_is_not_lost_on_one_that_gives_up() {
    check(|| {
        let shelf = Shelf::new();
        let how = MayEnd::new(false);
        let asked = thread::spawn({
            let (shelf, how) = (shelf.clone(), how.clone());
            move || shelf.take(&how)
        });
        let other = thread::spawn({
            let shelf = shelf.clone();
            move || shelf.take(&ToTheEnd)
        });
        shelf.bring();
        how.end();
        if asked.join().unwrap().is_ok() {
            shelf.bring();
        }
        other.join().unwrap().unwrap();
    });
}

#[test]
fn all_are_notified() {
    check(|| {
        let shelf = Shelf::new();
        let threads = [(); 2].map(|()| {
            let shelf = shelf.clone();
            thread::spawn(move || shelf.take(&ToTheEnd))
        });
        shelf.mutex.lock(&ToTheEnd).unwrap();
        shelf.things.add_one();
        shelf.things.add_one();
        shelf.mutex.unlock();
        shelf.changed.notify_all();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
}

struct Shared {
    lock: RawRwLock,
    value: Watched,
}

impl Shared {
    fn new() -> Arc<Self> {
        let lock = RawRwLock { word: word(), calls: word() };
        Arc::new(Self { lock, value: Watched::default() })
    }

    fn read<H: How>(&self, how: &H) -> Result<u32, H::Stop> {
        self.lock.read(how)?;
        let value = self.value.get();
        self.lock.unlock_read();
        Ok(value)
    }

    fn write<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        self.lock.write(how)?;
        self.value.add_one();
        self.lock.unlock_write();
        Ok(())
    }
}

#[test]
fn writers_exclude() {
    check(|| {
        let shared = Shared::new();
        let writers = [(); 2].map(|()| {
            let shared = shared.clone();
            thread::spawn(move || shared.write(&ToTheEnd))
        });
        assert!(shared.read(&ToTheEnd).unwrap() <= 2);
        writers.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        assert_eq!(shared.read(&ToTheEnd).unwrap(), 2);
    });
}

#[test]
fn readers_and_a_writer_all_come_through() {
    check(|| {
        let shared = Shared::new();
        let readers = [(); 2].map(|()| {
            let shared = shared.clone();
            thread::spawn(move || shared.read(&ToTheEnd))
        });
        shared.write(&ToTheEnd).unwrap();
        readers.into_iter().for_each(|thread| assert!(thread.join().unwrap().unwrap() <= 1));
    });
}

/// A reader queues up behind a writer, for a lock that is held by a reader until that one has come
/// through.
#[test]
fn a_writer_that_gives_up_lets_readers_pass() {
    check(|| {
        let shared = Shared::new();
        shared.lock.read(&ToTheEnd).unwrap();
        let how = MayEnd::new(false);
        let writer = thread::spawn({
            let (shared, how) = (shared.clone(), how.clone());
            move || shared.write(&how)
        });
        let reader = thread::spawn({
            let shared = shared.clone();
            move || shared.read(&ToTheEnd)
        });
        how.end();
        assert_eq!(writer.join().unwrap(), Err(Interrupted));
        assert_eq!(reader.join().unwrap(), Ok(0));
        shared.lock.unlock_read();
        assert!(shared.lock.try_write());
    });
}

/// A reader that waits for a writer comes through where that one reads on, unless another is to write.
fn downgrading(is_another: bool) {
    check(move || {
        let shared = Shared::new();
        shared.lock.write(&ToTheEnd).unwrap();
        let reader = thread::spawn({
            let shared = shared.clone();
            move || shared.read(&ToTheEnd)
        });
        let writer = is_another.then(|| {
            let shared = shared.clone();
            thread::spawn(move || shared.write(&ToTheEnd))
        });
        shared.value.add_one();
        shared.lock.downgrade();
        assert_eq!(shared.value.get(), 1);
        match writer {
            None => {
                assert_eq!(reader.join().unwrap(), Ok(1));
                shared.lock.unlock_read();
            }
            Some(writer) => {
                shared.lock.unlock_read();
                writer.join().unwrap().unwrap();
                assert!(reader.join().unwrap().unwrap() >= 1);
            }
        }
        assert!(shared.lock.try_write());
    });
}

#[test]
fn a_writer_that_reads_on_lets_readers_pass() {
    downgrading(false);
}

#[test]
fn a_writer_that_reads_on_calls_the_next() {
    downgrading(true);
}

/// Of two that wait to write one may give up.
fn giving_up_to_write(takes_wakeups: bool) {
    check(move || {
        let shared = Shared::new();
        shared.lock.write(&ToTheEnd).unwrap();
        let how = MayEnd::new(takes_wakeups);
        let asked = thread::spawn({
            let (shared, how) = (shared.clone(), how.clone());
            move || shared.write(&how)
        });
        let other = thread::spawn({
            let shared = shared.clone();
            move || shared.write(&ToTheEnd)
        });
        let requester = thread::spawn(move || how.end());
        shared.lock.unlock_write();
        let written = u32::from(asked.join().unwrap().is_ok());
        other.join().unwrap().unwrap();
        requester.join().unwrap();
        assert_eq!(shared.read(&ToTheEnd).unwrap(), 1 + written);
    });
}

#[test]
fn a_call_to_the_writers_is_not_lost_on_one_that_gives_up() {
    giving_up_to_write(false);
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_the_call_that_is_lost() {
    giving_up_to_write(true);
}

#[test]
fn readers_that_give_up_leave_the_lock_as_it_was() {
    check(|| {
        let shared = Shared::new();
        shared.lock.write(&ToTheEnd).unwrap();
        let how = MayEnd::new(false);
        let asked = thread::spawn({
            let (shared, how) = (shared.clone(), how.clone());
            move || shared.read(&how).is_ok()
        });
        let other = thread::spawn({
            let shared = shared.clone();
            move || shared.read(&ToTheEnd)
        });
        how.end();
        shared.lock.unlock_write();
        asked.join().unwrap();
        other.join().unwrap().unwrap();
        shared.write(&ToTheEnd).unwrap();
    });
}

#[test]
fn an_event_that_was_set_lets_go() {
    check(|| {
        let event = Arc::new(RawEvent { word: word() });
        let waiters = [(); 2].map(|()| {
            let event = event.clone();
            thread::spawn(move || event.wait(&ToTheEnd))
        });
        event.set();
        event.clear();
        event.set();
        waiters.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
}

#[test]
fn an_event_that_is_cleared_at_once_lets_go_of_those_who_slept() {
    check(|| {
        let event = Arc::new(RawEvent { word: word() });
        let waiter = thread::spawn({
            let event = event.clone();
            move || event.wait(&ToTheEnd)
        });
        let sleeps = futex::is_slept_on(&event.word);
        event.set();
        if sleeps {
            event.clear();
        }
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn an_event_tells_what_was_done_before() {
    check(|| {
        let shared = Arc::new((RawEvent { word: word() }, Watched::default()));
        let how = MayEnd::new(false);
        let waiter = thread::spawn({
            let (shared, how) = (shared.clone(), how.clone());
            move || shared.0.wait(&how).map(|()| shared.1.get())
        });
        shared.1.add_one();
        shared.0.set();
        how.end();
        assert!(matches!(waiter.join().unwrap(), Ok(1) | Err(Interrupted)));
    });
}

#[test]
fn a_token_that_was_given_is_there() {
    check(|| {
        let token = Arc::new(Token { word: word() });
        let how = MayEnd::new(false);
        let parker = thread::spawn({
            let (token, how) = (token.clone(), how.clone());
            move || {
                // Given up or not: what was given after is there for the next time, too.
                let first = token.take(&how);
                if first.is_err() {
                    token.take(&ToTheEnd).unwrap();
                }
            }
        });
        let requester = thread::spawn(move || how.end());
        token.give();
        parker.join().unwrap();
        requester.join().unwrap();
    });
}

/// Things without a lock, for which threads wait.
struct Counter {
    things: AtomicU32,
    sleepers: Sleepers,
}

impl Counter {
    fn new() -> Arc<Self> {
        let sleepers = Sleepers { announced: word(), wakeups: word(), patience: Patience };
        Arc::new(Self { things: word(), sleepers })
    }

    fn bring(&self) {
        self.things.fetch_add(1, Ordering::Release);
        self.sleepers.wake_one();
    }

    fn take<H: How>(&self, how: &H) -> Result<(), H::Stop> {
        let take = |things: u32| things.checked_sub(1);
        self.sleepers.wait_for(how, || {
            self.things.fetch_update(Ordering::Acquire, Ordering::Relaxed, take).ok()
        })?;
        Ok(())
    }
}

#[test]
fn each_thing_finds_its_taker() {
    check(|| {
        let counter = Counter::new();
        let takers = [(); 2].map(|()| {
            let counter = counter.clone();
            thread::spawn(move || counter.take(&ToTheEnd))
        });
        counter.bring();
        counter.bring();
        takers.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
}

#[test]
fn a_taker_that_comes_again_is_woken_again() {
    check(|| {
        let counter = Counter::new();
        let taker = thread::spawn({
            let counter = counter.clone();
            move || (0..2).for_each(|_| counter.take(&ToTheEnd).unwrap())
        });
        let other = thread::spawn({
            let counter = counter.clone();
            move || counter.bring()
        });
        counter.bring();
        taker.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_the_wake_before_the_deed() {
    check(|| {
        let counter = Counter::new();
        let taker = thread::spawn({
            let counter = counter.clone();
            move || counter.take(&ToTheEnd)
        });
        counter.sleepers.wake_one();
        counter.things.fetch_add(1, Ordering::Release);
        taker.join().unwrap().unwrap();
    });
}

/// Of two that wait one may give up, and one thing comes.
#[test]
fn a_thing_is_not_lost_on_one_that_gives_up() {
    check(|| {
        let counter = Counter::new();
        let how = MayEnd::new(false);
        let asked = thread::spawn({
            let (counter, how) = (counter.clone(), how.clone());
            move || counter.take(&how)
        });
        let other = thread::spawn({
            let counter = counter.clone();
            move || counter.take(&ToTheEnd)
        });
        counter.bring();
        how.end();
        if asked.join().unwrap().is_ok() {
            counter.bring();
        }
        other.join().unwrap().unwrap();
    });
}

#[test]
fn the_end_wakes_all() {
    check(|| {
        let counter = Counter::new();
        let takers = [(); 2].map(|()| {
            let counter = counter.clone();
            thread::spawn(move || counter.take(&ToTheEnd))
        });
        counter.things.fetch_add(2, Ordering::Release);
        counter.sleepers.wake_all();
        takers.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    });
}
