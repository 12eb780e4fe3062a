//! [`dump()`]: all threads of the process, with a header.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::held_by::Holder;
use super::kernel;
use super::task::{Report, plain};
use super::thread::ThreadReport;

/// All threads of a process at one moment, or nearly so: what [`dump()`] returns.
///
/// Shown, it is a text to be read: a header, which tasks were asked, the deadlocks, whom others wait for, and a paragraph for
/// each task and for each thread without one.
///
/// ```text
/// eintr 0.1.0, process 4242 (app), 2026-11-30 03:00:00 UTC: 3 threads, 2 tasks, 1 asked
/// asked: left (tid 4243) 3.1s ago
/// deadlock: thread 4243 (left) waits for thread 4244 (right), which waits for thread 4243 (left)
/// waited for: thread 4243 (left), by thread 4244 (right)
/// waited for: thread 4244 (right), by thread 4243 (left)
///
/// left (tid 4243): sleeping in futex of 0x55d0c0ffee40, held by thread 4244 (right), asked 3.1s ago, raised 0 times
///     task 1, made at src/main.rs:17, on thread left, age 5.0s, processor time 10.0ms
///     cure: lock_interruptible in place of lock: app::transfer at src/main.rs:42
/// ```
///
/// With the feature `serde` it is `Serialize`: `version`, `process`, `program`, `time` in seconds since 1970, `deadlocks`
/// and `reports`, which are [as data](Report#as-data) each. For a line of JSON a thread, serialize the reports one by one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ThreadDump {
    /// The crate's version.
    pub version: &'static str,
    /// The process's id.
    pub process: u32,
    /// The process's name.
    pub program: String,
    /// When it was begun.
    pub time: SystemTime,
    /// The tasks, in the order in which they were made; then the threads that run none, by their ids.
    pub reports: Vec<Report>,
    /// Threads by their ids, of which each waits for the next and the last for the first: by mutexes, or locks held for
    /// writing, of [`sync`](crate::sync)'s, by a join, by futexes that tell their owner, or by mutexes of glibc's.
    pub deadlocks: Vec<Vec<i32>>,
}

/// Where all threads of this process are: the tasks, as [`report()`](crate::report()) has them, and the threads that run none, be they
/// the program's or ours, as the kernel shows them.
///
/// # Cost
///
/// What a [`report()`](crate::report()) costs its threads. A thread without a task is not signalled. The names of the functions on the
/// stacks are looked up when they are first shown, which reads the program's files into memory for that time, and
/// takes seconds for a large one with debugging information. The system has that memory back at once. What the allocator was
/// asked for meanwhile is freed: a part of a file's debugging information, which the allocator may keep for
/// what the program asks for next
/// ([malloc_trim(3)](https://man7.org/linux/man-pages/man3/malloc_trim.3.html) gives it back), and no more of it after the next dump.
///
/// # At exit
///
/// It is shown in one piece, so that `eprintln!` and its kin make one write of it: if the program exits while a dump is made
/// or its names are looked up, nothing of it is written. The kernel may cut a long write to a slow reader or to a file
/// where the process ends; who wants a file that is there as a whole or not at all writes it beside, and renames it.
///
/// # Examples
///
/// ```
/// eprintln!("{}", eintr::dump());
///
/// # let path = std::env::temp_dir().join(format!("dump-{}", std::process::id()));
/// let beside = path.with_extension("new");
/// std::fs::write(&beside, eintr::dump().to_string())?;
/// std::fs::rename(&beside, &path)?;
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Interruption
///
/// Not interruptible.
pub fn dump() -> ThreadDump {
    let time = SystemTime::now();
    with_others(time, super::report())
}

/// The same without stacks: nobody is disturbed.
#[cfg(feature = "console")]
pub(crate) fn list() -> ThreadDump {
    with_others(SystemTime::now(), super::tasks())
}

/// Adds the threads that run none of those tasks.
fn with_others(time: SystemTime, mut reports: Vec<Report>) -> ThreadDump {
    let has_task = |tid: i32| {
        reports.iter().any(|report| report.thread.as_ref().is_some_and(|thread| thread.tid == tid))
    };
    let mut others = kernel::threads();
    others.retain(|tid| !has_task(*tid));
    others.sort_unstable();
    reports.extend(others.into_iter().filter_map(kernel::look).map(Report::of_plain));
    let deadlocks = deadlocks(&reports);
    ThreadDump {
        version: env!("CARGO_PKG_VERSION"),
        process: std::process::id(),
        program: std::fs::read_to_string("/proc/self/comm").unwrap_or_default().trim_end().into(),
        time,
        reports,
        deadlocks,
    }
}

/// Which threads wait for which.
fn waits(reports: &[Report]) -> BTreeMap<i32, i32> {
    let threads = reports.iter().filter_map(|report| report.thread.as_deref());
    let wait = |thread: &ThreadReport| match thread.held_by {
        Some(Holder::Thread { tid, .. }) => Some((thread.tid, tid)),
        _ => None,
    };
    threads.filter_map(wait).collect()
}

/// For whom others wait, who keeps most of them first.
fn waited_for(reports: &[Report]) -> Vec<(i32, Vec<i32>)> {
    let mut holders = BTreeMap::<_, Vec<_>>::new();
    for (waits, holder) in waits(reports) {
        holders.entry(holder).or_default().push(waits);
    }
    let mut holders: Vec<_> = holders.into_iter().collect();
    holders.sort_by_key(|(_, waits)| Reverse(waits.len()));
    holders
}

/// The cycles, each told once. The threads were looked at one after the other: those that still wait as they did then
/// wait at one time.
fn deadlocks(reports: &[Report]) -> Vec<Vec<i32>> {
    let waits = waits(reports);
    let still_waits = |tid: &i32| {
        let mut threads = reports.iter().filter_map(|report| report.thread.as_deref());
        let then = threads.find(|thread| thread.tid == *tid && thread.held_by.is_some());
        let now = kernel::look(*tid).filter(|now| then.is_some_and(|then| now.call == then.call));
        let owner = || then?.owner_of_pthread_mutex();
        let holder = now.and_then(|now| now.held_by.or_else(owner));
        matches!(holder, Some(Holder::Thread { tid: now, .. }) if waits.get(tid) == Some(&now))
    };
    let cycle_from = |first: &i32| {
        let mut cycle = vec![*first];
        while let Some(next) = waits.get(cycle.last()?) {
            if next == first {
                return Some(cycle);
            }
            // Each is told from its thread of the lowest id.
            if next < first || cycle.contains(next) {
                return None;
            }
            cycle.push(*next);
        }
        None
    };
    waits.keys().filter_map(cycle_from).filter(|cycle| cycle.iter().all(still_waits)).collect()
}

impl fmt::Display for ThreadDump {
    /// In one piece: the program may exit while names are looked up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&InPieces(self).to_string())
    }
}

struct InPieces<'a>(&'a ThreadDump);

impl fmt::Display for InPieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(dump) = self;
        let tids = dump.reports.iter().filter_map(|report| Some(report.thread.as_ref()?.tid));
        let threads = tids.collect::<std::collections::BTreeSet<_>>().len();
        let tasks = dump.reports.iter().filter(|report| report.asked.is_some()).count();
        let asked = || dump.reports.iter().filter_map(|report| Some((report, report.pending_for?)));
        let ThreadDump { version, process, program, .. } = dump;
        let [program, time] = [plain(program), utc(dump.time)];
        write!(f, "eintr {version}, process {process} ({program}), {time}: ")?;
        writeln!(f, "{threads} threads, {tasks} tasks, {} asked", asked().count())?;
        for (i, (report, time)) in asked().enumerate() {
            f.write_str(if i == 0 { "asked: " } else { ", " })?;
            report.write_name(f)?;
            report.write_asked(f, time)?;
        }
        if asked().next().is_some() {
            writeln!(f)?;
        }
        let name = |tid: &i32| plain(&Holder::thread(*tid).to_string());
        for cycle in &dump.deadlocks {
            let names: Vec<_> = cycle.iter().chain(cycle.first()).map(name).collect();
            let (first, rest) = names.split_first().expect("a cycle is not empty");
            writeln!(f, "deadlock: {first} waits for {}", rest.join(", which waits for "))?;
        }
        for (holder, waits) in waited_for(&dump.reports) {
            let waits: Vec<_> = waits.iter().map(name).collect();
            writeln!(f, "waited for: {}, by {}", name(&holder), waits.join(", "))?;
        }
        dump.reports.iter().try_for_each(|report| write!(f, "\n{report}\n"))
    }
}

/// A time of the wall clock, in words.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (mut days, second) = (seconds / 86400, seconds % 86400);
    let mut year = 1970;
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    format!("{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_is_told_by_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59:59 UTC"),
            (1_796_007_648, "2026-11-30 03:00:48 UTC"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
