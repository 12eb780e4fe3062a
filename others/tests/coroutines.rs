//! Code on stackful coroutines, which ends what it has begun in another order, or on another thread
//! (S25).
//!
//! The tests here work like this: a coroutine begins something, is suspended inside, and ends it
//! when it is resumed. Its stack goes with it. When all have ended, nothing may be left in force: no
//! task, no deadline, no mask, no reach, also after the moment of a deadline that stood.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use corosensei::{Coroutine, CoroutineResult, Yielder};
use eintr::{
    Interrupter, Outcome, Task, TimedOut, checkpoint, cleanup, is_interrupted, mask, reach,
    remaining, take, task, timeout, with_hook, within, without_reach,
};
use test_support::child::alone;
use test_support::signals::{self, blocked};
use test_support::target::{is_interrupt, own_read, pipe, wait_until_armed};
use test_support::{LIMIT, gettid, has_dispatch, wait_until, wait_until_blocked, watched};

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(5);

type Suspend<'a> = &'a dyn Fn();

/// A coroutine that is inside of what it has begun.
struct Inside<T: 'static = ()>(Coroutine<(), (), T>);

/// Begins something, and is suspended inside.
fn inside<T: 'static>(body: impl FnOnce(Suspend<'_>) -> T + 'static) -> Inside<T> {
    let run = move |yielder: &Yielder<(), ()>, ()| body(&|| yielder.suspend(()));
    let mut inside = Inside(Coroutine::new(run));
    assert!(matches!(inside.0.resume(()), CoroutineResult::Yield(())), "it is suspended");
    inside
}

impl<T> Inside<T> {
    /// Goes on to the next time that it is suspended.
    fn go_on(&mut self) {
        assert!(matches!(self.0.resume(()), CoroutineResult::Yield(())), "it is suspended");
    }

    /// Goes on to its end, after which its stack is gone.
    fn end(mut self) -> T {
        match self.0.resume(()) {
            CoroutineResult::Return(value) => value,
            CoroutineResult::Yield(()) => panic!("it has not come to its end"),
        }
    }
}

/// Whether a plain call is let through.
fn is_let_through() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).is_ok()
}

/// Whether nothing is in force on this thread.
fn is_clear() -> bool {
    let is_unarmed = !is_interrupted() && checkpoint().is_ok() && take().is_none();
    is_unarmed && Interrupter::current().is_none() && remaining().is_none() && is_let_through()
}

/// Nothing is in force on this thread; nor is it once the moment of a short deadline has come.
#[track_caller]
fn assert_nothing_stands() {
    assert!(is_clear());
    let then = Instant::now() + SHORT;
    wait_until("the moment has passed", || Instant::now() > then);
    assert!(is_clear());
    // What begins now is as ever.
    let (task, interrupter) = task();
    task.run(|| {
        interrupter.interrupt();
        assert!(checkpoint().is_err() && mask(checkpoint).is_ok());
    });
    assert_eq!(timeout(Duration::ZERO, || Ok::<_, TimedOut>(checkpoint().is_err())), Ok(true));
    assert!(!is_interrupted());
}

type Named = (&'static str, fn(Suspend<'_>));

/// What can be begun.
const STRETCHES: &[Named] = &[
    ("a deadline", |suspend| within(HOUR, suspend).value),
    ("a short deadline", |suspend| within(SHORT, suspend).value),
    ("a mask", |suspend| mask(suspend)),
    ("a cleanup", |suspend| cleanup(SHORT, suspend).value),
    ("a task", |suspend| Task::new().run(suspend)),
    ("a task that was asked", |suspend| {
        let (task, interrupter) = task();
        interrupter.interrupt();
        task.run(suspend)
    }),
    ("a root", |suspend| Task::root().reach(false).run(suspend)),
    ("a scope", |suspend| eintr::scope(|_| suspend())),
    ("a hook", |suspend| with_hook(|_| {}, suspend)),
    ("reach", |suspend| reach(suspend)),
    ("no reach", |suspend| without_reach(suspend)),
];

/// Each of the orders in which so many things can be gone through.
fn orders(number: usize) -> Vec<Vec<usize>> {
    let Some(fewer) = number.checked_sub(1) else { return vec![Vec::new()] };
    let with_last = |order: Vec<usize>| {
        (0..number).map(move |place| {
            let mut order = order.clone();
            order.insert(place, fewer);
            order
        })
    };
    orders(fewer).into_iter().flat_map(with_last).collect()
}

#[test]
fn all_that_begins_ends_in_every_order() {
    alone(|| {
        for one in STRETCHES {
            for two in STRETCHES {
                for three in STRETCHES {
                    in_every_order([one, two, three]);
                }
            }
        }
        assert_nothing_stands();
    });
}

fn in_every_order<const N: usize>(stretches: [&'static Named; N]) {
    for order in orders(N) {
        let mut begun = stretches.map(|(_, stretch)| Some(inside(|suspend| stretch(suspend))));
        for index in &order {
            begun[*index].take().unwrap().end();
        }
        let names = stretches.map(|(name, _)| name);
        assert!(is_clear(), "{names:?} in the order {order:?}");
    }
}

/// A stretch in a stretch, and each in a coroutine of its own beside another.
#[test]
fn more_than_there_is_room_for() {
    alone(|| {
        for stretch in STRETCHES {
            for step in [1, 3, 7, 19] {
                let begun = (0..20).map(|_| inside(|suspend| (stretch.1)(suspend)));
                let mut begun: Vec<_> = begun.map(Some).collect();
                for index in 0..20 {
                    begun[index * step % 20].take().unwrap().end();
                }
            }
            assert_nothing_stands();
        }
    });
}

#[test]
fn what_is_given_up_is_ended() {
    alone(|| {
        for one in STRETCHES {
            for two in STRETCHES {
                let begun = [one, two].map(|(_, stretch)| inside(|suspend| stretch(suspend)));
                // Each is unwound.
                let [first, second] = begun;
                drop(first);
                drop(second);
                assert!(is_clear(), "{} and {}", one.0, two.0);
            }
        }
        assert_nothing_stands();
    });
}

#[test]
fn a_deadline_that_passes_beside_another() {
    alone(|| {
        let body = |suspend: Suspend<'_>| {
            timeout(SHORT, || {
                suspend();
                wait_until_armed();
                suspend();
                checkpoint().map_err(|_| TimedOut)
            })
        };
        let mut short = inside(body);
        let long = inside(|suspend| within(HOUR, suspend));
        short.go_on();
        let is_second_best = !has_dispatch("a plain call beside a deadline that has passed");
        assert!(is_second_best || !is_let_through(), "while it has passed and stands");
        assert_eq!(short.end(), Err(TimedOut));
        assert!(checkpoint().is_ok() && is_let_through());
        assert!(remaining().unwrap() > HOUR / 2);
        assert!(!long.end().expired);
        assert_nothing_stands();
    });
}

/// The one that passed was begun later, and is hidden by what began after it.
#[test]
fn a_mask_hides_what_began_before_it() {
    alone(|| {
        let (outer, interrupter) = task();
        outer.run(|| {
            let (one, two) = (inside(|suspend| mask(suspend)), inside(|suspend| mask(suspend)));
            interrupter.interrupt();
            assert!(!is_interrupted());
            one.end();
            assert!(!is_interrupted(), "the other one goes on");
            let outcome = interrupter.interrupt().wait(Duration::ZERO);
            assert!(matches!(outcome, Outcome::Masked(_)), "{outcome:?}");
            two.end();
            assert!(is_interrupted());
            let (inner, _) = task();
            let masked = inside(|suspend| mask(suspend));
            inner.run(|| assert!(!is_interrupted()));
            masked.end();
            assert!(is_interrupted() && take().is_some());
        });
        let deadline = inside(|suspend| within(Duration::ZERO, suspend).value);
        let masked = inside(|suspend| mask(suspend));
        assert!(!is_interrupted());
        let later = inside(|suspend| within(HOUR, suspend).value);
        masked.end();
        assert!(is_interrupted());
        deadline.end();
        assert!(!is_interrupted() && remaining().is_some());
        later.end();
        assert_nothing_stands();
    });
}

#[test]
fn a_task_ends_before_one_that_began_later() {
    alone(|| {
        let (one, ones) = task();
        let (two, twos) = (Task::new(), Rc::new(RefCell::new(None)));
        *twos.borrow_mut() = Some(two.interrupter());
        let one = inside(|suspend| one.run(suspend));
        let two = inside(|suspend| two.run(suspend));
        ones.interrupt();
        one.end();
        assert!(ones.is_finished());
        assert!(matches!(ones.interrupt().wait(Duration::ZERO), Outcome::Finished));
        let twos = twos.take().unwrap();
        assert!(!is_interrupted() && !twos.is_finished());
        twos.interrupt();
        assert!(is_interrupted());
        assert_eq!(Interrupter::current().unwrap().report().task, twos.report().task);
        two.end();
        assert!(twos.is_finished());
        assert_nothing_stands();
    });
}

/// What a coroutine's hook borrows is gone with its stack.
#[test]
fn a_hook_ends_before_one_that_began_later() {
    alone(|| {
        let runs = [const { AtomicU32::new(0) }; 2].map(Arc::new);
        let hooked = |index: usize| {
            let runs = runs[index].clone();
            inside(move |suspend| {
                let hook = |_: &eintr::Interrupted| {
                    runs.fetch_add(1, SeqCst);
                };
                with_hook(hook, suspend)
            })
        };
        let (task, interrupter) = task();
        task.run(|| {
            let (one, two) = (hooked(0), hooked(1));
            let masked = inside(|suspend| mask(suspend));
            one.end();
            interrupter.interrupt();
            assert_eq!(runs[1].load(SeqCst), 0, "masked");
            masked.end();
            two.end();
            assert!(take().is_some());
        });
        assert_eq!(runs.each_ref().map(|runs| runs.load(SeqCst)), [0, 1]);
        let one = hooked(0);
        let masked = inside(|suspend| mask(suspend));
        let (task, interrupter) = eintr::task();
        let task = inside(|suspend| task.run(suspend));
        let two = hooked(1);
        one.end();
        interrupter.interrupt();
        assert_eq!(runs.each_ref().map(|runs| runs.load(SeqCst)), [0, 2], "it began in the mask");
        masked.end();
        task.end();
        two.end();
        assert_nothing_stands();
    });
}

/// Signals that one has opened stay open as long as another needs them.
#[test]
fn a_thread_that_blocks_signals() {
    alone(|| {
        eintr::install(eintr::Signal::USR1).unwrap();
        let body = || {
            signals::change_mask(libc::SIG_SETMASK, &signals::full());
            let mask = blocked();
            let (task, interrupter) = task();
            let one = inside(|suspend| Task::new().run(suspend));
            let two = inside(|suspend| {
                task.run(|| {
                    suspend();
                    own_read(pipe().0)
                })
            });
            let three = inside(|suspend| within(HOUR, suspend).value);
            one.end();
            let tid = gettid();
            let requester = thread::spawn(move || {
                wait_until_blocked(tid, libc::SYS_read);
                interrupter.interrupt();
            });
            let (reader, _writer) = pipe();
            assert!(is_interrupt(&own_read(&reader)), "it reaches a thread that sleeps");
            requester.join().unwrap();
            assert!(is_interrupt(&two.end()));
            assert_ne!(blocked(), mask, "the last one has not ended");
            three.end();
            assert_eq!(blocked(), mask);
        };
        thread::spawn(body).join().unwrap();
    });
}

/// A coroutine that goes on elsewhere. That is not safe in general; these hold nothing of their
/// thread's but what they have begun.
struct Moved(Inside);

// SAFETY: see above.
unsafe impl Send for Moved {}

impl Moved {
    fn end(self) -> thread::Result<()> {
        catch_unwind(AssertUnwindSafe(|| self.0.end()))
    }
}

/// Runs `here` in a thread of its own, with something that ends a coroutine on another one, and
/// returns how that has ended.
fn with_another(here: impl FnOnce(&dyn Fn(Moved) -> thread::Result<()>) + Send + 'static) {
    thread::spawn(move || {
        let end = |moved: Moved| {
            let moved = Cell::new(Some(moved));
            let moved = moved.take().unwrap();
            thread::spawn(move || moved.end()).join().unwrap()
        };
        here(&end);
    })
    .join()
    .unwrap();
}

fn message(panicked: thread::Result<()>) -> String {
    *panicked.expect_err("it is told").downcast::<String>().unwrap()
}

#[test]
fn what_ends_on_another_thread_is_told() {
    alone(|| {
        for (name, stretch) in STRETCHES {
            with_another(move |end| {
                // The thread has a record, without which a mask is none.
                task().0.run(|| ());
                let told = message(end(Moved(inside(|suspend| stretch(suspend)))));
                assert!(told.ends_with("ended on another thread than it began on"), "{told}");
                assert_nothing_stands();
                println!("{name}: {told}");
            });
        }
    });
}

/// The other thread is not harmed; what it has begun itself goes on.
#[test]
fn the_other_thread_goes_on() {
    alone(|| {
        for (_, stretch) in STRETCHES {
            task().0.run(|| ());
            let (moved, inbox) = mpsc::channel();
            let other = thread::spawn(move || {
                let (task, interrupter) = task();
                task.run(|| {
                    let within = within(HOUR, || {
                        let Moved(coroutine) = inbox.recv().unwrap();
                        let _ = Moved(coroutine).end();
                        assert!(remaining().is_some() && !is_interrupted());
                        interrupter.interrupt();
                        checkpoint()
                    });
                    assert!(within.value.is_err());
                });
                assert_nothing_stands();
            });
            moved.send(Moved(inside(|suspend| stretch(suspend)))).unwrap();
            other.join().unwrap();
            assert_nothing_stands();
        }
    });
}

#[test]
fn what_is_given_up_on_another_thread() {
    alone(|| {
        for (_, stretch) in STRETCHES {
            with_another(move |_| {
                task().0.run(|| ());
                let moved = Moved(inside(|suspend| stretch(suspend)));
                // Unwound there, where a panic would end the process.
                thread::spawn(move || drop(moved)).join().unwrap();
                assert_nothing_stands();
            });
        }
    });
}

#[test]
fn the_thread_that_began_it_is_gone() {
    alone(|| {
        for (_, stretch) in STRETCHES {
            let moved = thread::spawn(|| {
                task().0.run(|| ());
                Moved(inside(|suspend| stretch(suspend)))
            });
            message(moved.join().unwrap().end());
        }
        assert_nothing_stands();
    });
}

#[test]
fn a_hook_that_goes_elsewhere_is_not_run() {
    alone(|| {
        with_another(|end| {
            let (task, interrupter) = task();
            task.run(|| {
                let hook = |_: &eintr::Interrupted| panic!("it is gone");
                let told = message(end(Moved(inside(move |suspend| with_hook(hook, suspend)))));
                assert!(told.starts_with("a hook"), "{told}");
                interrupter.interrupt();
                assert!(take().is_some());
            });
            assert_nothing_stands();
        });
    });
}

#[test]
fn a_task_that_goes_elsewhere_has_ended() {
    alone(|| {
        with_another(|end| {
            let (task, interrupter) = task();
            interrupter.interrupt();
            message(end(Moved(inside(move |suspend| task.run(suspend)))));
            assert!(interrupter.is_finished() && interrupter.wait_finished(LIMIT).is_ok());
            assert!(matches!(interrupter.interrupt().wait(LIMIT), Outcome::Finished));
            assert!(is_let_through(), "nor does its request stand");
            assert_nothing_stands();
        });
    });
}

/// As a scheduler does it: many coroutines that each time out, on one thread.
#[test]
fn many_coroutines_take_turns() {
    watched("many_coroutines_take_turns", || {
        let worker = |number: u64| {
            inside(move |suspend| -> io::Result<()> {
                for turn in 0..10 {
                    let limit = HOUR - Duration::from_nanos(number * 7919 % 31);
                    timeout(limit, || {
                        suspend();
                        if (number + turn) % 3 == 0 {
                            mask(suspend);
                        }
                        io::Result::Ok(checkpoint()?)
                    })?;
                    suspend();
                }
                Ok(())
            })
        };
        let mut workers: Vec<_> = (0..100).map(worker).collect();
        while !workers.is_empty() {
            workers.retain_mut(|worker| match worker.0.resume(()) {
                CoroutineResult::Yield(()) => true,
                CoroutineResult::Return(ended) => {
                    ended.unwrap();
                    false
                }
            });
        }
        assert_nothing_stands();
    });
}
