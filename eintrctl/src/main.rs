//! `eintrctl`: sees the threads of a program that uses eintr, and interrupts its tasks.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

mod table;
mod target;

const HELP: &str = "\
Usage: eintrctl PID|PATH COMMAND

The process, or the socket that it has opened by eintr::console::listen.

Commands:
  list [--json]           all threads, a line each; nobody is disturbed
  dump [--json]           all threads with their stacks; --json: one object a thread and line
  interrupt ID|NAME [--reason TEXT] [--wait SECONDS]
                          interrupts a task, and tells what became of it within that time (5, at most 60)
  stop GROUP [--wait SECONDS]
                          interrupts the tasks of a group, and waits for their end
  watch                   the list, each second anew, until ^C

Options:
  -h, --help, --version

Exit status: 0 if it came about, 1 if a task is still there, 2 if it could not be asked.";

/// What a command has come to.
type Done = Result<ExitCode, String>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments: Option<Vec<_>> = arguments.iter().map(|argument| argument.to_str()).collect();
    let done = match arguments.as_deref() {
        Some([flag, ..]) if ["-h", "--help", "help"].contains(flag) => show(HELP),
        Some(["--version"]) => show(concat!("eintrctl ", env!("CARGO_PKG_VERSION"))),
        Some([target, command, rest @ ..]) => {
            target::socket(target).and_then(|socket| run(&socket, command, rest))
        }
        _ => Err(format!("what is asked of whom?\n\n{HELP}")),
    };
    done.unwrap_or_else(|error| {
        eprintln!("eintrctl: {error}");
        ExitCode::from(2)
    })
}

fn run(socket: &Path, command: &str, arguments: &[&str]) -> Done {
    match (command, arguments) {
        ("list", ["--json"]) => show_reports(&list(socket)?),
        ("list", []) => show_lines(&table::list(&list(socket)?)),
        ("dump", []) => {
            let answer = ask(socket, json!({ "request": "dump", "text": true }), 0.0)?;
            show(&plain_lines(answer["text"].as_str().unwrap_or_default()))
        }
        ("dump", ["--json"]) => {
            show_reports(&ask(socket, json!({ "request": "dump" }), 0.0)?["dump"])
        }
        ("interrupt", [task, options @ ..]) => {
            let Options { reason, wait } = Options::of(options, true)?;
            let request =
                json!({ "request": "interrupt", "task": task, "reason": reason, "wait": wait });
            told(&ask(socket, request, wait)?)
        }
        ("stop", [group, options @ ..]) => {
            let wait = Options::of(options, false)?.wait;
            let answer =
                ask(socket, json!({ "request": "stop", "group": group, "wait": wait }), wait)?;
            let stragglers = table::table(reports(&answer["stragglers"]));
            if answer["stopped"] == true {
                return show("stopped");
            }
            show_lines(&stragglers)?;
            Ok(ExitCode::from(1))
        }
        ("watch", []) => watch(socket),
        _ => Err(format!("no such command: {command} {}\n\n{HELP}", arguments.join(" "))),
    }
}

struct Options<'a> {
    reason: Option<&'a str>,
    wait: f64,
}

impl<'a> Options<'a> {
    fn of(arguments: &[&'a str], has_reason: bool) -> Result<Self, String> {
        let mut options = Self { reason: None, wait: 5.0 };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match *option {
                "--reason" if has_reason => options.reason = Some(value),
                "--wait" => {
                    let seconds =
                        value.parse().ok().filter(|seconds| (0.0..=60.0).contains(seconds));
                    options.wait = seconds.ok_or("--wait is 0 to 60 seconds")?;
                }
                _ => return Err(format!("no such option: {option}\n\n{HELP}")),
            }
        }
        Ok(options)
    }
}

fn list(socket: &Path) -> Result<Value, String> {
    Ok(ask(socket, json!({ "request": "list" }), 0.0)?["dump"].take())
}

/// An object a thread and line.
fn show_reports(dump: &Value) -> Done {
    show_lines(&reports(&dump["reports"]).iter().map(escaped).collect::<Vec<_>>())
}

/// Shows the list each second, until nobody reads it any more.
fn watch(socket: &Path) -> Done {
    loop {
        let dump = list(socket)?;
        let lines = [vec![table::header(&dump)], table::list(&dump)].concat().join("\n");
        let frame = match io::stdout().is_terminal() {
            // Home, what is below goes, and lines end at the margin; so each time they are allowed to go on.
            true => format!("\x1b[H\x1b[J\x1b[?7l{lines}\x1b[?7h\n"),
            false => lines + "\n\n",
        };
        match io::stdout().lock().write_all(frame.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            written => written.map_err(|error| error.to_string())?,
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn reports(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What became of an interrupt.
fn told(answer: &Value) -> Done {
    let outcome = answer["outcome"].as_str().unwrap_or("nothing is told");
    show(&plain_lines(&format!("task {}: {outcome}", answer["task"])))?;
    if answer["report"].is_null() && ["raised", "finished"].contains(&outcome) {
        return Ok(ExitCode::SUCCESS);
    }
    if !answer["report"].is_null() {
        show_lines(&table::table(std::slice::from_ref(&answer["report"])))?;
        if let Some(cure) = answer["report"]["cure"].as_str() {
            show(&format!("cure: {}", plain(cure)))?;
        }
    }
    Ok(ExitCode::from(1))
}

/// Asks, and waits for so many seconds more than an answer may take.
fn ask(socket: &Path, mut request: Value, wait: f64) -> Result<Value, String> {
    /// More than any program has to tell.
    const ANSWER: u64 = 1 << 30;
    let failed = |error: io::Error| format!("{}: {error}", socket.display());
    request["protocol"] = 1.into();
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs_f64(wait + 30.0))).map_err(failed)?;
    // One that is too busy answers before it has read.
    let _ = writeln!(stream, "{request}");
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER)).read_line(&mut line).map_err(failed)?;
    if line.is_empty() {
        return Err(format!("{}: no answer: is it another user's?", socket.display()));
    }
    let answer: Value = serde_json::from_str(&line)
        .map_err(|error| format!("{}: no console answers there: {error}", socket.display()))?;
    match answer["error"].as_str() {
        Some(error) => Err(plain(error)),
        None => Ok(answer),
    }
}

/// The text without what a terminal would obey.
fn plain(text: &str) -> String {
    let shown = |letter: char| match letter.is_control() {
        true => letter.escape_default().collect(),
        false => letter.to_string(),
    };
    text.chars().map(shown).collect()
}

fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// A line of JSON, in which `plain` would not be read again.
fn escaped(value: &Value) -> String {
    let shown = |letter: char| match letter.is_control() {
        true => format!("\\u{:04x}", u32::from(letter)),
        false => letter.into(),
    };
    value.to_string().chars().map(shown).collect()
}

/// Shows it in one piece.
fn show(text: &str) -> Done {
    let shown = io::stdout().lock().write_all(format!("{text}\n").as_bytes());
    // Whoever reads it may have read enough.
    match shown {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn show_lines(lines: &[String]) -> Done {
    show(&lines.join("\n"))
}
