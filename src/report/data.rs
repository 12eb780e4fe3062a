//! Reports as data, for programs: one flat object for a report. Its fields stand with [`Report`]; they are all there
//! in each, and none is renamed or given another meaning.

use std::time::{Duration, UNIX_EPOCH};

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::dump::ThreadDump;
use super::held_by::Holder;
use super::task::Report;
use super::thread::ThreadState;

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let thread = self.thread.as_deref();
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let is_task = self.asked.is_some();
        let mut report = serializer.serialize_struct("Report", 29)?;
        report.serialize_field("task", &is_task.then_some(self.task))?;
        report.serialize_field("name", &self.name)?;
        let made_at = self.made_at().map(|place| format!("{}:{}", place.file(), place.line()));
        report.serialize_field("made_at", &made_at)?;
        report.serialize_field("tid", &thread.map(|thread| thread.tid))?;
        report.serialize_field("thread", &thread.map(|thread| &thread.name))?;
        report.serialize_field("state", &thread.map(|thread| thread.state.map(name)))?;
        report.serialize_field("syscall", &thread.map(|thread| &thread.syscall))?;
        report.serialize_field("fd", &thread.map(|thread| thread.fd))?;
        report.serialize_field("waits_on", &thread.map(|thread| &thread.waits_on))?;
        report.serialize_field("held_by", &thread.map(|thread| &thread.held_by))?;
        report.serialize_field("wchan", &thread.map(|thread| &thread.wchan))?;
        report.serialize_field("retries", &thread.map(|thread| thread.retries))?;
        let retrying_for = thread.and_then(|thread| thread.retrying_for);
        report.serialize_field("retrying_for", &seconds(retrying_for))?;
        report.serialize_field("blocks_signal", &thread.map(|thread| thread.blocks_signal))?;
        report.serialize_field("age", &seconds(thread.and_then(|thread| thread.age)))?;
        report.serialize_field("task_age", &seconds(thread.and_then(|thread| thread.task_age)))?;
        let processor_time = thread.and_then(|thread| thread.processor_time);
        report.serialize_field("processor_time", &seconds(processor_time))?;
        report
            .serialize_field("remaining", &seconds(thread.and_then(|thread| thread.remaining)))?;
        report.serialize_field("started", &self.started)?;
        report.serialize_field("finished", &self.finished)?;
        report.serialize_field("pending_for", &seconds(self.pending_for))?;
        report.serialize_field("reason", &self.reason.as_ref().map(ToString::to_string))?;
        report.serialize_field("raised", &self.raised)?;
        report.serialize_field("last_raised", &seconds(self.last_raised))?;
        report.serialize_field("refused", &self.refused)?;
        report.serialize_field("masked", &self.masked)?;
        report.serialize_field("handler_replaced", &self.handler_replaced)?;
        report.serialize_field("cure", &self.cure())?;
        #[cfg(feature = "stacks")]
        let stack = thread.and_then(|thread| Some(thread.stack.as_ref()?.frames()));
        #[cfg(not(feature = "stacks"))]
        let stack: Option<Vec<()>> = None;
        report.serialize_field("stack", &stack)?;
        report.end()
    }
}

impl Serialize for ThreadDump {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut dump = serializer.serialize_struct("ThreadDump", 6)?;
        dump.serialize_field("version", self.version)?;
        dump.serialize_field("process", &self.process)?;
        dump.serialize_field("program", &self.program)?;
        dump.serialize_field("time", &since.as_secs_f64())?;
        dump.serialize_field("deadlocks", &self.deadlocks)?;
        dump.serialize_field("reports", &self.reports)?;
        dump.end()
    }
}

impl Serialize for Holder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (what, number, name) = match self {
            Self::Thread { tid, name } => ("thread", i64::from(*tid), Some(name)),
            Self::Process { pid, name } => ("process", i64::from(*pid), Some(name)),
            Self::Readers { count } => ("readers", i64::from(*count), None),
        };
        let mut holder = serializer.serialize_struct("Holder", 2)?;
        holder.serialize_field(what, &number)?;
        holder.serialize_field("name", &name)?;
        holder.end()
    }
}

#[cfg(feature = "stacks")]
impl Serialize for super::Frame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut frame = serializer.serialize_struct("Frame", 5)?;
        frame.serialize_field("function", &self.function)?;
        frame.serialize_field("location", &self.location)?;
        frame.serialize_field("module", &self.module.as_ref().map(|(file, _)| file))?;
        frame.serialize_field("offset", &self.module.as_ref().map(|(_, offset)| offset))?;
        frame.serialize_field("address", &self.address)?;
        frame.end()
    }
}

fn name(state: ThreadState) -> String {
    match state {
        ThreadState::Uninterruptible => "uninterruptible".into(),
        ThreadState::Other(letter) => letter.into(),
        other => other.to_string(),
    }
}
