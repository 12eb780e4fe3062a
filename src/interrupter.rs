//! Who asks: [`Interrupter`], [`Request`], [`Outcome`].

use std::error::Error as StdError;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::after_change;
use crate::group::members::Asked;
use crate::hook::list;
use crate::interrupted::{Interrupted, Reason};
use crate::kernel::clock::Moment;
use crate::observed::{self, What};
use crate::report::Report;
use crate::task::counts;
use crate::task::node::{self, Armed, Node, Progress};
use crate::thread::all_threads;

/// Interrupts one task, from any thread, at any time.
///
/// Cheap to clone, and harmless to keep: after the task's end, requests are answered with
/// [`Outcome::Finished`] and reach nobody, least of all the next job on the same thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
/// let interrupter = worker.interrupter();
/// interrupter.interrupt();
/// assert!(worker.join().unwrap().is_err());
/// assert!(interrupter.is_finished());
/// ```
#[derive(Clone)]
pub struct Interrupter(pub(crate) Asked);

impl Interrupter {
    /// The interrupter of the innermost task that runs on this thread; none if no task does.
    ///
    /// ```
    /// use eintr::Interrupter;
    /// assert!(Interrupter::current().is_none());
    /// let worker = eintr::spawn(|| Interrupter::current().is_some());
    /// assert!(worker.join().unwrap());
    /// ```
    pub fn current() -> Option<Self> {
        after_change::take_in_strays();
        node::current().map(|node| Self(Asked::Task(node)))
    }

    /// The task's number, unique in the process: the one that a [`Report`] shows.
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// The task's name, if it has been given one.
    pub fn name(&self) -> Option<String> {
        self.0.figures().name.as_deref().map(String::from)
    }

    /// Asks the task to stop. Its blocking call returns, or its next checkpoint or call raises.
    ///
    /// Returns at once, but for the task's [hooks](crate::with_hook), which it runs first;
    /// [`Request::wait`] waits for the answer. Requests without a reason of their
    /// own are one request until it is [taken](crate::take).
    #[doc(alias = "cancel")]
    #[doc(alias = "abort")]
    #[doc(alias = "kill")]
    #[doc(alias = "stop")]
    pub fn interrupt(&self) -> Request {
        self.ask(Reason::Requested)
    }

    /// As [`interrupt`](Self::interrupt), with a reason: a text or any error. Each is kept, and
    /// raised after the one before it was [taken](crate::take).
    ///
    /// ```
    /// let (task, interrupter) = eintr::task();
    /// interrupter.interrupt_with("the user left");
    /// interrupter.interrupt_with(std::io::Error::other("out of quota"));
    /// let interrupted = task.run(eintr::checkpoint).unwrap_err();
    /// assert_eq!(interrupted.to_string(), "interrupted: the user left");
    /// ```
    pub fn interrupt_with(&self, reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Request {
        self.ask(Reason::Custom(reason.into().into()))
    }

    pub(crate) fn ask(&self, reason: Reason) -> Request {
        self.ask_with(&Interrupted::new(reason))
    }

    pub(crate) fn ask_with(&self, interrupted: &Interrupted) -> Request {
        let asked = self.0.clone();
        match &asked {
            Asked::Task(node) => {
                let mut armed = Armed::default();
                let id = node.request(interrupted, &mut armed);
                list::run_due(&armed, interrupted);
                if id.is_some() {
                    observed::tell(node, What::Asked(interrupted));
                }
                Request { asked, id, members: Vec::new() }
            }
            Asked::Group(_) => {
                let member =
                    |(node, id)| Request { asked: Asked::Task(node), id, members: Vec::new() };
                let members = asked.request_by_group(interrupted).into_iter().map(member);
                Request { id: None, members: members.collect(), asked }
            }
        }
    }

    /// The request of that number, if there was one; 0 stands for one that came after the task's end.
    #[cfg(feature = "capi")]
    pub(crate) fn request(&self, id: u64) -> Option<Request> {
        let Asked::Task(node) = &self.0 else { return None };
        let asked = self.0.clone();
        let id = (id != 0).then_some(id);
        node.had_request(id).then(|| Request { asked, id, members: Vec::new() })
    }

    /// Interrupts the task where the guard is dropped: at an early return, in a panic.
    ///
    /// ```
    /// let worker = eintr::spawn(|| eintr::time::sleep(std::time::Duration::MAX));
    /// drop(worker.interrupter().drop_guard());
    /// assert!(worker.join().unwrap().is_err());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard(Some(self))
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Asked::Task(node) => node.is_finished(),
            Asked::Group(_) => self.0.tasks().iter().all(|task| task.is_finished()),
        }
    }

    /// Waits until the task has ended, but no longer than `limit`; not interruptible.
    ///
    /// On its own task's thread it answers at once.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
    /// worker.interrupt();
    /// if let Err(report) = worker.interrupter().wait_finished(Duration::from_secs(10)) {
    ///     panic!("it does not stop: {report}");
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Report`] of where the task is, if it has not ended by then. To have its stack may take a
    /// tenth of a second more.
    pub fn wait_finished(&self, limit: Duration) -> Result<(), Report> {
        let enough = |progress: &Progress| {
            matches!(progress, Progress::Finished | Progress::Running { here: true, .. })
        };
        let until = Moment::in_time(limit);
        for task in self.0.tasks() {
            if !matches!(task.wait_for(None, until, enough), Progress::Finished) {
                return Err(stuck(&task, limit));
            }
        }
        Ok(())
    }

    /// The interrupt that the task was last handed, or for which a call of its was cut short, if any; kept
    /// after its end.
    ///
    /// This is how the requester tells a task that failed because it was interrupted from one that
    /// failed.
    ///
    /// ```
    /// let worker = eintr::spawn(|| {
    ///     std::thread::sleep(std::time::Duration::MAX); // says nothing of what ended it
    ///     eintr::checkpoint()
    /// });
    /// let interrupter = worker.interrupter();
    /// interrupter.interrupt_with("lunch");
    /// worker.join().unwrap().unwrap_err();
    /// assert_eq!(interrupter.raised().unwrap().to_string(), "interrupted: lunch");
    /// ```
    pub fn raised(&self) -> Option<Interrupted> {
        self.0.tasks().iter().find_map(|task| task.raised())
    }

    /// Where the task is now, without its thread's stack: nobody is disturbed.
    pub fn report(&self) -> Report {
        Report::of(&self.0)
    }
}

/// Interrupts a task where it is dropped. See [`Interrupter::drop_guard`].
#[derive(Debug)]
#[must_use = "dropping it interrupts the task"]
pub struct DropGuard(Option<Interrupter>);

impl DropGuard {
    /// The task is not interrupted, after all.
    pub fn disarm(mut self) -> Interrupter {
        self.0.take().expect("only its end takes it")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(interrupter) = &self.0 {
            interrupter.interrupt();
        }
    }
}

/// The interrupter of the task of that number, which runs on some thread of the process; none if none
/// does.
///
/// For an admin endpoint, which hears of a task by the number that a [`Report`] shows.
///
/// ```
/// let (task, _) = eintr::task();
/// let id = task.interrupter().id();
/// assert!(eintr::find(id).is_none()); // not yet
/// task.run(|| {
///     eintr::find(id).unwrap().interrupt_with("by order of the administrator");
///     assert!(eintr::checkpoint().is_err());
/// });
/// assert!(eintr::find(id).is_none());
/// ```
pub fn find(id: u64) -> Option<Interrupter> {
    let is_it = |task: &Arc<Node>| task.id() == id && !task.is_finished();
    let records = all_threads::records();
    let task = records.iter().find_map(|record| Node::all_on(record).into_iter().find(is_it));
    task.map(|task| Interrupter(Asked::Task(task)))
}

impl Report {
    /// The interrupter of the task, or of the group, that it tells of; none for a thread without a task.
    pub fn interrupter(&self) -> Option<Interrupter> {
        self.asked.clone().map(Interrupter)
    }
}

/// Those of one task are equal.
impl PartialEq for Interrupter {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Interrupter {}

impl Hash for Interrupter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl From<&Interrupter> for Interrupter {
    fn from(interrupter: &Interrupter) -> Self {
        interrupter.clone()
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.0.figures();
        f.debug_struct("Interrupter")
            .field("task", &figures.id)
            .field("name", &figures.name)
            .field("finished", &figures.finished)
            .finish_non_exhaustive()
    }
}

/// One ask. Dropping it changes nothing: the task stays asked.
#[derive(Clone)]
pub struct Request {
    asked: Asked,
    /// None if the task had ended.
    id: Option<u64>,
    /// If it was a group that was asked: the members' requests.
    members: Vec<Request>,
}

impl Request {
    /// Its number among those to this task; none if the task had ended.
    #[cfg(feature = "capi")]
    pub(crate) fn id(&self) -> Option<u64> {
        self.id
    }

    /// Waits for what becomes of the request, but no longer than `limit`. Cannot itself be
    /// interrupted.
    ///
    /// On the thread of the task that was asked it answers at once. A report's stack, which is had
    /// as for [`report()`](crate::report()), may take a tenth of a second more.
    ///
    /// # Examples
    ///
    /// ```
    /// use eintr::Outcome;
    /// use std::time::Duration;
    ///
    /// let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
    /// match worker.interrupt().wait(Duration::from_secs(10)) {
    ///     Outcome::Raised | Outcome::Finished => {}
    ///     Outcome::Stuck(report) => panic!("still there: {report}"),
    ///     other => panic!("{other:?}"),
    /// }
    /// ```
    pub fn wait(&self, limit: Duration) -> Outcome {
        self.wait_until(Moment::in_time(limit), limit)
    }

    /// The tasks that it was made to and that had not ended, each with its number there.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Arc<Node>, u64)> {
        std::iter::once(self).chain(&self.members).filter_map(|request| match &request.asked {
            Asked::Task(node) => Some((node, request.id?)),
            Asked::Group(_) => None,
        })
    }

    fn wait_until(&self, until: Moment, limit: Duration) -> Outcome {
        let node = match &self.asked {
            Asked::Task(node) => node,
            Asked::Group(_) => return self.wait_for_members(until, limit),
        };
        if self.id.is_none() {
            return Outcome::Finished;
        }
        let report = || stuck(node, limit);
        match node.wait_for(self.id, until, is_outcome) {
            Progress::Raised => Outcome::Raised,
            Progress::Finished => Outcome::Finished,
            Progress::NotStarted => Outcome::NotStarted,
            Progress::Running { undelivered: Some(error), .. } => {
                Outcome::Undeliverable(with_text(error))
            }
            Progress::Running { masked: true, .. } => Outcome::Masked(report()),
            Progress::Running { .. } => Outcome::Stuck(report()),
        }
    }

    /// The group is as far as that one of its members which is the least far.
    fn wait_for_members(&self, until: Moment, limit: Duration) -> Outcome {
        if self.members.is_empty() {
            return Outcome::NotStarted;
        }
        let mut all = Outcome::Finished;
        for member in &self.members {
            match member.wait_until(until, limit) {
                Outcome::Finished => {}
                Outcome::Raised => all = Outcome::Raised,
                other => return other,
            }
        }
        all
    }
}

/// Where a task is that has not come to it within that time.
fn stuck(task: &Arc<Node>, limit: Duration) -> Report {
    let report = Report::of_straggler(task);
    tell_stuck(task, &report, limit);
    report
}

/// Counts that a task was waited for in vain, and tells it. (Who asks how far it is, and does not wait, has learned nothing yet.)
pub(crate) fn tell_stuck(task: &Node, report: &Report, limit: Duration) {
    if !limit.is_zero() {
        counts::STUCK.fetch_add(1, Ordering::Relaxed);
        observed::tell(task, What::Stuck(report));
    }
}

/// The error with a text, where the kernel has none for it.
fn with_text(error: io::Error) -> io::Error {
    let text = match error.kind() {
        _ if error.raw_os_error().is_some() => return error,
        io::ErrorKind::ResourceBusy => "another handler stands in the place of eintr's",
        _ => "no signal is free for eintr",
    };
    io::Error::new(error.kind(), text)
}

/// Whether waiting longer would change nothing.
pub(crate) fn is_outcome(progress: &Progress) -> bool {
    match progress {
        Progress::Raised | Progress::Finished => true,
        Progress::Running { here, .. } => *here,
        Progress::NotStarted => false,
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.asked.figures();
        f.debug_struct("Request")
            .field("task", &figures.id)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What became of a [`Request`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was felt: handed out as an error, or a call was cut short. What the task does with it is its own affair;
    /// [`wait_finished`](Interrupter::wait_finished) tells whether it ended.
    Raised,
    /// The task has ended, with or without having noticed.
    Finished,
    /// The task has not begun. It will be raised at its first checkpoint or call.
    NotStarted,
    /// A [mask](crate::mask()) stands between, and had not ended when the limit was up.
    Masked(Report),
    /// The task runs and has not come to a checkpoint or an interruptible call. The report tells
    /// where it is.
    Stuck(Report),
    /// The thread could not be signalled, and came to no checkpoint or call by itself.
    Undeliverable(io::Error),
}
