//! A stop, as the service manager hears of it: what is left, and whether it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use super::{notify, waiter};
use crate::group::members::Asked;
use crate::kernel::Moment;
use crate::{Interrupter, Report};

/// How often one looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How much longer the service manager is to wait once a task has ended.
const EXTENSION: Duration = Duration::from_secs(10);
/// So many of those that are left are told with their calls.
const TOLD: usize = 8;

/// The stops that are under way.
pub(super) struct Stop {
    /// Whom the signals have asked.
    asked: Vec<Interrupter>,
    /// The tasks that there were then, and that have not ended. (Those that come later end as well, but a program that
    /// begins one after the other would stop for ever.)
    first: BTreeSet<u64>,
    /// The service manager has heard that the program stops.
    is_told: bool,
    next: Moment,
}

impl Default for Stop {
    fn default() -> Self {
        Self { asked: Vec::new(), first: BTreeSet::new(), is_told: false, next: Moment::NEVER }
    }
}

impl Stop {
    pub(super) fn begin(&mut self, target: &Interrupter) {
        self.is_told |= notify::stop();
        if notify::manager().is_some() {
            self.asked.push(target.clone());
            self.first = self.left().into_keys().collect();
            self.next = Moment::in_time(PAUSE);
        }
    }

    /// The tasks that have not ended.
    fn left(&self) -> BTreeMap<u64, Asked> {
        let tasks = self.asked.iter().flat_map(|target| target.0.tasks());
        let left = tasks.filter(|task| !task.is_finished());
        left.map(|task| (task.id(), Asked::Task(task))).collect()
    }

    /// When it is to look again.
    pub(super) fn look(&mut self) -> Moment {
        if Moment::now() < self.next {
            return self.next;
        }
        let left = self.left();
        let first = self.first.iter().copied().filter(|task| left.contains_key(task));
        let first: BTreeSet<_> = first.collect();
        let mut message = String::new();
        if !self.is_told {
            message = format!("{}\n", notify::STOPPING);
        }
        if first.len() < self.first.len() {
            message += &(notify::extension(EXTENSION) + "\n");
        }
        message += &notify::status_line(&told(&left));
        self.next = Moment::in_time(PAUSE);
        // Its queue may be full, where many services stop at once: what could not be told is told the next time.
        if notify::tell_at_once(&message) {
            (self.first, self.is_told) = (first, true);
            if left.is_empty() {
                self.asked.clear();
                self.next = Moment::NEVER;
            }
        }
        self.next
    }
}

fn told(left: &BTreeMap<u64, Asked>) -> String {
    let mut text = match left.len() {
        0 => return "stopping: all tasks have ended".into(),
        1 => String::from("stopping: 1 task has not ended: "),
        count => format!("stopping: {count} tasks have not ended: "),
    };
    let mut told = 0;
    // A look at a thread that makes a call again and again takes its time, for which no signal is to wait.
    for asked in left.values().take(TOLD).take_while(|_| !waiter::has_signals()) {
        let report = Report::of(asked);
        let name = report.name.unwrap_or_else(|| format!("task {}", report.task));
        let place = report.thread.map_or("not started".into(), |thread| thread.to_string());
        let place: String = place.chars().take(100).collect();
        let _ = write!(text, "{}{name}: {place}", if told == 0 { "" } else { "; " });
        told += 1;
    }
    if told < left.len() {
        let _ = write!(text, "; and {} more", left.len() - told);
    }
    text
}
