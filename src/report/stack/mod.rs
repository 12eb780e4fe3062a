//! [`Stack`], [`Frame`]: the stack in a report, and whose is taken.
//!
//! A thread's stack costs it one signal. That ends no call that the kernel restarts, and none of
//! ours; but a plain sleep or poll would return EINTR, and a thread that nobody has asked is not to
//! notice (P5). So a thread that sits in such a call, and is not armed, keeps its stack to itself.
//! (One that comes to such a call between the look and the signal, or is just leaving it, may see an
//! EINTR once. Rejected:
//! the stack of every thread, which a program that sleeps in C code would pay for; and stacks on
//! demand alone, which are not there when they are needed.)
//!
//! Unwinding needs the tables of the program only, which are in memory. Names need its files, and
//! they are big: they are looked up when a stack is first shown, all of one dump together.
//!
//! (Why these crates: framehop unwinds a copied stack by registers of another thread, where the
//! `backtrace` crate and libgcc know the calling thread only. addr2line is what std itself names
//! frames by. The `backtrace` crate would do that too, behind one lock of the process's, which the
//! child of a fork may find held, and keep the program's tables in memory for good.)

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::thread::ThreadState;
use super::{Report, kernel, snapshot};
use crate::node::Node;

mod modules;
mod names;
mod notice;
mod unwind;

use names::Names;
use unwind::Unwinder;

/// How long a thread is given to answer.
const ANSWER: Duration = Duration::from_millis(100);
/// How long all threads together may keep a dump waiting.
const ANSWERS: Duration = Duration::from_secs(1);

/// How often a thread is looked at that moves on under the eyes of the reporter.
const LOOKS: usize = 3;

/// Where a thread was, from its innermost function outwards, as far as that can be told.
#[derive(Clone)]
pub struct Stack {
    addresses: Vec<Address>,
    names: Arc<Names>,
}

/// One function on a [`Stack`]. Functions that the compiler has put into others have frames of
/// their own, with the same address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The address of the code: the next instruction, or the one that is returned to.
    pub address: usize,
    /// The file that the code is from, and the address in that file.
    pub module: Option<(String, usize)>,
    /// The function's name, if the file tells it.
    pub function: Option<String>,
    /// The source file and the line, if there is debugging information.
    pub location: Option<String>,
}

/// An address of the code on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    /// As it is.
    shown: usize,
    /// Within the instruction that it belongs to: before it, for one that is returned to.
    looked_up: usize,
}

impl Stack {
    /// The functions on it, innermost first. The first look at one of the stacks of a
    /// [`report()`](crate::report()) reads the program's files for the names.
    pub fn frames(&self) -> Vec<Frame> {
        self.addresses.iter().flat_map(|address| self.names.frames(*address)).collect()
    }
}

impl fmt::Display for Stack {
    /// A line for each frame, without those of ours by which the thread is reached, and without
    /// those by which std begins a thread.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = self.frames();
        let is = |frame: &Frame, name| frame.function.as_ref().is_some_and(|f| f.contains(name));
        // Behind the handler lies what the kernel returns through.
        let handler = frames.iter().rposition(|frame| is(frame, "eintr::sys::trap::on_sigsys"));
        let first = handler.map_or(0, |handler| (handler + 2).min(frames.len()));
        let start = |frame: &Frame| is(frame, "__rust_begin_short_backtrace");
        let frames = frames[first..].split(start).next().unwrap_or_default();
        let width = frames.len().to_string().len();
        for (i, frame) in frames.iter().enumerate() {
            let end = if i + 1 < frames.len() { "\n" } else { "" };
            write!(f, "{i:width$}: {frame}{end}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => write!(f, "{:#x}", self.address)?,
        }
        match (&self.location, &self.module) {
            (Some(location), _) => write!(f, " at {}", of_std(location)),
            (None, Some((file, offset))) => write!(f, " in {file}+{offset:#x}"),
            (None, None) => Ok(()),
        }
    }
}

/// A file of std's by its name among std's: where it was compiled is of no use here.
fn of_std(location: &str) -> &str {
    let compiled = location.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/'));
    compiled.map_or(location, |(_hash, file)| file)
}

/// A dump: the stacks that were taken, and what they were unwound by.
pub(super) struct Dump {
    until: Instant,
    unwinder: Option<Unwinder>,
    taken: Vec<(u64, Vec<Address>)>,
}

impl Dump {
    pub(super) fn new() -> Self {
        Self { until: Instant::now() + ANSWERS, unwinder: None, taken: Vec::new() }
    }

    /// The report on a task, whose thread's stack is taken.
    pub(super) fn look(&mut self, task: &Arc<Node>) -> Report {
        let mut report = Report::of(task);
        for _ in 0..LOOKS {
            if !has_moved_on(&report) {
                break;
            }
            report = Report::of(task);
        }
        let limit = self.until.saturating_duration_since(Instant::now()).min(ANSWER);
        let record = may_be_signalled(&report).then(|| task.record()).flatten();
        if let Some(snapshot) = record.and_then(|record| snapshot::take(&record, task, limit)) {
            let unwinder = self.unwinder.get_or_insert_with(Unwinder::new);
            self.taken.push((report.task, unwinder.unwind(&snapshot)));
        }
        report
    }

    /// Puts the stacks into the reports.
    pub(super) fn end<'a>(self, reports: impl Iterator<Item = &'a mut Report>) {
        let Some(unwinder) = self.unwinder else { return };
        let addresses = self.taken.iter().flat_map(|(_, addresses)| addresses).copied().collect();
        let names = Arc::new(Names::new(unwinder.modules, addresses));
        let mut taken: BTreeMap<_, _> = self.taken.into_iter().collect();
        for report in reports {
            if let (Some(thread), Some(addresses)) =
                (&mut report.thread, taken.remove(&report.task))
            {
                thread.stack = Some(Stack { addresses, names: names.clone() });
            }
        }
    }
}

fn has_moved_on(report: &Report) -> bool {
    let thread = report.thread.as_ref();
    thread.is_some_and(|thread| kernel::call_of(thread.tid) != thread.call)
}

/// Whether its thread would answer, and would not notice.
fn may_be_signalled(report: &Report) -> bool {
    let Some(thread) = &report.thread else { return false };
    let answers = matches!(thread.state, Some(ThreadState::Running | ThreadState::Sleeping))
        && !thread.blocks_signal
        && !report.handler_replaced;
    let is_armed = report.pending_for.is_some() && !report.masked;
    answers && (is_armed || !notice::would_notice(thread) && !has_moved_on(report))
}
