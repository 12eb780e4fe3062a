//! [`context`]: what is in force here, for another thread.

use std::fmt;
use std::sync::Arc;

use crate::entry::install;
use crate::inherited::Inheritance;
use crate::mask::Mask;
use crate::task::node::Node;
use crate::{Interrupter, Task, reach};

/// The tasks, deadlines and masks that are in force here, to be carried to another thread.
///
/// For pools: their threads know nothing of the task that hands them a job. What a
/// [`scope`](crate::scope()) gives its threads, this gives a job on a worker of rayon's, in a scope of
/// crossbeam's, in any pool.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// // A pool of one, which has never heard of us.
/// let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
/// let worker = std::thread::spawn(move || queue.into_iter().for_each(|job| job()));
///
/// let (answer, answered) = mpsc::channel();
/// let result = eintr::timeout(Duration::from_millis(20), || -> Result<(), eintr::Error> {
///     let context = eintr::context();
///     jobs.send(Box::new(move || {
///         // Stuck, and not on the thread that has the limit.
///         let slept = context.run(|| eintr::time::sleep(Duration::MAX));
///         answer.send(slept).unwrap();
///     }))
///     .unwrap();
///     answered.recv().unwrap()
/// });
/// assert_eq!(std::io::Error::from(result.unwrap_err()).kind(), std::io::ErrorKind::TimedOut);
/// # drop(jobs);
/// # worker.join().unwrap();
/// ```
///
/// Nothing is carried by itself: each job that is to be ended with the task runs inside of
/// [`run`](Context::run). Outside of it the worker is the pool's, and is left alone.
///
/// A `run` takes about a microsecond, as long as to box some sixty jobs and send them through a channel (by
/// `cargo bench -p eintr-benches --bench foundation -- context`). Items that are done sooner share one:
/// rayon's `par_chunks` hands out several.
#[track_caller]
pub fn context() -> Context {
    install::ensure();
    // As everywhere, unless the caller is a task that has it off.
    let reach = Interrupter::current().is_none() || reach::is_on();
    Context(Arc::new(Carried { inheritance: Inheritance::here(), reach }))
}

/// What was in force where [`context`] was called. Cheap to clone; each clone is the same.
#[derive(Clone)]
pub struct Context(Arc<Carried>);

struct Carried {
    inheritance: Inheritance,
    reach: bool,
}

impl Context {
    /// Runs `f` on this thread with all of that in force, and nothing else: who interrupts one of those
    /// tasks interrupts `f` as well, for the same reason; their deadlines hold here; what was masked
    /// there stays hidden; and what this thread is otherwise doing is masked for the time. So a pool
    /// that runs a stranger's job inside ours harms neither.
    ///
    /// On any number of threads at the same time, again and again, and inside of each other. `f` is a
    /// task of its own inside of theirs: a report shows where it is.
    ///
    /// Where the innermost of the tasks has ended, nothing is in force any more; also for an `f` that
    /// runs then, unless it has been told before. A deadline holds until its moment, be it that its
    /// [`timeout`](crate::timeout()) has returned before.
    ///
    /// # Panics
    ///
    /// If `f` does. And as [`timeout`](crate::timeout()), if there is a deadline.
    #[track_caller]
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        let _mask = Mask::begin();
        if self.is_finished() {
            return f();
        }
        let Carried { inheritance, reach } = &*self.0;
        let inside = |outer: &Arc<Node>| Task::inside(outer, *reach);
        inheritance.run(*reach, inheritance.task().map(inside), f)
    }

    /// As [`run`](Self::run), with that task in the place of one of its own: for a job that can also be
    /// interrupted by itself. The task is made where the context is taken; made elsewhere it stands for
    /// itself, and hides what the context carries.
    ///
    /// ```
    /// let (outer, _) = eintr::task();
    /// let worker = outer.run(|| {
    ///     let (context, task) = (eintr::context(), eintr::Task::new());
    ///     task.interrupter().interrupt_with("this one only");
    ///     std::thread::spawn(move || context.run_task(task, eintr::checkpoint))
    /// });
    /// assert_eq!(worker.join().unwrap().unwrap_err().to_string(), "interrupted: this one only");
    /// ```
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn run_task<T>(&self, task: Task, f: impl FnOnce() -> T) -> T {
        let _mask = Mask::begin();
        if self.is_finished() {
            return task.run(f);
        }
        let Carried { inheritance, reach } = &*self.0;
        inheritance.run(*reach, Some(task), f)
    }

    /// Whether the innermost task that was in force has ended. What is run then runs with nothing in
    /// force.
    ///
    /// ```
    /// let context = eintr::Task::new().run(eintr::context);
    /// assert!(context.is_finished());
    /// assert!(context.run(eintr::checkpoint).is_ok());
    /// ```
    pub fn is_finished(&self) -> bool {
        self.0.inheritance.task().is_some_and(|task| task.is_finished())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.0.inheritance.task();
        f.debug_struct("Context").field("task", &task.map(|task| task.id())).finish_non_exhaustive()
    }
}
