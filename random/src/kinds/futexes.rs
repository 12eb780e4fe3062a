//! What sleeps on a futex: locks, conditions, channels, permits, barriers; ours, std's and libc's.

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use std::{mem, sync as std_sync};

use eintr::TimedOut;
use eintr::sync as own;

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::State::{NotReady, Ready};
use crate::operation::Whose::{C, Own, Std};
use crate::plant::planted;
use crate::worker::{MOMENT, Readiness, Worker, pause};
use crate::wrong;

const PERMITS: u32 = 2;

/// Numbers that are changed under a lock, and how often they were.
pub struct Futexes {
    mutex: own::Mutex<u64>,
    std_mutex: std_sync::Mutex<u64>,
    locked: [AtomicU64; 2],
    /// Both numbers are the same.
    rwlock: own::RwLock<[u64; 2]>,
    std_rwlock: std_sync::RwLock<[u64; 2]>,
    tokens: (own::Mutex<u64>, own::Condvar),
    std_tokens: (std_sync::Mutex<u64>, std_sync::Condvar),
    given: AtomicU64,
    taken: AtomicU64,
    permits: own::Semaphore,
    sender: own::SyncSender<u64>,
    receiver: own::Receiver<u64>,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Futexes {
    pub fn new() -> Arc<Self> {
        let (sender, receiver) = own::sync_channel(4);
        Arc::new(Self {
            mutex: own::Mutex::default(),
            std_mutex: Default::default(),
            locked: Default::default(),
            rwlock: own::RwLock::default(),
            std_rwlock: Default::default(),
            tokens: Default::default(),
            std_tokens: Default::default(),
            given: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            permits: own::Semaphore::new(PERMITS),
            sender,
            receiver,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        })
    }

    /// How many messages went through.
    pub fn balance(&self) -> u64 {
        let same = |what, ins: u64, outs: u64, left: u64| {
            if ins != outs + left {
                wrong(format_args!("{what}: {ins} in, {outs} out, {left} left"));
            }
        };
        let free = "a lock is not free at the end";
        let locked = *self.mutex.try_lock().expect(free) + *self.std_mutex.try_lock().expect(free);
        same("numbers under a lock", self.locked[0].load(SeqCst), locked, 0);
        let written = self.rwlock.try_write().expect(free)[0];
        let written = written + self.std_rwlock.try_write().expect(free)[1];
        same("numbers under a rwlock", self.locked[1].load(SeqCst), written, 0);
        let left = *self.tokens.0.try_lock().expect(free);
        let left = left + *self.std_tokens.0.try_lock().expect(free);
        same("tokens", self.given.load(SeqCst), self.taken.load(SeqCst), left);
        let left = self.receiver.try_iter().count() as u64;
        same("messages", self.sent.load(SeqCst), self.received.load(SeqCst), left);
        same("permits", PERMITS.into(), self.permits.available().into(), 0);
        self.sent.load(SeqCst)
    }
}

/// Somebody else holds it for a while, or until the call is over.
fn held<T>(
    worker: &Worker,
    call: &Call,
    holds: impl FnOnce(&dyn Fn()) + Send + 'static,
    body: impl FnOnce() -> T,
) -> T {
    if call.state == Ready {
        return body();
    }
    let (state, number) = (call.state, call.number);
    let begun = Arc::new(AtomicBool::new(false));
    let begins = begun.clone();
    let job = move |over: &crate::peer::Over| {
        holds(&|| {
            begins.store(true, SeqCst);
            pause(number);
            while state == NotReady && !over.yet() {
                thread::sleep(MOMENT);
            }
        });
        begins.store(true, SeqCst);
    };
    worker.peer().beside(job, || {
        while !begun.load(SeqCst) {
            thread::yield_now();
        }
        body()
    })
}

const NO_PANIC: &str = "nobody panics";

fn mutex(worker: &Worker, call: &Call) -> Done {
    // Also one that others have, for a moment.
    let futexes = worker.futexes(&Call { alone: call.number % 2 == 0, ..*call });
    let other = futexes.clone();
    let interruptibly = call.row.ended == [Own];
    match call.whose {
        Std => held(
            worker,
            call,
            move |until| {
                let _guard = other.std_mutex.lock();
                until();
            },
            || *futexes.std_mutex.lock().expect(NO_PANIC) += 1,
        ),
        _ => held(
            worker,
            call,
            move |until| {
                let _guard = other.mutex.lock();
                until();
            },
            || {
                let locked = match interruptibly {
                    true => worker.felt(futexes.mutex.lock_interruptible())?,
                    false => futexes.mutex.lock(),
                };
                *locked.expect(NO_PANIC) += 1;
                Ok(())
            },
        )?,
    }
    futexes.locked[0].fetch_add(1, SeqCst);
    Ok(())
}

/// A mutex of libc's, whose holder the kernel knows.
struct Inherits {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    number: UnsafeCell<u64>,
}

// SAFETY: what it is for.
unsafe impl Sync for Inherits {}
// SAFETY: it has no thread of its own.
unsafe impl Send for Inherits {}

impl Inherits {
    fn new() -> Arc<Self> {
        // SAFETY: all bytes zero are a mutex; it is made anew where it stays, before anybody has it.
        unsafe {
            let (mutex, number) = (UnsafeCell::new(mem::zeroed()), UnsafeCell::new(0));
            let new = Arc::new(Self { mutex, number });
            let mut attributes = mem::zeroed();
            libc::pthread_mutexattr_init(&mut attributes);
            libc::pthread_mutexattr_setprotocol(&mut attributes, libc::PTHREAD_PRIO_INHERIT);
            libc::pthread_mutex_init(new.mutex.get(), &attributes);
            new
        }
    }

    fn with<T>(&self, f: impl FnOnce(*mut u64) -> T) -> T {
        // SAFETY: it is made.
        let locked = unsafe { libc::pthread_mutex_lock(self.mutex.get()) };
        let value = f(self.number.get());
        // SAFETY: it is locked by this thread.
        let unlocked = unsafe { libc::pthread_mutex_unlock(self.mutex.get()) };
        if locked != 0 || unlocked != 0 {
            wrong(format_args!(
                "a mutex that inherits: {locked} at its lock, {unlocked} at its end"
            ));
        }
        value
    }
}

fn inherits(worker: &Worker, call: &Call) -> Done {
    let mutex = Inherits::new();
    let other = mutex.clone();
    let times = 1 + call.number % 3;
    let holds = move |until: &dyn Fn()| {
        for _ in 0..times {
            // SAFETY: it is locked.
            other.with(|number| unsafe {
                until();
                *number += 1;
            });
        }
    };
    held(worker, call, holds, || {
        // SAFETY: it is locked.
        mutex.with(|number| unsafe { *number += 1 });
    });
    let (all, there) = (1 + if call.state == Ready { 0 } else { times as u64 }, mutex.number.get());
    // SAFETY: the other thread is done with it.
    let there = unsafe { *there };
    if there != all {
        wrong(format_args!("{there} under a mutex that inherits, where {all} were counted"));
    }
    Ok(())
}

fn write_both(numbers: &mut [u64; 2]) {
    for number in numbers {
        *number += 1;
        thread::yield_now();
    }
}

fn read_both(numbers: &[u64; 2]) {
    if numbers[0] != numbers[1] {
        wrong("a rwlock let a reader in beside a writer");
    }
}

fn rwlock(worker: &Worker, call: &Call) -> Done {
    let futexes = worker.futexes(&Call { alone: call.number % 2 == 0, ..*call });
    let (other, writes) = (futexes.clone(), call.number % 3 == 0);
    let interruptibly = call.row.ended == [Own];
    let body = || {
        match (call.whose, writes) {
            (Std, true) => write_both(&mut futexes.std_rwlock.write().expect(NO_PANIC)),
            (Std, false) => read_both(&futexes.std_rwlock.read().expect(NO_PANIC)),
            (_, true) => {
                let locked = match interruptibly {
                    true => worker.felt(futexes.rwlock.write_interruptible())?,
                    false => futexes.rwlock.write(),
                };
                write_both(&mut locked.expect(NO_PANIC));
            }
            (_, false) => {
                let locked = match interruptibly {
                    true => worker.felt(futexes.rwlock.read_interruptible())?,
                    false => futexes.rwlock.read(),
                };
                read_both(&locked.expect(NO_PANIC));
            }
        }
        Ok(())
    };
    let std = call.whose == Std;
    let holds = move |until: &dyn Fn()| match std {
        true => {
            let _guard = other.std_rwlock.write();
            until();
        }
        false => {
            let _guard = other.rwlock.write();
            until();
        }
    };
    held(worker, call, holds, body)?;
    futexes.locked[1].fetch_add(writes.into(), SeqCst);
    Ok(())
}

/// Ready while there is a token; of std's, or ours.
#[derive(Clone)]
struct Tokens(Arc<Futexes>, bool);

impl Readiness for Tokens {
    fn ready(&self) {
        self.0.given.fetch_add(1, SeqCst);
        if self.1 {
            *self.0.std_tokens.0.lock().expect(NO_PANIC) += 1;
            self.0.std_tokens.1.notify_one();
        } else {
            *self.0.tokens.0.lock().expect(NO_PANIC) += 1;
            self.0.tokens.1.notify_one();
        }
    }

    fn unready(&self) {
        let taken = match self.1 {
            true => mem::take(&mut *self.0.std_tokens.0.lock().expect(NO_PANIC)),
            false => mem::take(&mut *self.0.tokens.0.lock().expect(NO_PANIC)),
        };
        self.0.taken.fetch_add(taken, SeqCst);
    }
}

fn condvar(worker: &Worker, call: &Call) -> Done {
    let futexes = worker.futexes(call);
    worker.meets(call, Tokens(futexes.clone(), call.whose == Std), || {
        if call.whose == Std {
            let (mutex, condvar) = &futexes.std_tokens;
            let tokens = mutex.lock().expect(NO_PANIC);
            *condvar.wait_while(tokens, |tokens| *tokens == 0).expect(NO_PANIC) -= 1;
        } else {
            let (mutex, condvar) = &futexes.tokens;
            let mut tokens = worker.felt(mutex.lock_interruptible())?.expect(NO_PANIC);
            let waited = condvar.wait_while_interruptible(&mut tokens, |tokens| *tokens == 0);
            worker.felt(waited)?.expect(NO_PANIC);
            *tokens -= 1;
        }
        Ok(())
    })?;
    futexes.taken.fetch_add(if planted("tokens", call.number) { 2 } else { 1 }, SeqCst);
    Ok(())
}

/// A channel, to send and to receive.
#[derive(Clone)]
struct Channel(Arc<Futexes>, bool);

impl Readiness for Channel {
    fn ready(&self) {
        let Self(futexes, receives) = self;
        match receives {
            true => futexes.sent.fetch_add(futexes.sender.try_send(1).is_ok().into(), SeqCst),
            false => futexes.received.fetch_add(futexes.receiver.try_recv().is_ok().into(), SeqCst),
        };
    }

    fn unready(&self) {
        let opposite = Self(self.0.clone(), !self.1);
        for _ in 0..8 {
            opposite.ready();
        }
    }
}

fn send(worker: &Worker, call: &Call) -> Done {
    let futexes = worker.futexes(call);
    worker
        .meets(call, Channel(futexes.clone(), false), || {
            let sent = futexes.sender.send_interruptible(1);
            worker.felt(sent.map_err(|unsent| unsent.interrupted))
        })?
        .expect("there is a receiver");
    futexes.sent.fetch_add(1, SeqCst);
    Ok(())
}

fn receive(worker: &Worker, call: &Call) -> Done {
    let futexes = worker.futexes(call);
    worker
        .meets(call, Channel(futexes.clone(), true), || {
            worker.felt(futexes.receiver.recv_interruptible())
        })?
        .expect("there is a sender");
    if !planted("messages", call.number) {
        futexes.received.fetch_add(1, SeqCst);
    }
    Ok(())
}

fn std_receive(worker: &Worker, call: &Call) -> Done {
    let (sender, receiver) = std_sync::mpsc::channel();
    held(
        worker,
        call,
        move |until| {
            until();
            let _ = sender.send(1);
        },
        || (),
    );
    if call.state != Ready && receiver.recv() != Ok(1) {
        wrong("a message of std's is lost");
    }
    Ok(())
}

fn permit(worker: &Worker, call: &Call) -> Done {
    let futexes = worker.futexes(call);
    let other = futexes.clone();
    let holds = move |until: &dyn Fn()| {
        let _permits = [other.permits.try_acquire(), other.permits.try_acquire()];
        until();
    };
    if planted("permits", call.number) {
        futexes.permits.release(1);
    }
    held(worker, call, holds, || worker.felt(futexes.permits.acquire_interruptible()).map(drop))
}

/// Both come through, or neither.
fn barrier(worker: &Worker, call: &Call) -> Done {
    let (barrier, passed) = (Arc::new(own::Barrier::new(2)), Arc::new(AtomicBool::new(false)));
    let (theirs, passes) = (barrier.clone(), passed.clone());
    let (never, number) = (call.state == NotReady, call.number);
    let job = move |over: &crate::peer::Over| {
        pause(number);
        while !never && !over.yet() {
            let came = eintr::timeout(Duration::from_millis(1), || {
                theirs.wait_interruptible().map_err(|_| TimedOutOrNot)
            });
            if came.is_ok() {
                return passes.store(true, SeqCst);
            }
        }
        // We may have come through in between.
    };
    let through = worker.peer().beside(job, || barrier.wait_interruptible());
    if through.is_ok() != passed.load(SeqCst) {
        wrong("one came through a barrier alone");
    }
    worker.felt(through).map(drop)
}

struct TimedOutOrNot;

impl From<TimedOut> for TimedOutOrNot {
    fn from(_: TimedOut) -> Self {
        Self
    }
}

fn std_barrier(worker: &Worker, call: &Call) -> Done {
    let barrier = Arc::new(std_sync::Barrier::new(2));
    let (theirs, number) = (barrier.clone(), call.number);
    let job = move |_: &crate::peer::Over| {
        pause(number);
        theirs.wait();
    };
    worker.peer().beside(job, || barrier.wait());
    Ok(())
}

#[derive(Clone)]
struct Event(Arc<own::Event>);

impl Readiness for Event {
    fn ready(&self) {
        self.0.set();
    }

    fn unready(&self) {
        self.0.clear();
    }
}

#[derive(Clone)]
struct Unparker(own::Unparker);

impl Readiness for Unparker {
    fn ready(&self) {
        self.0.unpark();
    }

    fn unready(&self) {}
}

#[derive(Clone)]
struct Parked(thread::Thread);

impl Readiness for Parked {
    fn ready(&self) {
        self.0.unpark();
    }

    fn unready(&self) {}
}

struct Semaphore(UnsafeCell<libc::sem_t>);

// SAFETY: what it is for.
unsafe impl Sync for Semaphore {}
// SAFETY: it has no thread of its own.
unsafe impl Send for Semaphore {}

impl Readiness for Arc<Semaphore> {
    fn ready(&self) {
        // SAFETY: it is initialised.
        unsafe { libc::sem_post(self.0.get()) };
    }

    fn unready(&self) {
        // SAFETY: it is initialised.
        while unsafe { libc::sem_trywait(self.0.get()) } == 0 {}
    }
}

fn sem_wait(worker: &Worker, call: &Call) -> Done {
    // SAFETY: all bytes zero are a semaphore with no permit.
    let semaphore = Arc::new(Semaphore(UnsafeCell::new(unsafe { mem::zeroed() })));
    // glibc's is woken once for each cause.
    worker.meets(call, semaphore.clone(), || {
        loop {
            // SAFETY: it is initialised.
            match worker.c_once(unsafe { libc::sem_wait(semaphore.0.get()) } as isize) {
                Ok(_) => return,
                Err(_) => drop(eintr::checkpoint()),
            }
        }
    });
    Ok(())
}

pub const ROWS: &[Row] = &[
    row("Mutex::lock", &[], &[Own, Std], mutex),
    row("Mutex::lock_interruptible", &[Own], &[], mutex),
    row("PI mutex", &[], &[C], inherits),
    row("RwLock", &[], &[Own, Std], rwlock),
    row("RwLock, interruptibly", &[Own], &[], rwlock),
    row("Condvar", &[Own], &[Std], condvar),
    row("channel: send", &[Own], &[], send),
    row("channel: receive", &[Own], &[], receive),
    row("channel of std's", &[], &[Std], std_receive),
    row("permit", &[Own], &[], permit),
    row("barrier", &[Own], &[], barrier),
    row("barrier of std's", &[], &[Std], std_barrier),
    row("Event", &[Own], &[], |worker, call| {
        let event = Arc::new(own::Event::default());
        worker.meets(call, Event(event.clone()), || worker.felt(event.wait_interruptible()))
    }),
    row("park", &[Own], &[Std], |worker, call| match call.whose {
        Own => {
            let parker = own::Parker::new();
            let unparker = Unparker(parker.unparker().clone());
            worker.meets(call, unparker, || worker.felt(parker.park_interruptible()))
        }
        _ => {
            worker.meets(call, Parked(thread::current()), thread::park);
            Ok(())
        }
    }),
    row("sem_wait", &[], &[C], sem_wait),
];
