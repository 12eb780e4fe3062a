//! The reply to a request.

use std::time::Duration;

use serde_json::{Value, json};

use super::Shared;
use crate::report::{ThreadDump, list};
use crate::{Group, Interrupter, Outcome, find};

const PROTOCOL: u64 = 1;
/// The longest wait.
const WAIT: f64 = 60.0;

pub(super) fn error(text: &str) -> Value {
    json!({ "protocol": PROTOCOL, "error": text })
}

/// The reply to a line.
pub(super) fn to(line: &[u8], shared: &Shared) -> Value {
    let Ok(request) = serde_json::from_slice::<Value>(line) else {
        return error("that is no JSON");
    };
    if request["protocol"] != PROTOCOL {
        return error("this console speaks protocol 1");
    }
    let reply = match request["request"].as_str() {
        Some("list") => Ok(json!({ "dump": list() })),
        Some("dump") if request["text"] == true => Ok(json!({ "text": shared.dumps.next().1 })),
        Some("dump") => Ok(json!({ "dump": *shared.dumps.next().0 })),
        Some("interrupt") => interrupt(&request),
        Some("stop") => {
            let named = request["group"].as_str().and_then(|name| shared.group(name));
            named.ok_or("no such group".into()).map(|group| stop(&group, wait(&request)))
        }
        _ => Err("no such request".into()),
    };
    match reply {
        Ok(mut reply) => {
            reply["protocol"] = PROTOCOL.into();
            reply
        }
        Err(text) => error(&text),
    }
}

fn wait(request: &Value) -> Duration {
    let seconds = request["wait"].as_f64().unwrap_or(0.0);
    Duration::from_secs_f64(seconds.clamp(0.0, WAIT))
}

fn interrupt(request: &Value) -> Result<Value, String> {
    let task = request["task"].as_str().ok_or("which task?")?;
    let interrupter = task_of(task, &list())?;
    let request_made = match request["reason"].as_str() {
        Some(reason) => interrupter.interrupt_with(reason),
        None => interrupter.interrupt(),
    };
    let (outcome, report) = match request_made.wait(wait(request)) {
        Outcome::Raised => ("raised", None),
        Outcome::Finished => ("finished", None),
        Outcome::NotStarted => ("not started", None),
        Outcome::Masked(report) => ("masked", Some(report)),
        Outcome::Stuck(report) => ("stuck", Some(report)),
        Outcome::Undeliverable(_) => ("undeliverable", Some(interrupter.report())),
    };
    Ok(json!({ "task": interrupter.id(), "outcome": outcome, "report": report }))
}

/// The task of that number, or else the only one of that name.
fn task_of(task: &str, threads: &ThreadDump) -> Result<Interrupter, String> {
    if let Some(interrupter) = task.parse().ok().and_then(find) {
        return Ok(interrupter);
    }
    let is_named = |report: &&crate::Report| report.name.as_deref() == Some(task);
    let named: Vec<_> = threads.reports.iter().filter(is_named).collect();
    match named[..] {
        [] => Err(format!("no task has the number or the name {task:?}")),
        [one] => one.interrupter().ok_or_else(|| "it has ended".into()),
        ref several => {
            let ids: Vec<_> = several.iter().map(|report| report.task.to_string()).collect();
            Err(format!("{} tasks have the name {task:?}: {}", ids.len(), ids.join(", ")))
        }
    }
}

fn stop(group: &Group, grace: Duration) -> Value {
    let stragglers = group.stop(grace).err();
    let reports = stragglers.as_ref().map_or(&[][..], |stragglers| stragglers.reports());
    json!({ "stopped": reports.is_empty(), "stragglers": reports })
}
