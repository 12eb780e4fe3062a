//! Whom a group's one interrupter reaches.
//!
//! A [`Group`](crate::Group) has a node, as a task has, so that there is one kind of
//! [`Interrupter`](crate::Interrupter); but it never runs. A request to it is handed on to the
//! nodes of its members, each of which is then asked as if by itself: it has its own request, its
//! own report, its own outcome. What waits for the group's request waits for theirs.
//!
//! (Rejected: one node that runs on the threads of all members, as a [scope's](crate::scope())
//! does. Thousands of threads, woken at one moment, would all raise under its one lock; nobody
//! could tell which of them has raised; and a task that runs already could not be put under it.)
//!
//! # Nobody is missed
//!
//! The list and the latch are under one lock. Whoever asks sets the latch and copies the list in
//! one step, and asks the copies after; whoever comes in is put on the list and looks at the latch
//! in one step, and is asked after if it was set. So of the two at least one sees the other, and no
//! lock of the list's is held while anybody is asked.
//!
//! That lock is taken behind the fork gate, like all of ours, and no other inside of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::{array, fmt};

use super::panicked::Panicked;
use crate::Interrupted;
use crate::hook::list;
use crate::observed::{self, What};
use crate::room::{Full, MakeRoom, Room};
use crate::task::node::{self, Armed, Figures, Node};
use crate::thread::fork_gate;

/// Whom an interrupter asks, and who may be on a group's list.
#[derive(Clone)]
pub(crate) enum Asked {
    Task(Arc<Node>),
    Group(Arc<Members>),
}

/// The members of one group.
pub(crate) struct Members {
    id: u64,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// What the group was asked with first: all who come later are asked with that.
    latched: Option<Interrupted>,
    /// In the order of their ids.
    members: Vec<Asked>,
    /// Where the next sweep goes on.
    swept_up_to: u64,
    panics: Panics,
}

/// What members have panicked with: the first of them, for a group may live long.
#[derive(Debug, Default)]
pub(crate) struct Panics {
    pub(crate) first: Vec<Panicked>,
    /// How many there were after them.
    pub(crate) more: usize,
}

/// How many panics a group remembers.
const REMEMBERED: usize = 64;
/// How many members are looked at when one comes in. With two, the ended ones that are still on the
/// list are never many more than those that live.
const SWEPT: usize = 2;

impl Members {
    /// None yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { id: node::fresh_id(), list: Mutex::default() })
    }

    /// What is to be dropped is handed out.
    fn locked<T>(&self, f: impl FnOnce(&mut List) -> T) -> T {
        let _gate = fork_gate::gate();
        f(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with_room<R: MakeRoom, T>(
        &self,
        mut f: impl FnMut(&mut List, &mut R) -> Result<T, Full>,
    ) -> T {
        fork_gate::with_room(|_, room| {
            f(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner), room)
        })
    }

    /// Puts a task on the list, or a group. If the group was asked, so is the task.
    pub(crate) fn add(&self, member: &Asked) {
        let latched = self.with_room(|list, room: &mut Room<_>| {
            if let Err(index) = list.find(member.id()) {
                room.for_one_more(&mut list.members)?;
                list.members.insert(index, member.clone());
            }
            Ok(list.latched.clone())
        });
        if let Some(interrupted) = latched {
            member.request_by_group(&interrupted);
        }
        self.sweep();
    }

    /// Takes a task off the list.
    pub(crate) fn forget(&self, id: u64) {
        // Not under the lock: it may be the last of a reason of the user's.
        let _member = self.locked(|list| Some(list.members.remove(list.find(id).ok()?)));
    }

    /// Forgets some that have ended without saying so: those that were not spawned by the group.
    fn sweep(&self) {
        for member in self.locked(List::next_to_sweep).into_iter().flatten() {
            let is_over = match &member {
                // Its list and this one have one count each.
                Asked::Group(group) => Arc::strong_count(group) == 2 && member.tasks().is_empty(),
                Asked::Task(task) => task.is_finished(),
            };
            if is_over {
                self.forget(member.id());
            }
        }
    }

    fn all(&self) -> Vec<Asked> {
        self.with_room(|list, room| list.copy(room))
    }

    fn latch(&self, interrupted: &Interrupted) -> Vec<Asked> {
        self.with_room(|list, room| {
            list.latched.get_or_insert_with(|| interrupted.clone());
            list.copy(room)
        })
    }

    /// Whether the group was asked.
    pub(crate) fn is_latched(&self) -> bool {
        self.locked(|list| list.latched.is_some())
    }

    pub(crate) fn note_panic(&self, panicked: Panicked) {
        let mut panicked = Some(panicked);
        self.with_room(|list, room: &mut Room<_>| {
            let Panics { first, more } = &mut list.panics;
            if first.len() < REMEMBERED {
                room.for_one_more(first)?;
                first.extend(panicked.take());
            } else {
                *more += 1;
            }
            Ok(())
        });
    }

    /// Hands out the panics, and forgets them.
    pub(crate) fn take_panics(&self) -> Panics {
        self.locked(|list| std::mem::take(&mut list.panics))
    }
}

impl List {
    fn find(&self, id: u64) -> Result<usize, usize> {
        self.members.binary_search_by_key(&id, Asked::id)
    }

    fn copy(&self, room: &mut Room<Vec<Asked>>) -> Result<Vec<Asked>, Full> {
        let mut members = room.for_all(self.members.len())?;
        members.extend(self.members.iter().cloned());
        Ok(members)
    }

    fn next_to_sweep(&mut self) -> [Option<Asked>; SWEPT] {
        let start = self.find(self.swept_up_to + 1).unwrap_or_else(|index| index);
        let (before, later) = self.members.split_at(start);
        let mut round = later.iter().chain(before);
        let some = array::from_fn(|_| round.next().cloned());
        self.swept_up_to = some.iter().flatten().last().map_or(0, Asked::id);
        some
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id())
    }
}

impl Asked {
    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Task(node) => node.id(),
            Self::Group(members) => members.id,
        }
    }

    /// The tasks that it stands for: itself, or the members of a group, and of the groups in it.
    pub(crate) fn tasks(&self) -> Vec<Arc<Node>> {
        self.collect(Members::all)
    }

    /// Asks all of them, as members of the group; each with the request's id, or none if it has ended.
    pub(crate) fn request_by_group(
        &self,
        interrupted: &Interrupted,
    ) -> Vec<(Arc<Node>, Option<u64>)> {
        let tasks = self.collect(|members| members.latch(interrupted));
        // Hooks may be slow: everybody is asked before.
        let mut armed = Armed::default();
        let ask = |task: Arc<Node>| {
            let id = task.request_by_group(interrupted, &mut armed);
            (task, id)
        };
        let asked: Vec<_> = tasks.into_iter().map(ask).collect();
        list::run_due(&armed, interrupted);
        for (task, _) in asked.iter().filter(|(_, id)| id.is_some()) {
            observed::tell(task, What::Asked(interrupted));
        }
        asked
    }

    /// Groups may contain each other; each is looked into once.
    fn collect(&self, look: impl Fn(&Members) -> Vec<Asked>) -> Vec<Arc<Node>> {
        let mut tasks = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = vec![self.clone()];
        while let Some(asked) = next.pop() {
            if seen.insert(asked.id()) {
                match asked {
                    Self::Group(members) => next.extend(look(&members)),
                    Self::Task(node) => tasks.push(node),
                }
            }
        }
        tasks
    }

    /// The numbers that a report shows; those of a group's members are added up.
    pub(crate) fn figures(&self) -> Figures {
        if let Self::Task(node) = self {
            return node.figures();
        }
        let all: Vec<_> = self.tasks().iter().map(Node::figures).collect();
        Figures {
            id: self.id(),
            name: Some(format!("group of {}", all.len()).into()),
            started: all.iter().any(|figures| figures.started),
            finished: all.iter().all(|figures| figures.finished),
            masked: !all.is_empty() && all.iter().all(|figures| figures.masked),
            began: all.iter().filter_map(|figures| figures.began).min(),
            deadline: all.iter().filter_map(|figures| figures.deadline).min(),
            pending: all.iter().find_map(|figures| figures.pending.clone()),
            pending_since: all.iter().filter_map(|figures| figures.pending_since).min(),
            raises: all.iter().map(|figures| figures.raises).sum(),
            raised_at: all.iter().filter_map(|figures| figures.raised_at).max(),
            refused: all.iter().map(|figures| figures.refused).sum(),
            tid: None,
            retried: None,
        }
    }
}
