//! A thread that does what is drawn, and looks at each answer: an interrupt must be for what stands on this thread.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use eintr::event::{Events, PollFd};
use eintr::fs::LockKind;
use eintr::{Error, Group, Interrupted, Interrupter, Partial, Reason, Task, TimedOut};
use test_support::signals;

use crate::asker::{Asked, Tasks};
use crate::objects::Objects;
use crate::operation::{Body, Call, Operation, Stretch, Threads, Whose};
use crate::{watch, wrong};

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

/// What stands on the thread's stack.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Standing {
    Task(u64),
    Deadline,
    Mask,
}

pub struct Worker<'a> {
    objects: &'a Objects,
    tasks: &'a Tasks,
    tid: i32,
    standing: Vec<Standing>,
    pipe: (PipeReader, PipeWriter),
    /// How many bytes went through the pipe; each is its number's.
    through: usize,
}

impl<'a> Worker<'a> {
    pub fn new(objects: &'a Objects, tasks: &'a Tasks) -> Self {
        Self::inside(objects, tasks, Vec::new())
    }

    /// In a thread that inherits what stands there.
    fn inside(objects: &'a Objects, tasks: &'a Tasks, standing: Vec<Standing>) -> Self {
        let pipe = eintr::mask(|| io::pipe().unwrap_or_else(|error| wrong(error)));
        let tid = test_support::gettid();
        tasks.add_thread(tid);
        Self { objects, tasks, tid, standing, pipe, through: 0 }
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
        if signals::blocked() != blocked {
            wrong("a thread blocks other signals after its tasks than before");
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
            Operation::Call(call) => {
                watch::begins(self.tid, *call);
                self.call(*call)
            }
        }
    }

    fn stretch(&mut self, stretch: Stretch, body: &Body) -> Done {
        let began = Instant::now();
        match stretch {
            Stretch::Task { root, reach, asked_before } => {
                self.task(root, reach, asked_before, body)
            }
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
        }
    }

    fn task(&mut self, root: bool, reach: bool, asked_before: bool, body: &Body) -> Done {
        let task = if root { Task::root() } else { Task::new() }.reach(reach);
        let interrupter = task.interrupter();
        let number = self.tasks.add(interrupter.clone());
        if asked_before {
            self.tasks.ask_this(number, interrupter.clone());
        }
        let standing: &[_] = match root {
            true => &[Standing::Mask, Standing::Task(number)],
            false => &[Standing::Task(number)],
        };
        let done = self.with(standing, |worker| {
            task.run(|| {
                if asked_before && eintr::checkpoint().is_ok() {
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
        let (objects, tasks) = (self.objects, self.tasks);
        match how {
            Threads::Scope => eintr::scope(|scope| {
                for body in bodies {
                    let standing = self.standing.clone();
                    scope.spawn(move || Self::inside(objects, tasks, standing).managed(body));
                }
            }),
            Threads::TryScope => {
                return eintr::try_scope(|scope| {
                    for body in bodies {
                        let standing = self.standing.clone();
                        scope.spawn(move || Self::inside(objects, tasks, standing).managed(body));
                    }
                    Ok(())
                });
            }
            // In threads of std's: our own that inherit nothing may not borrow.
            Threads::Spawned | Threads::Group => {
                let group = Group::new();
                thread::scope(|scope| {
                    for body in bodies {
                        scope.spawn(|| {
                            let (task, interrupter) = eintr::task();
                            if let Threads::Group = how {
                                group.add(interrupter);
                            }
                            let _ = task.run(|| Self::new(objects, tasks).managed(body));
                        });
                    }
                    if let Threads::Group = how
                        && let Err(stragglers) = group.stop(test_support::LIMIT)
                    {
                        wrong(stragglers);
                    }
                });
            }
        }
        Ok(())
    }

    fn call(&mut self, call: Call) -> Done {
        let objects = self.objects;
        match call {
            Call::ThroughOwnPipe(whose, length) => self.through_own_pipe(whose, length),
            Call::Read(whose, number, length) => {
                let stream = &objects.streams[number % objects.streams.len()];
                let mut buffer = vec![0; length];
                let read = match whose {
                    Whose::Own => self.own(eintr::io::read(&stream.reader, &mut buffer))?,
                    Whose::Std => self.std((&stream.reader).read(&mut buffer))?,
                };
                stream.read.fetch_add(read as u64, SeqCst);
                Ok(())
            }
            Call::Write(whose, number, length) => {
                let stream = &objects.streams[number % objects.streams.len()];
                let buffer = vec![0; length];
                let count = |done: u64| stream.written.fetch_add(done, SeqCst);
                match whose {
                    Whose::Own => match eintr::io::write_all(&stream.writer, &buffer) {
                        Ok(()) => drop(count(length as u64)),
                        Err(Partial { done, error, .. }) => {
                            count(done);
                            self.own(Err(error))?;
                        }
                    },
                    Whose::Std => {
                        let written = self.std((&stream.writer).write(&buffer))?;
                        count(written as u64);
                    }
                }
                Ok(())
            }
            Call::Poll(whose, number, time) => {
                let stream = &objects.streams[number % objects.streams.len()];
                let mut fds = [PollFd::new(&stream.reader, Events::IN)];
                match whose {
                    Whose::Own => self.own(eintr::event::poll(&mut fds, Some(time))).map(drop),
                    Whose::Std => self.plain_poll(&stream.reader, time),
                }
            }
            Call::Sleep(Whose::Own, time) => self.own(eintr::time::sleep(time)),
            Call::Sleep(Whose::Std, time) => {
                thread::sleep(time);
                Ok(())
            }
            Call::Flock(whose, number) => self.flock(whose, number % objects.locked_files),
            Call::Accept(whose) => {
                let accepted = match whose {
                    Whose::Own => self.own(eintr::net::accept(&objects.listener))?.0,
                    Whose::Std => self.std(objects.listener.accept())?.0,
                };
                objects.accepted.fetch_add(1, SeqCst);
                drop(accepted);
                Ok(())
            }
            Call::Connect(whose) => {
                let path = objects.socket();
                let connected = match whose {
                    Whose::Own => self.own(eintr::net::unix_connect(path)),
                    Whose::Std => self.std(std::os::unix::net::UnixStream::connect(path)),
                };
                let count = if connected.is_ok() { &objects.connected } else { &objects.given_up };
                count.fetch_add(1, SeqCst);
                connected.map(drop)
            }
            Call::Wait(whose, ends) => self.wait(whose, ends),
            Call::Status(ends) => {
                let status = eintr::process::status(&mut command(ends), Duration::from_millis(5));
                self.own(status).map(drop)
            }
            Call::Lock { interruptibly, number } => {
                let counted = &objects.locks[number % objects.locks.len()];
                let mut locked = match interruptibly {
                    true => self.felt(counted.locked.lock_interruptible())?,
                    false => counted.locked.lock(),
                }
                .expect("nobody panics");
                *locked += 1;
                counted.counted.fetch_add(1, SeqCst);
                Ok(())
            }
            Call::StdLock(_) => {
                *objects.std_lock.lock().expect("nobody panics") += 1;
                objects.std_counted.fetch_add(1, SeqCst);
                Ok(())
            }
            Call::Permit => self.felt(objects.permits.acquire_interruptible()).map(drop),
            Call::Send => {
                let sent = objects.sender.send_interruptible(1);
                self.felt(sent.map_err(|unsent| unsent.interrupted))?.expect("there is a receiver");
                objects.sent.fetch_add(1, SeqCst);
                Ok(())
            }
            Call::Receive => {
                self.felt(objects.receiver.recv_interruptible())?.expect("there is a sender");
                objects.received.fetch_add(1, SeqCst);
                Ok(())
            }
            Call::Checkpoint => self.felt(eintr::checkpoint()),
            Call::Take => {
                if let Some(interrupted) = eintr::take() {
                    self.must_stand(&interrupted);
                }
                Ok(())
            }
            Call::Ask(number) => {
                self.tasks.ask(number);
                Ok(())
            }
        }
    }

    fn through_own_pipe(&mut self, whose: Whose, length: usize) -> Done {
        let bytes: Vec<u8> = (self.through..self.through + length).map(|byte| byte as u8).collect();
        let (reader, writer) = &mut self.pipe;
        let written = match whose {
            Whose::Own => eintr::io::write(&*writer, &bytes).map_err(io::Error::from),
            Whose::Std => writer.write(&bytes),
        };
        // What is in the pipe is read in peace.
        let mut read = vec![0; length + 1];
        let count = eintr::mask(|| match written {
            Ok(_) => reader.read(&mut read),
            Err(_) => Ok(0),
        });
        let count = count.unwrap_or_else(|error| wrong(format_args!("masked: {error}")));
        if let Ok(written) = written
            && (count != written || read[..count] != bytes[..count])
        {
            wrong(format_args!("wrote {written} bytes and read {count}, or others"));
        }
        self.through += count;
        self.std(written).map(drop)
    }

    fn plain_poll(&self, fd: &impl std::os::fd::AsRawFd, time: Duration) -> Done {
        let mut fd = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let time = time.as_millis() as libc::c_int;
        // SAFETY: one that is borrowed.
        match unsafe { libc::poll(&mut fd, 1, time) } {
            -1 => {
                let error = io::Error::last_os_error();
                // A signal that comes to nothing ends it as well.
                if error.raw_os_error() == Some(libc::EINTR) {
                    return Err(Stop);
                }
                self.std(Err(error))
            }
            _ => Ok(()),
        }
    }

    fn flock(&self, whose: Whose, number: usize) -> Done {
        let file = eintr::mask(|| self.objects.locked_file(number));
        let file = file.unwrap_or_else(|error| wrong(error));
        match whose {
            Whose::Own => self.own(eintr::fs::flock(&file, LockKind::Exclusive))?,
            Whose::Std => self.std(file.lock())?,
        }
        let holders = &self.objects.holders[number];
        if holders.fetch_add(1, SeqCst) != 0 {
            wrong("two hold a lock of flock's");
        }
        thread::yield_now();
        holders.fetch_sub(1, SeqCst);
        Ok(())
    }

    fn wait(&self, whose: Whose, ends: bool) -> Done {
        let child = eintr::mask(|| command(ends).spawn());
        let mut child: Child = child.unwrap_or_else(|error| wrong(error));
        let waited = match whose {
            Whose::Own => self.own(eintr::process::wait(&mut child)),
            Whose::Std => self.std(child.wait()),
        };
        // Once it is reaped, this is the same status again.
        eintr::mask(|| {
            let _ = child.kill();
            child.wait().unwrap_or_else(|error| wrong(format_args!("a child is gone: {error}")));
        });
        waited.map(drop)
    }

    fn own<T>(&self, result: Result<T, Error>) -> Result<T, Stop> {
        match result {
            Err(Error::Interrupted(interrupted)) => self.felt(Err(interrupted)),
            Err(error) => wrong(format_args!("an own call: {error}")),
            Ok(value) => Ok(value),
        }
    }

    fn felt<T>(&self, result: Result<T, Interrupted>) -> Result<T, Stop> {
        result.map_err(|interrupted| {
            self.must_stand(&interrupted);
            Stop
        })
    }

    fn std<T>(&self, result: io::Result<T>) -> Result<T, Stop> {
        result.map_err(|error| {
            match (Interrupted::of(&error), error.raw_os_error()) {
                (Some(interrupted), _) => self.must_stand(&interrupted),
                (None, Some(libc::EINTR | libc::ECANCELED)) if eintr::is_interrupted() => {}
                _ => wrong(format_args!("{error} with {:?}", self.standing)),
            }
            Stop
        })
    }

    /// An interrupt is for a task or a deadline of this thread, with no mask between.
    fn must_stand(&self, interrupted: &Interrupted) {
        let mask = self.standing.iter().rposition(|standing| *standing == Standing::Mask);
        let visible = &self.standing[mask.map_or(0, |mask| mask + 1)..];
        let stands = match (interrupted.downcast_ref::<Asked>(), interrupted.reason()) {
            (Some(Asked(number)), _) => visible.contains(&Standing::Task(*number)),
            (None, Reason::Deadline) => visible.contains(&Standing::Deadline),
            // A scope's or a group's.
            _ => visible.iter().any(|standing| matches!(standing, Standing::Task(_))),
        };
        if !stands {
            wrong(format_args!("{interrupted} was raised with {:?}", self.standing));
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.tasks.remove_thread(self.tid);
        watch::ends(self.tid);
    }
}

fn command(ends: bool) -> Command {
    let mut command = Command::new(if ends { "true" } else { "sleep" });
    command.stdin(Stdio::null());
    if !ends {
        command.arg("1000");
    }
    command
}
