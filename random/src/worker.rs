//! A thread that does what is drawn, and looks at each answer: an interrupt must be for what stands on this thread.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eintr::{CleanupOnDrop, Error, Group, Interrupted, Interrupter, Reason, Task, TimedOut};
use test_support::signals;

use crate::kinds::connections::Listening;
use crate::kinds::counters::Counter;
use crate::kinds::file_locks::LockedFile;
use crate::kinds::futexes::Futexes;
use crate::kinds::queues::Queue;
use crate::kinds::rings::Ring;
use crate::kinds::signals as alarms;
use crate::kinds::streams::Stream;
use crate::objects::{Objects, Own, Set};
use crate::operation::{Asked, Body, Call, Operation, State, Stretch, Threads};
use crate::peer::{Peer, in_peace};
use crate::plant::planted;
use crate::requester::{Asked as AskedTask, Tasks};
use crate::{watch, wrong};

/// What makes a call ready, and what takes that away; neither waits.
pub trait Readiness: Send + 'static {
    fn ready(&self);
    fn unready(&self);
    /// When the call is over.
    fn after(&self) {}
}

/// How long those wait who have nothing to do but to look again.
pub const MOMENT: Duration = Duration::from_micros(50);

/// A time of no certain length.
pub fn pause(number: usize) {
    for _ in 0..number % 4096 {
        std::hint::spin_loop();
    }
}

/// An operation ended early, and was not wrong.
pub struct Stop;

/// Why the body of a timeout was left.
enum Left {
    Early(Stop),
    TimedOut,
}

impl From<TimedOut> for Left {
    fn from(_: TimedOut) -> Self {
        Self::TimedOut
    }
}

type Done = Result<(), Stop>;

/// A destructor that has something to do.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

/// What stands on the thread's stack.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Standing {
    Task(u64),
    Deadline,
    Mask,
}

pub struct Worker {
    pub objects: Arc<Objects>,
    pub tasks: Arc<Tasks>,
    pub tid: i32,
    standing: Vec<Standing>,
    own: OnceCell<Own>,
    peer: OnceCell<Peer>,
}

impl Worker {
    pub fn new(objects: Arc<Objects>, tasks: Arc<Tasks>) -> Self {
        Self::inside(objects, tasks, Vec::new())
    }

    /// In a thread that inherits what stands there.
    fn inside(objects: Arc<Objects>, tasks: Arc<Tasks>, standing: Vec<Standing>) -> Self {
        let tid = test_support::gettid();
        tasks.add_thread(tid);
        Self { objects, tasks, tid, standing, own: OnceCell::new(), peer: OnceCell::new() }
    }

    /// As a thread that is not managed.
    pub fn unmanaged(mut self, operations: &[Operation]) {
        let blocked = signals::blocked();
        for operation in operations {
            let _ = self.operation(operation);
        }
        if eintr::is_interrupted() {
            wrong("a thread is armed after its tasks");
        }
        let after = signals::blocked();
        if after != blocked {
            wrong(format_args!(
                "a thread blocks {after:?} after its tasks, and {blocked:?} before"
            ));
        }
    }

    /// As a managed thread.
    fn managed(mut self, body: &Body) -> Done {
        let interrupter = Interrupter::current().unwrap_or_else(|| wrong("no task is current"));
        let number = self.tasks.add(interrupter);
        let done = self.with(&[Standing::Task(number)], |worker| worker.body(body));
        self.tasks.remove(number);
        done
    }

    fn with<T>(&mut self, standing: &[Standing], run: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.standing.len();
        self.standing.extend(standing);
        let value = run(self);
        self.standing.truncate(before);
        value
    }

    fn body(&mut self, body: &Body) -> Done {
        for operation in &body.operations {
            match self.operation(operation) {
                Err(stop) if body.leaves => return Err(stop),
                _ => {}
            }
        }
        Ok(())
    }

    fn operation(&mut self, operation: &Operation) -> Done {
        match operation {
            Operation::Stretch(stretch, body) => self.stretch(*stretch, body),
            Operation::Threads(how, bodies) => self.threads(*how, bodies),
            Operation::Call(call) => self.call(call),
        }
    }

    fn stretch(&mut self, stretch: Stretch, body: &Body) -> Done {
        let began = Instant::now();
        match stretch {
            Stretch::Task { root, reach, asked } => self.task(root, reach, asked, body),
            Stretch::Timeout(limit) => {
                let done = self.with(&[Standing::Deadline], |worker| {
                    eintr::timeout(limit, || worker.body(body).map_err(Left::Early))
                });
                done.map_err(|left| match left {
                    Left::Early(stop) => stop,
                    Left::TimedOut if began.elapsed() < limit => wrong("timed out too early"),
                    Left::TimedOut => Stop,
                })
            }
            Stretch::Within(limit) => {
                self.with(&[Standing::Deadline], |worker| {
                    eintr::within(limit, || worker.body(body))
                })
                .value
            }
            Stretch::Cleanup(limit) => {
                self.with(&[Standing::Mask, Standing::Deadline], |worker| {
                    eintr::cleanup(limit, || worker.body(body))
                })
                .value
            }
            Stretch::Mask => {
                self.with(&[Standing::Mask], |worker| eintr::mask(|| worker.body(body)))
            }
            Stretch::Reach => eintr::reach(|| self.body(body)),
            Stretch::WithoutReach => eintr::without_reach(|| self.body(body)),
            Stretch::Hook => eintr::with_hook(|_| {}, || self.body(body)),
            Stretch::CleanupOnDrop(limit) => {
                let mut done = Ok(());
                self.with(&[Standing::Mask, Standing::Deadline], |worker| {
                    drop(CleanupOnDrop::new(limit, OnDrop(|| done = worker.body(body))));
                });
                done
            }
            Stretch::Loop => {
                for _ in 0..16 {
                    self.body(body)?;
                    if eintr::is_interrupted() {
                        break;
                    }
                }
                Ok(())
            }
            Stretch::Blocked => {
                let before = signals::change_mask(libc::SIG_BLOCK, &signals::full());
                let done = self.body(body);
                signals::change_mask(libc::SIG_SETMASK, &before);
                done
            }
        }
    }

    fn task(&mut self, root: bool, reach: bool, asked: Asked, body: &Body) -> Done {
        let task = if root { Task::root() } else { Task::new() }.reach(reach);
        let interrupter = task.interrupter();
        let number = self.tasks.add(interrupter.clone());
        match asked {
            Asked::No => {}
            Asked::Before => self.tasks.ask_this(number, interrupter.clone()),
            Asked::WhileBlocked => self.tasks.ask_asleep(self.tid, number, interrupter.clone()),
        }
        let standing: &[_] = match root {
            true => &[Standing::Mask, Standing::Task(number)],
            false => &[Standing::Task(number)],
        };
        let done = self.with(standing, |worker| {
            task.run(|| {
                if asked == Asked::Before && eintr::checkpoint().is_ok() {
                    wrong("a request before the start was lost");
                }
                worker.body(body)
            })
        });
        self.tasks.remove(number);
        if !interrupter.is_finished() {
            wrong("a task that has ended is not finished");
        }
        done
    }

    fn threads(&mut self, how: Threads, bodies: &[Body]) -> Done {
        let inside = |standing: &[Standing]| {
            let (objects, tasks) = (self.objects.clone(), self.tasks.clone());
            let standing = standing.to_vec();
            move |body: &Body| Self::inside(objects, tasks, standing).managed(body)
        };
        match how {
            Threads::Scope => eintr::scope(|scope| {
                for body in bodies {
                    let run = inside(&self.standing);
                    scope.spawn(move || run(body));
                }
            }),
            Threads::TryScope => {
                return eintr::try_scope(|scope| {
                    for body in bodies {
                        let run = inside(&self.standing);
                        scope.spawn(move || run(body));
                    }
                    Ok(())
                });
            }
            Threads::Spawned => {
                let spawn = |body: &Body| {
                    let (run, body) = (inside(&[]), body.clone());
                    eintr::spawn(move || run(&body))
                };
                let handles: Vec<_> = bodies.iter().map(spawn).collect();
                let waited = handles.iter().try_for_each(|handle| self.felt(handle.wait()));
                for handle in handles {
                    drop(handle.join().expect("nobody panics"));
                }
                return waited;
            }
            Threads::Group => {
                let group = Group::new();
                for body in bodies {
                    let (run, body) = (inside(&[]), body.clone());
                    group.spawn(move || run(&body));
                }
                if let Err(stragglers) = group.stop(test_support::LIMIT) {
                    wrong(stragglers);
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Done {
        watch::begins(self.tid, call);
        while planted("stuck", call.number) {
            eintr::mask(std::thread::park);
        }
        let done = (call.row.run)(self, call);
        watch::ends(self.tid);
        done
    }

    /// Makes a call that finds what it is about as it was drawn.
    pub fn meets<T>(
        &self,
        call: &Call,
        object: impl Readiness + Clone,
        body: impl FnOnce() -> T,
    ) -> T {
        let (other, number) = (object.clone(), call.number);
        let value = match call.state {
            State::Ready => {
                in_peace(|| object.ready());
                body()
            }
            State::NotReady => {
                in_peace(|| object.unready());
                body()
            }
            State::Becomes => {
                in_peace(|| object.unready());
                let job = move |over: &crate::peer::Over| {
                    pause(number);
                    while !over.yet() {
                        other.ready();
                        std::thread::sleep(MOMENT);
                    }
                };
                self.peer().beside(job, body)
            }
            State::Taken => {
                in_peace(|| object.ready());
                let job = move |_: &crate::peer::Over| {
                    pause(number);
                    other.unready();
                };
                self.peer().beside(job, body)
            }
        };
        in_peace(|| object.after());
        value
    }

    pub fn peer(&self) -> &Peer {
        self.peer.get_or_init(|| Peer::new(self.tasks.clone()))
    }

    pub fn own_things(&self) -> &Own {
        self.own.get_or_init(|| {
            eintr::mask(|| Own::new(&self.objects)).unwrap_or_else(|error| wrong(error))
        })
    }

    fn set(&self, call: &Call) -> &Set {
        if call.alone { &self.own_things().set } else { &self.objects.set }
    }

    /// A stream of any kind, or a socket.
    pub fn stream(&self, call: &Call, sockets: bool) -> Arc<Stream> {
        let number = if sockets { 2 + call.number % 2 } else { call.number % 4 };
        self.set(call).streams[number].clone()
    }

    pub fn pipe(&self, call: &Call) -> Arc<Stream> {
        self.set(call).streams[call.number % 2].clone()
    }

    pub fn terminal(&self, call: &Call) -> Arc<Stream> {
        self.set(call).terminal.clone()
    }

    pub fn queue(&self, call: &Call, kind: usize) -> Arc<Queue> {
        let made = || eintr::mask(|| Queue::new(kind)).unwrap_or_else(|error| wrong(error));
        self.set(call).queues[kind].get_or_init(made).clone()
    }

    pub fn ring(&self) -> Option<Arc<Ring>> {
        self.own_things().ring.get_or_init(|| eintr::mask(Ring::new)).clone()
    }

    pub fn listening(&self, call: &Call) -> Arc<Listening> {
        self.set(call).listeners[call.number % 2].clone()
    }

    pub fn counter(&self, call: &Call) -> Arc<Counter> {
        self.set(call).counter.clone()
    }

    pub fn locked_file(&self, call: &Call) -> Arc<LockedFile> {
        self.set(call).locked_file.clone()
    }

    pub fn futexes(&self, call: &Call) -> Arc<Futexes> {
        self.set(call).futexes.clone()
    }

    pub fn own<T>(&self, result: Result<T, Error>) -> Result<T, Stop> {
        match result {
            Err(Error::Interrupted(interrupted)) => self.felt(Err(interrupted)),
            Err(error) => wrong(format_args!("an own call: {error}")),
            Ok(value) => Ok(value),
        }
    }

    pub fn felt<T>(&self, result: Result<T, Interrupted>) -> Result<T, Stop> {
        result.map_err(|interrupted| {
            self.must_stand(&interrupted);
            Stop
        })
    }

    pub fn std<T>(&self, result: io::Result<T>) -> Result<T, Stop> {
        result.map_err(|error| {
            match (Interrupted::of(&error), error.raw_os_error()) {
                (Some(interrupted), _) => self.must_stand(&interrupted),
                (None, Some(libc::EINTR | libc::ECANCELED)) if eintr::is_interrupted() => {}
                (None, Some(libc::EINTR)) if !alarms::restarts() => {}
                _ => wrong(format_args!("{error} with {:?}", self.standing)),
            }
            Stop
        })
    }

    /// What libc's call told.
    pub fn c(&self, answer: isize) -> Result<usize, Stop> {
        self.std(crate::answer(answer))
    }

    /// Of those that no signal has made again: one that comes to nothing ends them as well.
    pub fn c_once(&self, answer: isize) -> Result<usize, Stop> {
        match crate::answer(answer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Stop),
            told => self.std(told),
        }
    }

    /// An interrupt is for a task or a deadline of this thread, with no mask between.
    pub fn must_stand(&self, interrupted: &Interrupted) {
        let mask = self.standing.iter().rposition(|standing| *standing == Standing::Mask);
        let visible = &self.standing[mask.map_or(0, |mask| mask + 1)..];
        let stands = match (interrupted.downcast_ref::<AskedTask>(), interrupted.reason()) {
            (Some(AskedTask { task, request }), _) => {
                self.tasks.is_felt(*request);
                visible.contains(&Standing::Task(*task))
            }
            (None, Reason::Deadline) => visible.contains(&Standing::Deadline),
            // A scope's or a group's.
            _ => visible.iter().any(|standing| matches!(standing, Standing::Task(_))),
        };
        if !stands {
            wrong(format_args!("{interrupted} was raised with {:?}", self.standing));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tasks.remove_thread(self.tid);
        if let Some(own) = self.own.get() {
            in_peace(|| own.balance(&self.objects));
        }
    }
}
