//! [`ThreadReport`], [`ThreadState`]: the thread in a report.

use std::fmt;
use std::time::Duration;

use super::call::Call as Found;
use super::cure::Place;
use super::held_by::{self, Holder};
use super::kernel;
use super::task::plain;
use super::waits_on::{self, WaitsOn};
use crate::kernel::clock::{self, Moment};
use crate::reach::table;
use crate::thread::retries::{Call, Retried};

/// The thread in a [`Report`](crate::Report), as the kernel sees it; but one that makes a call again
/// and again, though it is cut short each time, is shown in that call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ThreadReport {
    /// The kernel's id.
    pub tid: i32,
    /// The thread's name, of at most 15 bytes.
    pub name: Option<String>,
    /// What it is doing.
    pub state: Option<ThreadState>,
    /// The syscall it is in, by name; or by number, where this crate has no name for it.
    pub syscall: Option<String>,
    /// The descriptor that the syscall is about.
    pub fd: Option<i32>,
    /// How often in a row that call was cut short, if the thread is [`Retrying`](ThreadState::Retrying); else 0.
    pub retries: u32,
    /// How long ago it was the first time.
    pub retrying_for: Option<Duration>,
    /// What that descriptor is (a socket with its addresses, a pipe, a file), or else what the
    /// syscall waits for: a child with its name, a path, a thread's end, the address of a lock's word.
    pub waits_on: Option<String>,
    /// The function of the kernel's in which it sleeps, where the kernel tells.
    pub wchan: Option<String>,
    /// Who holds what it waits for, if that can be told.
    pub held_by: Option<Holder>,
    /// How long ago the task began on it, or up to a tick more; none for a thread without a task.
    pub task_age: Option<Duration>,
    /// How long until the first deadline in force on it, be it this task's or not; zero once it has passed.
    pub remaining: Option<Duration>,
    /// How long ago it began itself.
    pub age: Option<Duration>,
    /// The processor time that it has used.
    pub processor_time: Option<Duration>,
    /// Whether it blocks our signal, so that its plain calls are not interrupted.
    pub blocks_signal: bool,
    /// Its stack, in a [dump](crate::report()) and for a task that was asked in vain; none if it did
    /// not answer, or would have noticed.
    #[cfg(feature = "stacks")]
    pub stack: Option<super::Stack>,
    /// Whether it comes to our handler of SIGSYS again and again, by a call that is not ours.
    pub(super) comes_back: bool,
    /// Whether it sleeps outside of any syscall: where a page is missing.
    pub(super) faults: bool,
    /// Whether it waits for another thread's end.
    pub(super) joins: bool,
    /// Whether it waits in glibc's `pthread_mutex_lock`.
    pub(super) locks_pthread_mutex: bool,
    /// The syscall as it was found.
    pub(super) call: Option<Found>,
}

impl ThreadReport {
    /// Whether it is found where it would be if it goes on making that call: in our own pause, or on its way
    /// back to it, which on a busy machine is long. One that waits elsewhere by now was there a while ago.
    pub(super) fn is_retrying(&self, retried: &Retried) -> bool {
        let waits = self.call.is_some() || self.faults;
        let on_its_way = Duration::from_secs(if waits { 1 } else { 10 });
        matches!(self.state, Some(ThreadState::Running | ThreadState::Sleeping))
            && (self.call.as_ref().is_some_and(Found::is_our_pause)
                || Moment::now().since(retried.last) < on_its_way)
    }

    /// As it is shown then. A loop that connects anew has no socket for half of its time, or another thread
    /// has its number: so the thread is looked at while it pauses in that call, if it is soon found there; be it
    /// with another descriptor.
    pub(super) fn retrying(self, retried: &Retried, again: impl Fn() -> Option<Retried>) -> Self {
        const TRIES: u32 = 200;
        let call = retried.call;
        let row = table::row(call.number);
        let look = |call: Call| {
            let look = |row| waits_on::of_retried(self.tid, row, call.about);
            row.map_or_else(Default::default, look)
        };
        let unknown = WaitsOn { fd: Some(call.about).filter(|fd| *fd >= 0), what: None };
        let pause = || {
            // In this order: a pause that is seen first is that of the call, or of one before.
            let is_there = kernel::call_of(self.tid)?.is_our_pause();
            again().filter(|_| is_there).map(|retried| (retried.last_call, retried.count))
        };
        let looks = (0..TRIES).find_map(|tries| {
            if tries > 0 {
                clock::pause(Duration::from_millis(1));
            }
            let before = pause();
            let (now, _) = before.filter(|(now, _)| {
                *now == call || tries > TRIES / 2 && now.number == call.number
            })?;
            let waits_on = look(now);
            (pause() == before).then_some(waits_on)
        });
        // What is there now is another's, if the thread is not in that call.
        let is_last = || again().is_some_and(|now| now.last_call == call);
        let waits_on = looks.unwrap_or_else(|| if is_last() { look(call) } else { unknown });
        Self {
            state: Some(ThreadState::Retrying),
            syscall: Some(
                row.map_or_else(|| format!("syscall {}", call.number), |row| row.name.into()),
            ),
            fd: waits_on.fd,
            waits_on: waits_on.what,
            retries: retried.count,
            retrying_for: Some(Moment::now().since(retried.since)),
            held_by: None,
            wchan: None,
            blocks_signal: false,
            comes_back: !call.is_own,
            ..self
        }
    }

    /// It was found in that function. Where it has gone on meanwhile, it is not in the syscall any more.
    #[cfg(feature = "stacks")]
    pub(super) fn locks_pthread_mutex(&mut self) {
        self.locks_pthread_mutex = kernel::call_of(self.tid) == self.call;
        self.held_by = self.held_by.take().or_else(|| self.owner_of_pthread_mutex());
    }

    /// Who holds that mutex now.
    pub(super) fn owner_of_pthread_mutex(&self) -> Option<Holder> {
        let call = self.call.as_ref().filter(|_| self.locks_pthread_mutex)?;
        held_by::of_pthread_mutex(call)
    }

    pub(super) fn shown_name(&self) -> String {
        self.name.as_deref().map_or("?".into(), plain)
    }

    /// Whether what it waits for is its holder.
    fn is_told_by_what(&self) -> bool {
        let is_child = self.syscall.as_ref().is_some_and(|syscall| syscall.starts_with("wait"));
        self.joins || is_child
    }

    /// Whether it is in a call of ours.
    pub(super) fn is_in_own_call(&self) -> bool {
        self.call.as_ref().is_some_and(Found::is_own)
    }

    /// Whether it is in a wait of ours that no interrupt ends.
    pub(super) fn is_in_own_wait(&self) -> bool {
        self.call.as_ref().is_some_and(Found::is_ours)
    }

    #[cfg(feature = "stacks")]
    pub(super) fn place(&self) -> Place {
        let of = |stack: &super::Stack| Place::of(&stack.frames());
        self.stack.as_ref().map_or_else(Place::default, of)
    }

    #[cfg(not(feature = "stacks"))]
    pub(super) fn place(&self) -> Place {
        Place::default()
    }
}

/// What a thread is doing: what the kernel says, or what we know better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadState {
    /// On a CPU, or waiting for one.
    Running,
    /// In a wait that a signal ends.
    Sleeping,
    /// In a loop around a call that is cut short each time: it swallows errors, or it sleeps and
    /// looks. It is slowed down, so the kernel would say that it sleeps.
    Retrying,
    /// In a wait that nothing ends but its completion (state D): a disk, a dead NFS server. Nobody
    /// can reach it.
    Uninterruptible,
    /// Stopped, by a signal or a debugger.
    Stopped,
    /// Ending.
    Dead,
    /// Another letter of proc(5)'s.
    Other(char),
}

impl ThreadState {
    pub(super) fn of(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' => Self::Sleeping,
            'D' => Self::Uninterruptible,
            'T' | 't' => Self::Stopped,
            'Z' | 'X' => Self::Dead,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ThreadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Sleeping => f.write_str("sleeping"),
            Self::Retrying => f.write_str("retrying"),
            Self::Uninterruptible => {
                f.write_str("in uninterruptible sleep (state D: nobody can reach it)")
            }
            Self::Stopped => f.write_str("stopped"),
            Self::Dead => f.write_str("dead"),
            Self::Other(letter) => write!(f, "in state {letter}"),
        }
    }
}

impl fmt::Display for ThreadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Some(state) => write!(f, "{state}")?,
            None => f.write_str("state unknown")?,
        }
        if let Some(syscall) = &self.syscall {
            let is_in = if self.retrying_for.is_some() { "" } else { "in " };
            write!(f, " {is_in}{syscall}")?;
        }
        match (self.fd, &self.waits_on) {
            (Some(fd), Some(what)) => write!(f, " of fd {fd} ({})", plain(what))?,
            (Some(fd), None) => write!(f, " of fd {fd}")?,
            (None, Some(what)) => write!(f, " of {}", plain(what))?,
            (None, None) => {}
        }
        if let Some(holder) = self.held_by.as_ref().filter(|_| !self.is_told_by_what()) {
            write!(f, ", held by {}", plain(&holder.to_string()))?;
        }
        if let Some(time) = self.retrying_for {
            write!(f, ", cut short {} times in a row for {time:.1?}", self.retries)?;
        }
        if self.blocks_signal {
            f.write_str(", blocks our signal")?;
        }
        Ok(())
    }
}
