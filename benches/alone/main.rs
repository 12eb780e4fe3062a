//! An interrupt that comes alone, some milliseconds after the last, as in most programs; and the first
//! of a process. The other benchmarks ask back to back, and find warm what was looked at just before.
//!
//! Each row is a median of processes, which this program starts: the ways of doing a thing are done in
//! turns, in one process where each comes alone, in one process each where it is the first. All threads
//! are on one CPU.
//!
//! `cargo bench -p eintr-benches --bench alone` runs all; a name after `--` chooses.

#[allow(dead_code, reason = "the deadlines' benchmark uses all of it")]
#[path = "../deadline/late.rs"]
mod late;
#[allow(dead_code, reason = "the foundation's benchmark uses all of it")]
#[path = "../foundation/stuck.rs"]
mod stuck;
#[path = "../deadline/timer.rs"]
mod timer;

use std::process::Command;
use std::time::Duration;
use std::{env, thread};

use eintr_benches::contest::median;
use eintr_benches::cpu::OneCpu;
use eintr_benches::table::Table;
use stuck::{How, Stuck};

const PROCESSES: usize = 12;
const APART: Duration = Duration::from_millis(5);
/// Tells a process that this program has started what to do.
const TASK: &str = "EINTR_BENCH_ALONE";

/// What is interrupted.
struct Row {
    name: &'static str,
    what: What,
    /// Of the ratio, where it comes alone.
    limit: f64,
}

enum What {
    /// So many threads, against `pthread_kill` and EINTR in read.
    Threads(How, usize),
    /// Against `timer_settime`.
    Deadline,
}

const ROWS: [Row; 6] = [
    Row { name: "own", what: What::Threads(How::EintrWithReach, 1), limit: 1.2 },
    Row { name: "unreached", what: What::Threads(How::Eintr, 1), limit: 1.1 },
    Row { name: "std", what: What::Threads(How::Std, 1), limit: 1.5 },
    Row { name: "sync", what: What::Threads(How::Waiter, 1), limit: 0.75 },
    Row { name: "deadline", what: What::Deadline, limit: 1.2 },
    Row { name: "thousand", what: What::Threads(How::EintrWithReach, 1_000), limit: 1.3 },
];

/// Which of the two ways.
const WAYS: [&str; 2] = ["ours", "reference"];

fn main() {
    if let Ok(task) = env::var(TASK) {
        return run(&task);
    }
    let chosen = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut table = Table::default();
    for row in ROWS.iter().filter(|row| chosen.as_ref().is_none_or(|name| row.name == name)) {
        let name = row.name;
        let alone: Vec<_> = (0..PROCESSES).map(|_| ask(&format!("alone {name}"))).collect();
        let [ours, reference] = [0, 1].map(|i| alone.iter().map(|times| times[i]).collect());
        let (ours, reference): (Vec<_>, Vec<_>) = (ours, reference);
        table.times(&format!("{name}, alone"), &ours, &reference, Some(row.limit));
        let (mut ours, mut reference) = (Vec::new(), Vec::new());
        for _ in 0..PROCESSES {
            let [first, second] = WAYS.map(|way| ask(&format!("first {name} {way}"))[0]);
            ours.push(first);
            reference.push(second);
        }
        table.times(&format!("{name}, first of a process"), &ours, &reference, None);
    }
    println!("\n{table}");
}

/// Has a process do that; the nanoseconds that it tells.
fn ask(task: &str) -> Vec<f64> {
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.env(TASK, task).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{task}: {}", output.status);
    told.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// What such a process does.
fn run(task: &str) {
    let _here = OneCpu::take();
    let words: Vec<_> = task.split(' ').collect();
    let row = ROWS.iter().find(|row| row.name == words[1]).unwrap();
    let timed = row.timed();
    let pause = || thread::sleep(APART);
    match words[..] {
        ["alone", _] => {
            let rounds = if matches!(row.what, What::Threads(_, 1_000)) { 8 } else { 40 };
            let mut times = [const { Vec::new() }; 2];
            for turn in 0..rounds {
                for way in [turn % 2, 1 - turn % 2] {
                    pause();
                    times[way].push(timed(way == 0).as_nanos() as f64);
                }
            }
            println!("{} {}", median(&times[0]), median(&times[1]));
        }
        ["first", _, way] => {
            pause();
            println!("{}", timed(way == WAYS[0]).as_nanos());
        }
        _ => unreachable!("{task}"),
    }
}

impl Row {
    /// How long our way takes, or the reference.
    fn timed(&self) -> Box<dyn Fn(bool) -> Duration> {
        match self.what {
            What::Threads(how, count) => {
                let stuck = Stuck::new(count).unwrap();
                let way = move |ours| if ours { how } else { How::PthreadKill };
                Box::new(move |ours| stuck.round(way(ours)).returned)
            }
            What::Deadline => {
                let timers = late::Timers::new();
                let (reader, writer) = nix::unistd::pipe().unwrap();
                let reader = std::fs::File::from(reader);
                Box::new(move |ours| {
                    let _open = &writer;
                    match ours {
                        true => eintr::reach(|| late::eintr_is_late_by(&reader)),
                        false => timers.are_late_by(&reader),
                    }
                })
            }
        }
    }
}
