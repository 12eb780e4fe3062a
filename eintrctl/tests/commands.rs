//! The commands, against a console of this process's own.

use std::path::PathBuf;
use std::process::{Command, Output};
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
        let (lines, status) = told(&[path, "dump", "--json"]);
        let is_report =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["tid"].is_u64();
        assert!(
            status == 0 && lines.lines().count() > 2 && lines.lines().all(is_report),
            "{lines}"
        );

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
        use std::io::Write;
        listener.accept().unwrap().0.write_all(b"\x1b[2J\n").unwrap();
    });
    let (text, status) = told(&[path.to_str().unwrap(), "list"]);
    assert!(status == 2 && text.contains("no console answers") && !text.contains('\x1b'), "{text}");
    stranger.join().unwrap();
    std::fs::remove_file(path).unwrap();
}
