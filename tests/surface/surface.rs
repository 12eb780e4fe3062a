//! The names that programs type, with their types: what compiles here compiles elsewhere.
//!
//! A signature is pinned by giving the function the type that it must have. Where it takes more
//! than one type, each kind of use is made once.

#![allow(clippy::type_complexity, reason = "the types are the point")]

use std::error::Error as StdError;
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use eintr::observed::{self, Happening};
use eintr::termination::Heartbeat;
use eintr::{
    Builder, Error, InstallError, Interrupted, Interrupter, IteratorExt, JoinHandle, Outcome,
    Partial, Reason, Report, Request, Signal, Support, Task, TimedOut, Within,
};

#[test]
fn tasks_and_threads() {
    let _: fn(fn() -> u8) -> JoinHandle<u8> = eintr::spawn;
    let _: fn() -> Builder = Builder::new;
    let _: fn(Builder, String) -> Builder = Builder::name;
    let _: fn(Builder, usize) -> Builder = Builder::stack_size;
    let _: fn(Builder, bool) -> Builder = Builder::reach;
    let _: fn(Builder, fn() -> u8) -> io::Result<JoinHandle<u8>> = Builder::spawn;

    let _: fn(JoinHandle<u8>) -> std::thread::Result<u8> = JoinHandle::join;
    let _: fn(&JoinHandle<u8>) -> Result<(), Interrupted> = JoinHandle::wait;
    let _: fn(&JoinHandle<u8>) -> Interrupter = JoinHandle::interrupter;
    let _: fn(&JoinHandle<u8>) -> Request = JoinHandle::interrupt;
    let _: fn(&JoinHandle<u8>) -> Option<Interrupted> = JoinHandle::raised;
    let _: fn(&JoinHandle<u8>) -> &Thread = JoinHandle::thread;
    let _: fn(&JoinHandle<u8>) -> bool = JoinHandle::is_finished;

    let _: fn() -> (Task, Interrupter) = eintr::task;
    let _: fn() -> Task = Task::new;
    let _: fn() -> Task = Task::root;
    let _: fn(Task, &'static str) -> Task = Task::name;
    let _: fn(Task, String) -> Task = Task::name;
    let _: fn(Task, bool) -> Task = Task::reach;
    let _: fn(&Task) -> Interrupter = Task::interrupter;
    assert_eq!(Task::new().run(|| 7), 7);
}

#[test]
fn asking() {
    let _: fn() -> Option<Interrupter> = Interrupter::current;
    let _: fn(&Interrupter) -> Request = Interrupter::interrupt;
    let _: fn(u64) -> Option<Interrupter> = eintr::find;
    let _: fn(&Interrupter) -> u64 = Interrupter::id;
    let _: fn(&Interrupter) -> Option<String> = Interrupter::name;
    let _: fn(&Report) -> Option<Interrupter> = Report::interrupter;
    let _: fn() -> eintr::ThreadDump = eintr::dump;
    #[cfg(feature = "serde")]
    let _: fn(Report) -> Box<dyn Debug> = |report| Box::new(serde_json::to_value(report));
    #[cfg(feature = "console")]
    let _: fn(&'static str) -> io::Result<eintr::console::Console> = eintr::console::listen;
    let _: &dyn Fn(Interrupter) -> std::collections::HashSet<Interrupter> = &|one| [one].into();
    let _: fn(&Interrupter) -> bool = Interrupter::is_finished;
    let _: fn(&Interrupter, Duration) -> Result<(), Report> = Interrupter::wait_finished;
    let _: fn(&Interrupter) -> Option<Interrupted> = Interrupter::raised;
    let _: fn(&Interrupter) -> Report = Interrupter::report;
    let _: fn(&Request, Duration) -> Outcome = Request::wait;

    let interrupter = Task::new().interrupter();
    let _: Request = interrupter.interrupt_with("a text");
    let _: Request = interrupter.interrupt_with(String::from("a text"));
    let _: Request = interrupter.interrupt_with(io::Error::other("an error"));
    let _: Request = interrupter.interrupt_with(anyhow::anyhow!("one of anyhow's"));
    let boxed: Box<dyn StdError + Send + Sync> = "boxed".into();
    let _: Request = interrupter.interrupt_with(boxed);

    match interrupter.interrupt().wait(Duration::ZERO) {
        Outcome::Raised | Outcome::Finished | Outcome::NotStarted => {}
        Outcome::Masked(report) | Outcome::Stuck(report) => panic!("{report}"),
        Outcome::Undeliverable(error) => panic!("{error}"),
        _ => panic!("an outcome that is not known here"),
    }
}

#[test]
fn checking() {
    let _: fn() -> Result<(), Interrupted> = eintr::checkpoint;
    let _: fn() -> bool = eintr::is_interrupted;
    let _: fn() -> Option<Interrupted> = eintr::take;
    let items: Vec<Result<u8, Interrupted>> = [1, 2].into_iter().interruptible().collect();
    assert_eq!(items.len(), 2);
    assert_eq!(eintr::mask(|| 7), 7);
    assert_eq!(eintr::reach(|| 7), 7);
    assert_eq!(eintr::without_reach(|| 7), 7);
}

#[test]
fn errors() {
    fn is_shared<T: Clone + Send + Sync + UnwindSafe + RefUnwindSafe + StdError + 'static>() {}
    fn converts<T: Into<U>, U>() {}
    is_shared::<Interrupted>();
    assert_eq!(size_of::<Interrupted>(), size_of::<usize>());
    let _: fn(&Interrupted) -> &Reason = Interrupted::reason;
    let _: fn(&(dyn StdError + 'static)) -> Option<Interrupted> = Interrupted::of;
    let _: fn(&Box<dyn StdError + Send + Sync>) -> Option<Interrupted> = Interrupted::of;
    let _: fn(&anyhow::Error) -> Option<Interrupted> = Interrupted::of;
    let _: fn(&Interrupted) -> Option<&io::Error> = Interrupted::downcast_ref;
    let _: fn(&(dyn StdError + 'static)) -> Option<Interrupted> = Interrupted::of;
    let _ = |reason: Reason| match reason {
        Reason::Requested | Reason::Deadline => None,
        Reason::Signal(number) => Some(number),
        Reason::Custom(error) => {
            let _: Arc<dyn StdError + Send + Sync> = error;
            None
        }
        _ => None,
    };
    let _ = |error: Error| match error {
        Error::Interrupted(interrupted) => Ok::<Interrupted, io::Error>(interrupted),
        Error::Io(error) => Err(error),
        _ => panic!("an error that is not known here"),
    };
    let _ = |partial: Partial| -> (u64, Error) { (partial.done, partial.error) };
    converts::<io::Error, Error>();
    converts::<Error, io::Error>();
    converts::<Interrupted, io::Error>();
    converts::<Interrupted, Error>();
    converts::<Partial, Error>();
    converts::<Partial, io::Error>();
    converts::<TimedOut, Error>();
    converts::<TimedOut, io::Error>();
    assert_eq!(io::Error::from(TimedOut).kind(), io::ErrorKind::TimedOut);
}

#[test]
fn deadlines() {
    type Body = fn() -> Result<u8, Error>;
    let _: fn(Duration, Body) -> Result<u8, Error> = eintr::timeout;
    let _: fn(Instant, Body) -> Result<u8, Error> = eintr::timeout_at;
    let _: fn(Duration, fn() -> u8) -> Within<u8> = eintr::within;
    let _: fn(Duration, fn() -> u8) -> Within<u8> = eintr::cleanup;
    let _: fn() -> Option<Duration> = eintr::remaining;
    let Within { value, expired, cut_short, .. } = eintr::within(Duration::MAX, || 7);
    assert_eq!((value, expired, cut_short), (7, false, false));
}

#[test]
fn the_signal() {
    let _: fn(Signal) -> Result<(), InstallError> = eintr::install;
    let _: [Signal; 3] = [Signal::USR1, Signal::USR2, Signal::real_time(3)];
    let _: fn() -> Support = eintr::support;
    let support = eintr::support();
    let _: [eintr::Road; 3] = [support.own_calls, support.reach, support.deadlines];
    let _: Option<i32> = support.signal;
    type Register = fn(&[i32], Interrupter) -> io::Result<eintr::termination::Registration>;
    let _: Register = eintr::termination::interrupt_on;
    let _: [fn() -> io::Result<bool>; 2] =
        [eintr::termination::ready, eintr::termination::stopping];
    let _: fn(&str) -> io::Result<bool> = eintr::termination::status;
    let _: fn(Duration) -> io::Result<bool> = eintr::termination::extend;
    let _: fn(fn() -> u8) -> u8 = eintr::termination::reloading;
    let _: fn(&'static str) -> io::Result<Heartbeat> = Heartbeat::new;
    let _: fn(&Heartbeat) = Heartbeat::beat;
    type Observer = fn(&Happening<'_>);
    let _: fn(Observer) -> Result<(), observed::AlreadyObserved> = observed::by;
    let _: fn() -> observed::Counts = observed::counts;
    #[cfg(feature = "tracing")]
    let _: Observer = observed::to_tracing;
    let _: fn(&Heartbeat, fn() -> u8) -> u8 = Heartbeat::idle;
}

#[test]
fn what_is_shared_between_threads() {
    fn is_sent<T: Send>() {}
    fn is_shared<T: Clone + Send + Sync + Debug>() {}
    is_shared::<Interrupter>();
    is_shared::<Request>();
    is_shared::<Report>();
    is_sent::<Task>();
    is_sent::<Outcome>();
    is_sent::<JoinHandle<u8>>();
    is_sent::<Error>();
}

/// Any descriptor, by value or by reference.
#[test]
fn calls_take_any_descriptor() {
    fn reads(fd: impl AsFd) -> Result<usize, Error> {
        eintr::io::read(fd, &mut [])
    }
    let (reader, _writer) = io::pipe().unwrap();
    let owned = OwnedFd::from(reader);
    for result in [reads(&owned), reads(owned.as_fd()), reads(Arc::new(owned))] {
        assert_eq!(result.unwrap(), 0);
    }
    let _: fn(&mut Child) -> Result<std::process::ExitStatus, Error> = eintr::process::wait;
    let _: fn(&mut Command) -> io::Error = eintr::process::exec;
    let _: fn(Duration) -> Result<(), Error> = eintr::time::sleep;
    let _: fn(Instant) -> Result<(), Error> = eintr::time::sleep_until;
}

#[test]
fn structure() {
    use eintr::{Ended, Group, JoinSet, Panicked, Stragglers};
    let _: fn() -> Group = Group::new;
    let _: fn(&Group, fn() -> u8) -> JoinHandle<u8> = Group::spawn;
    let _: fn(&Group, Interrupter) = Group::add;
    let _: fn(&Group) -> Request = Group::interrupt;
    let _: fn(&Group) -> Interrupter = Group::interrupter;
    let _: fn(&Group, Duration) -> Result<(), Stragglers> = Group::stop;
    let _: fn(&Group) -> Group = Clone::clone;
    let _: fn(&Group) -> Vec<Interrupter> = Group::members;
    let _: fn(&Group) -> JoinSet<u8> = Group::join_set;
    let _: fn(&JoinSet<u8>) -> Result<Option<Ended<u8>>, Interrupted> = JoinSet::join_next;
    let _: fn(&JoinSet<u8>) -> Option<Ended<u8>> = JoinSet::try_join_next;
    let _: fn(&Interrupter) -> Result<(), Interrupted> = Interrupter::wait_finished_interruptible;
    let _: fn(&Request) -> Result<Outcome, Interrupted> = Request::wait_interruptible;
    let _: fn(&Stragglers) -> &[Report] = Stragglers::reports;
    let _: fn(&Stragglers) -> &[Panicked] = Stragglers::panics;
    let _: Interrupter = (&Group::new()).into();
    let _: Interrupter = Group::new().into();
    let _: &dyn Fn(JoinHandle<u8>) -> Interrupter = &Interrupter::from;
    let _: fn(Interrupter) -> eintr::DropGuard = Interrupter::drop_guard;
    let _: fn(eintr::DropGuard) -> Interrupter = eintr::DropGuard::disarm;

    let text = String::from("borrowed");
    let length: usize = eintr::scope(|s| {
        let thread: eintr::ScopedJoinHandle<'_, usize> = s.spawn(|| text.len());
        let _: Interrupter = s.interrupter();
        let _: Interrupter = thread.interrupter();
        thread.join().unwrap()
    });
    let twice: Result<usize, Error> = eintr::try_scope(|s| {
        let thread = s.spawn(|| Ok(text.len()));
        Ok(thread.join().unwrap()? + length)
    });
    assert_eq!((length, twice.unwrap()), (8, 16));

    let context: eintr::Context = eintr::context();
    let _: fn(&eintr::Context) -> bool = eintr::Context::is_finished;
    let _: &(dyn Send + Sync) = &context.clone();
    assert_eq!(context.run(|| 7), 7);
    assert_eq!(context.run_task(Task::new(), || 7), 7);

    let mut runs = 0;
    assert_eq!(eintr::with_hook(|_: &Interrupted| runs += 1, || 7), 7);
    assert_eq!(runs, 0);
}
