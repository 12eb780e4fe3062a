//! The commands, against a console of this process's own.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use eintr::console::listen;
use test_support::target::{own_read, pipe};
use test_support::{skipped_under_emulation, wait_until, watched};

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("eintrctl-{}-{name}", std::process::id()))
}

fn eintrctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_eintrctl")).args(arguments).output().unwrap()
}

/// What it tells, and its status.
fn told(arguments: &[&str]) -> (String, i32) {
    let output = eintrctl(arguments);
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

#[test]
fn an_operator_lists_dumps_and_interrupts() {
    if skipped_under_emulation("eintrctl", "the emulator does not run programs of its own machine")
    {
        return;
    }
    watched("an_operator_lists_dumps_and_interrupts", || {
        let path = place("commands");
        let console = listen(&path).unwrap();
        let path = path.to_str().unwrap();
        let pid = std::process::id().to_string();
        let (reader, writer) = pipe();
        let worker = eintr::Builder::new().name("a \x1b worker".into());
        let worker = worker.spawn(move || own_read(reader)).unwrap();
        let id = worker.interrupter().id().to_string();
        wait_until("its task has begun", || told(&[path, "list"]).0.contains("a \\u{1b} worker"));
        for target in [path, &pid] {
            let (list, status) = told(&[target, "list"]);
            assert_eq!(status, 0, "{list}");
            let line = list.lines().find(|line| line.contains("a \\u{1b} worker")).unwrap();
            assert_eq!(line.split_whitespace().next(), Some(&*id), "{list}");
        }
        let (dump, status) = told(&[path, "dump"]);
        assert!(
            status == 0 && dump.starts_with("eintr ") && dump.contains(" worker (tid "),
            "{dump}"
        );
        let is_report =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["tid"].is_u64();
        for command in ["dump", "list"] {
            let (lines, status) = told(&[path, command, "--json"]);
            assert!(
                status == 0 && lines.lines().count() > 2 && lines.lines().all(is_report),
                "{lines}"
            );
        }

        let (answer, status) =
            told(&[path, "interrupt", &id, "--reason", "by hand", "--wait", "60"]);
        assert_eq!((answer, status), (format!("task {id}: raised\n"), 0));
        assert!(worker.join().unwrap().unwrap_err().to_string().contains("by hand"));
        let (answer, status) = told(&[path, "interrupt", &id]);
        assert!(status == 2 && answer.contains("no task has"), "{answer}");
        drop(writer);

        let (reader, writer) = pipe();
        let masked = eintr::spawn(move || eintr::mask(|| own_read(reader)));
        let id = masked.interrupter().id().to_string();
        wait_until("it is masked", || {
            let (answer, status) = told(&[path, "interrupt", &id, "--wait", "0"]);
            status == 1 && answer.starts_with(&format!("task {id}: masked\nID "))
        });
        drop(writer);
        let _ = masked.join();

        let group = eintr::Group::new();
        let member = group.spawn(|| eintr::time::sleep(Duration::MAX));
        console.add_group("workers", &group);
        assert_eq!(told(&[path, "stop", "workers", "--wait", "60"]), ("stopped\n".into(), 0));
        assert!(member.join().unwrap().is_err());
        assert_eq!(told(&[path, "stop", "others"]), ("eintrctl: no such group\n".into(), 2));
        drop(console);
        let (answer, status) = told(&[path, "list"]);
        assert!(status == 2 && answer.contains("No such file"), "{answer}");
        wait_until("its thread has let go of it", || {
            let (answer, status) = told(&[&pid, "list"]);
            status == 2 && answer.contains("has no console")
        });
    });
}

/// The program, watching; what it shows comes there.
fn watching(path: &str, stdout: impl Into<Stdio>) -> Child {
    let mut watch = Command::new(env!("CARGO_BIN_EXE_eintrctl"));
    watch.args([path, "watch"]).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    watch.spawn().unwrap()
}

/// Reads until that has come so often.
fn read_until(from: &mut impl Read, what: &str, times: usize) -> String {
    let mut shown = Vec::new();
    let mut chunk = [0; 4096];
    while String::from_utf8_lossy(&shown).matches(what).count() < times {
        let count = from.read(&mut chunk).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&shown));
        shown.extend(&chunk[..count]);
    }
    String::from_utf8(shown).unwrap()
}

#[test]
fn it_watches_until_the_program_or_the_reader_ends() {
    if skipped_under_emulation("eintrctl", "the emulator does not run programs of its own machine")
    {
        return;
    }
    watched("it_watches_until_the_program_or_the_reader_ends", || {
        let path = place("watch");
        let console = listen(&path).unwrap();
        let path = path.to_str().unwrap();
        let (reader, writer) = pipe();
        let worker = eintr::Builder::new().name("watched \x1b one".into());
        let worker = worker.spawn(move || own_read(reader)).unwrap();
        let name = "watched \\u{1b} one";
        wait_until("its task has begun", || told(&[path, "list"]).0.contains(name));

        // On a terminal the second takes the place of the first.
        let nix::pty::OpenptyResult { master, slave } = nix::pty::openpty(None, None).unwrap();
        let mut on_terminal = watching(path, slave);
        let shown = read_until(&mut File::from(master.try_clone().unwrap()), name, 3);
        let mut frames = shown.split("\x1b[H\x1b[J\x1b[?7l");
        assert_eq!(frames.next(), Some(""));
        let frame = frames.next().unwrap();
        let header = format!("process {} (", std::process::id());
        assert!(frame.starts_with(&header) && frame.contains(" asked\r\nID "), "{frame}");
        assert!(frame.ends_with("\x1b[?7h\r\n") && frame.matches('\x1b').count() == 1, "{frame}");
        drop(master);

        // Elsewhere it follows it.
        let mut piped = watching(path, Stdio::piped());
        let mut stdout = piped.stdout.take().unwrap();
        let shown = read_until(&mut stdout, name, 2);
        assert!(!shown.contains('\x1b') && shown.contains("\n\nprocess "), "{shown}");
        let mut unread = watching(path, Stdio::piped());
        drop(unread.stdout.take());
        assert!(unread.wait().unwrap().success(), "nobody reads it");

        drop(console);
        for watching in [&mut on_terminal, &mut piped] {
            assert_eq!(watching.wait().unwrap().code(), Some(2));
            let mut told = String::new();
            watching.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            assert!(told.starts_with("eintrctl: "), "{told}");
        }
        drop(writer);
        let _ = worker.join();
    });
}

/// A program that ends while it answers.
#[test]
fn half_an_answer_is_none() {
    if skipped_under_emulation("eintrctl", "the emulator does not run programs of its own machine")
    {
        return;
    }
    watched("half_an_answer_is_none", || {
        let path = place("half");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let ends = std::thread::spawn(move || {
            for half in [
                r#"{"protocol":1,"text":"eintr 0.1.0, process"#,
                r#"{"dump":{"reports":[{"tid":1}"#,
            ] {
                let mut stream = listener.accept().unwrap().0;
                stream.write_all(half.as_bytes()).unwrap();
            }
        });
        for arguments in [&["dump"][..], &["dump", "--json"]] {
            let output = eintrctl(&[&[path.to_str().unwrap()], arguments].concat());
            assert!(output.stdout.is_empty() && output.status.code() == Some(2), "{output:?}");
        }
        ends.join().unwrap();
        std::fs::remove_file(path).unwrap();
    });
}

/// The commands and options that the help names.
fn words_of_the_help() -> Vec<String> {
    let help = told(&["--help"]).0;
    let command = |line: &str| {
        let line = line.strip_prefix("  ").filter(|line| line.starts_with(char::is_alphabetic))?;
        line.split(' ').next().map(str::to_owned)
    };
    let letters = |letter: char| !letter.is_ascii_alphabetic() && letter != '-';
    let options = help.split(letters).filter(|word| word.starts_with("--") && word.len() > 2);
    let mut words: Vec<_> = help.lines().filter_map(command).collect();
    words.extend(options.map(str::to_owned));
    words.sort();
    words.dedup();
    words
}

#[test]
fn the_manual_and_the_completions_name_all_that_the_help_does() {
    if skipped_under_emulation("eintrctl", "the emulator does not run programs of its own machine")
    {
        return;
    }
    let words = words_of_the_help();
    assert!(words.contains(&"watch".into()) && words.contains(&"--wait".into()), "{words:?}");
    let manual = include_str!("../eintrctl.1").replace("\\-", "-");
    let in_fish = include_str!("../eintrctl.fish").replace("-l ", "--");
    let texts =
        [&manual, include_str!("../eintrctl.bash"), &in_fish, include_str!("../eintrctl.zsh")];
    for (i, text) in texts.iter().enumerate() {
        for word in &words {
            assert!(text.contains(word.as_str()), "{word} in text {i}");
        }
    }
}

/// What bash makes of these words, the last of which is being typed.
fn completed(words: &[&str]) -> Vec<String> {
    let script = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _eintrctl; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args([
        "--norc",
        "-c",
        script,
        "bash",
        concat!(env!("CARGO_MANIFEST_DIR"), "/eintrctl.bash"),
    ]);
    let output = bash.args(words).output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_tasks() {
    if skipped_under_emulation("eintrctl", "the emulator does not run programs of its own machine")
        || Command::new("bash").arg("--version").output().is_err()
    {
        return eprintln!("skipped: completions (there is no bash)");
    }
    let program = env!("CARGO_BIN_EXE_eintrctl");
    assert_eq!(completed(&[program, "1", "d"]), ["dump"]);
    assert_eq!(completed(&[program, "1", ""]), ["list", "dump", "interrupt", "stop", "watch"]);
    assert_eq!(completed(&[program, "1", "dump", ""]), ["--json"]);
    assert_eq!(completed(&[program, "1", "interrupt", "7", "--r"]), ["--reason"]);
    assert_eq!(completed(&[program, "--v"]), ["--version"]);
    watched("bash_completes_commands_options_and_tasks", || {
        let path = place("completion");
        let _console = listen(&path).unwrap();
        let (task, interrupter) = eintr::task();
        task.run(|| {
            let id = interrupter.id().to_string();
            let path = path.to_str().unwrap();
            assert_eq!(completed(&[program, path, "interrupt", &id]), [id]);
        });
    });
}

#[test]
fn what_is_not_understood_is_told_with_the_help() {
    if skipped_under_emulation("eintrctl", "the emulator does not run programs of its own machine")
    {
        return;
    }
    let help = told(&["--help"]);
    assert!(help.1 == 0 && help.0.starts_with("Usage: eintrctl PID|PATH COMMAND\n"));
    let bad: [&[&str]; 6] = [
        &[],
        &["/x"],
        &["/x", "list", "all"],
        &["/x", "interrupt"],
        &["/x", "interrupt", "7", "--force", "yes"],
        &["/x", "stop", "group", "--reason", "none"],
    ];
    for arguments in bad {
        let (text, status) = told(arguments);
        assert!(status == 2 && text.contains("Usage: "), "{arguments:?}: {text}");
    }
    assert_eq!(told(&["/x", "interrupt", "7", "--wait", "-1"]).1, 2);
    // Somebody who is no console.
    let path = place("stranger");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let stranger = std::thread::spawn(move || {
        listener.accept().unwrap().0.write_all(b"\x1b[2J\n").unwrap();
    });
    let (text, status) = told(&[path.to_str().unwrap(), "list"]);
    assert!(status == 2 && text.contains("no console answers") && !text.contains('\x1b'), "{text}");
    stranger.join().unwrap();
    std::fs::remove_file(path).unwrap();
}
