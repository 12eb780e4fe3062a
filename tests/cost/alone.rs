//! How many syscalls an interrupt takes that comes alone: more than a millisecond after the last, so
//! that nothing is known any more of the handlers of the process (S2). And the first of a process.
//!
//! The tests here work like this: the requester and the asked thread are under filters that have the kernel
//! ask about each of their syscalls (see [`test_support::notices`]). A thread's syscall waits until it
//! has been noted; so what the thread itself finds noted is all that it has made. Each test has a process
//! of its own, in which one thread is interrupted again and again. A machine that is busy lets a thread wait
//! for so long that another look at the handlers is due. So of those that come alone the least counts, and
//! the first only without such a look, and without what a requester that has looked too soon for it sends once more.
//!
//! Who notes takes no lock and allocates nothing: a syscall is also made by who holds the allocator's lock, musl's above all.

use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use eintr::Interrupter;
use eintr::sync::Event;
use test_support::child::alone_with_dispatch;
use test_support::notices::{ask_about_me, let_one_on};
use test_support::{gettid, sleeps_in, wait_until};

/// More than a thread makes here.
const ROOM: usize = 1 << 16;

/// A thread's syscalls.
struct Noted {
    /// Where the kernel asks; 0 until the thread is under its filter.
    listener: AtomicI32,
    tid: AtomicI32,
    numbers: Box<[AtomicI32]>,
    /// So many have been noted.
    noted: AtomicUsize,
    /// So many have been let on.
    answered: AtomicUsize,
    /// So many calls of its have been interrupted.
    woken: AtomicUsize,
}

impl Noted {
    /// To be noted from now on, by a thread that is made here.
    fn start() -> Arc<Self> {
        let [listener, tid] = [(); 2].map(|()| AtomicI32::new(0));
        let [noted, answered, woken] = [(); 3].map(|()| AtomicUsize::new(0));
        let numbers = (0..ROOM).map(|_| AtomicI32::new(0)).collect();
        let noted = Arc::new(Self { listener, tid, numbers, noted, answered, woken });
        let notes = noted.clone();
        thread::spawn(move || {
            wait_until("a thread is under its filter", || notes.listener.load(SeqCst) != 0);
            // SAFETY: it is new, and nobody else's.
            let listener = unsafe { OwnedFd::from_raw_fd(notes.listener.load(SeqCst)) };
            while let_one_on(&listener, |notice| notes.note(notice.number)) {
                notes.answered.fetch_add(1, SeqCst);
            }
        });
        noted
    }

    fn note(&self, number: i32) {
        self.numbers[self.noted.load(SeqCst)].store(number, SeqCst);
        self.noted.fetch_add(1, SeqCst);
    }

    /// The calling thread's are to be noted.
    fn mine(&self) {
        self.tid.store(gettid(), SeqCst);
        let listener = ask_about_me();
        assert!(listener > 0, "the kernel tells of syscalls");
        self.listener.store(listener, SeqCst);
    }

    /// Those that the calling thread makes by `f`.
    fn by<T>(&self, f: impl FnOnce() -> T) -> Vec<i32> {
        let before = self.noted.load(SeqCst);
        f();
        let made = &self.numbers[before..self.noted.load(SeqCst)];
        made.iter().map(|number| number.load(SeqCst)).collect()
    }

    /// Whether the thread sleeps in that syscall, and not in the filter.
    fn sleeps_in(&self, number: i64) -> bool {
        let last = self.noted.load(SeqCst).checked_sub(1);
        let is_last = last.is_some_and(|last| self.numbers[last].load(SeqCst) == number as i32);
        let is_let_on = || last == self.answered.load(SeqCst).checked_sub(1);
        is_last && is_let_on() && sleeps_in(self.tid.load(SeqCst), number)
    }
}

const ROUNDS: [usize; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/// What an interrupt took: the requester up to the sending, the target after the call that was interrupted.
#[derive(Debug)]
struct Took {
    requester: Vec<i32>,
    target: Vec<i32>,
}

/// The first interrupt of this process, and those after it, each alone.
fn interrupt(call: impl Fn() + Send + 'static, sleeps_in: i64) -> Vec<Took> {
    let [target, requester] = [Noted::start(), Noted::start()];
    let to_ask = Arc::new(Mutex::new(None::<Interrupter>));
    let [round, rounds] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let asked = thread::spawn({
        let (target, to_ask) = (target.clone(), to_ask.clone());
        move || {
            target.mine();
            ROUNDS.map(|_| {
                let (task, interrupter) = eintr::task();
                *to_ask.lock().unwrap() = Some(interrupter);
                task.run(|| {
                    let made = target.by(&call);
                    target.woken.fetch_add(1, SeqCst);
                    eintr::take().expect("it was asked");
                    made
                })
            })
        }
    });
    let asking = thread::spawn({
        let (requester, round, rounds) = (requester.clone(), round.clone(), rounds.clone());
        move || {
            requester.mine();
            ROUNDS.map(|this| {
                while round.load(SeqCst) < this {
                    std::hint::spin_loop();
                }
                let interrupter = to_ask.lock().unwrap().take().unwrap();
                let made = requester.by(|| interrupter.interrupt());
                rounds.store(this, SeqCst);
                made
            })
        }
    });
    for this in ROUNDS {
        wait_until("it sleeps in its call", || target.sleeps_in(sleeps_in));
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2) {}
        round.store(this, SeqCst);
        wait_until("it has asked", || rounds.load(SeqCst) == this);
        wait_until("it has been woken", || target.woken.load(SeqCst) >= this);
    }
    let targets = asked.join().unwrap();
    let requesters = asking.join().unwrap();
    let took = requesters.into_iter().zip(targets).map(|(mut requester, mut target)| {
        let sends = |number: &i32| {
            [libc::SYS_rt_tgsigqueueinfo, libc::SYS_futex].contains(&i64::from(*number))
        };
        let sent = requester.iter().position(sends).expect("it was told");
        requester.truncate(sent + 1);
        let slept = target.iter().position(|number| i64::from(*number) == sleeps_in);
        target.drain(..=slept.expect("it slept"));
        Took { requester, target }
    });
    took.collect()
}

/// The most that the target may make: of the first of a process, and of one that comes alone.
#[derive(Clone, Copy)]
struct AtMost {
    first: usize,
    alone: usize,
}

fn holds(took: Vec<Took>, at_most: AtMost) {
    let (first, alone) = took.split_first().unwrap();
    let least = alone.iter().min_by_key(|took| took.target.len()).unwrap();
    println!("first: {first:?}\nalone: {least:?}");
    assert!(took.iter().all(|took| took.requester.len() <= 2), "{took:?}");
    assert!(least.target.len() <= at_most.alone, "{least:?}");
    let count =
        |first: &Took, of| first.target.iter().filter(|number| i64::from(**number) == of).count();
    let returns = [first, least].map(|took| count(took, libc::SYS_rt_sigreturn));
    if count(first, libc::SYS_rt_sigaction) == 1 && returns[0] == returns[1] {
        assert!(first.target.len() <= at_most.first, "{first:?}");
    }
}

fn silent() -> std::io::PipeReader {
    let (reader, writer) = std::io::pipe().unwrap();
    std::mem::forget(writer);
    reader
}

#[test]
fn a_call_of_our_own() {
    alone_with_dispatch(|| {
        let reader = silent();
        let read = move || drop(eintr::io::read(&reader, &mut [0]).unwrap_err());
        holds(interrupt(read, libc::SYS_read), AtMost { first: 6, alone: 4 });
    });
}

#[test]
fn a_call_of_stds() {
    alone_with_dispatch(|| {
        let reader = silent();
        let read = move || {
            let error = (&reader).read(&mut [0; 2]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
        };
        holds(interrupt(read, libc::SYS_read), AtMost { first: 9, alone: 7 });
    });
}

#[test]
fn a_sleep_of_stds() {
    alone_with_dispatch(|| {
        let sleep = || thread::sleep(Duration::from_secs(1_000));
        let took = interrupt(sleep, libc::SYS_clock_nanosleep);
        holds(took, AtMost { first: 8, alone: 6 });
    });
}

#[test]
fn a_waiter() {
    alone_with_dispatch(|| {
        let event = Event::new();
        let wait = move || drop(event.wait_interruptible().unwrap_err());
        let took = interrupt(wait, libc::SYS_futex_waitv);
        assert!(
            took.iter().all(|took| i64::from(took.requester[0]) == libc::SYS_futex),
            "no signal: {took:?}"
        );
        holds(took, AtMost { first: 7, alone: 4 });
    });
}

/// A thread that ends leaves the stack that it was lent to the next one.
#[test]
fn a_stack_that_is_there() {
    alone_with_dispatch(|| {
        let maps =
            |number: &&i32| [libc::SYS_mmap, libc::SYS_mprotect].contains(&i64::from(**number));
        let [first, second] = [(); 2].map(|()| {
            let (noted, reader) = (Noted::start(), silent());
            let its = noted.clone();
            let thread = eintr::spawn(move || {
                its.mine();
                its.by(|| drop((&reader).read(&mut [0]).unwrap_err()))
            });
            wait_until("it sleeps", || noted.sleeps_in(libc::SYS_read));
            thread.interrupt();
            thread.join().unwrap()
        });
        assert!(first.iter().any(|number| maps(&number)), "{first:?}");
        assert!(!second.iter().any(|number| maps(&number)), "{second:?}");
    });
}
