//! The console: what an operator is told and can do, and what others cannot.
//!
//! The tests here work like this: a console is opened at a path of the test's own, and clients speak to it, well or
//! badly. After each bad one a good one must be served.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use eintr::console::{Console, listen};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use serde_json::{Value, json};
use test_support::child::{alone, limit_life};
use test_support::target::{own_read, pipe};
use test_support::{emulated, skipped_under_emulation, sleeps_in, wait_until};

/// A path of the test's own.
fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("eintr-console-{}-{name}", std::process::id()))
}

fn console(name: &str) -> (Console, PathBuf) {
    let path = place(name);
    (listen(&path).unwrap(), path)
}

/// The answer's line as it comes; none if there is none.
fn answer_to(path: &Path, line: &[u8]) -> Option<String> {
    let mut stream = UnixStream::connect(path).unwrap();
    // It may be closed meanwhile.
    let _ = stream.write_all(line);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    (!answer.is_empty()).then_some(answer)
}

fn ask(path: &Path, request: Value) -> Value {
    let answer = answer_to(path, format!("{request}\n").as_bytes()).unwrap();
    serde_json::from_str(&answer).unwrap()
}

fn list(path: &Path) -> Value {
    ask(path, json!({ "protocol": 1, "request": "list" }))
}

fn is_served(path: &Path) -> bool {
    list(path)["dump"]["reports"].is_array()
}

/// A thread that reads from an empty pipe by a call of ours, with that name.
fn stuck(name: &str) -> (eintr::JoinHandle<Result<u8, eintr::Error>>, std::os::fd::OwnedFd) {
    let (reader, writer) = pipe();
    let builder = eintr::Builder::new().name(name.into());
    (builder.spawn(move || own_read(reader)).unwrap(), writer)
}

/// How many threads of the console's there are.
fn threads() -> usize {
    let dump = eintr::dump();
    let names = dump.reports.iter().filter_map(|report| report.thread.as_ref()?.name.as_ref());
    names.filter(|name| *name == "eintr-console").count()
}

// What it is for.

#[test]
fn an_operator_sees_and_interrupts() {
    alone(|| {
        let (console, path) = console("interrupts");
        let (worker, _writer) = stuck("a worker");
        let id = worker.interrupter().id();
        let lists = |told: &Value| {
            told["dump"]["reports"].as_array().unwrap().iter().any(|it| it["task"] == json!(id))
        };
        wait_until("its task has begun", || lists(&list(&path)));
        let told = list(&path);
        assert_eq!(told["protocol"], 1);
        let reports = told["dump"]["reports"].as_array().unwrap();
        let found = reports.iter().find(|report| report["task"] == json!(id)).unwrap();
        assert_eq!(found["name"], json!("a worker"));
        assert!(reports.iter().any(|report| report["thread"] == json!("eintr-console")));
        assert!(reports.iter().all(|report| report["stack"].is_null()));

        if !skipped_under_emulation("a dump", "names are looked up too slowly") {
            let text = ask(&path, json!({ "protocol": 1, "request": "dump", "text": true }));
            let text = text["text"].as_str().unwrap();
            assert!(text.starts_with("eintr ") && text.contains("\na worker (tid "), "{text}");
            let dump = ask(&path, json!({ "protocol": 1, "request": "dump" }));
            assert_eq!(dump["dump"]["process"], json!(std::process::id()));
        }

        let request = json!({ "protocol": 1, "request": "interrupt", "task": "a worker", "reason": "by hand", "wait": 60 });
        let told = ask(&path, request);
        assert_eq!(told, json!({ "protocol": 1, "task": id, "outcome": "raised", "report": null }));
        assert!(worker.join().unwrap().unwrap_err().to_string().contains("by hand"));

        let (masked, writer) = {
            let (reader, writer) = pipe();
            let body = move || eintr::mask(|| own_read(reader));
            (eintr::spawn(body), writer)
        };
        let id = masked.interrupter().id();
        let request = json!({ "protocol": 1, "request": "interrupt", "task": id.to_string() });
        wait_until("it is masked", || ask(&path, request.clone())["outcome"] == "masked");
        let told = ask(&path, request);
        assert!(told["report"]["task"] == json!(id) && told["report"]["masked"] == true, "{told}");
        drop(writer);
        let _ = masked.join();

        let group = eintr::Group::new();
        let member = group.spawn(|| eintr::time::sleep(Duration::MAX));
        console.add_group("workers", &group);
        let told =
            ask(&path, json!({ "protocol": 1, "request": "stop", "group": "workers", "wait": 60 }));
        assert!(told["stopped"] == true && told["stragglers"] == json!([]), "{told}");
        assert!(member.join().unwrap().is_err());

        drop(console);
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
        let again = listen(&path).unwrap();
        assert!(is_served(&path));
        drop(again);
    });
}

#[test]
fn two_of_one_name_are_told_apart_by_their_numbers() {
    alone(|| {
        let (_console, path) = console("names");
        let (one, one_writer) = stuck("a twin");
        let (other, other_writer) = stuck("a twin");
        let request = json!({ "protocol": 1, "request": "interrupt", "task": "a twin" });
        let both = [&one, &other].map(|twin| twin.interrupter().id());
        let expected = format!("2 tasks have the name \"a twin\": {}, {}", both[0], both[1]);
        // Before that the one that has begun would be the only one of its name.
        let is_twin = |report: &Value| report["name"] == "a twin" && report["state"] == "sleeping";
        let twins = || {
            list(&path)["dump"]["reports"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|it| is_twin(it))
                .count()
        };
        wait_until("both sleep", || twins() == 2);
        assert_eq!(ask(&path, request.clone())["error"], json!(expected));
        drop((one_writer, other_writer));
        assert!(one.join().unwrap().is_ok() && other.join().unwrap().is_ok(), "nobody was asked");
        let told = ask(&path, request);
        assert!(told["error"].as_str().unwrap().starts_with("no task has"), "{told}");
    });
}

// Whose socket it is.

/// Whoever looks at any moment sees that mode, whatever the umask.
#[test]
fn it_has_its_mode_from_the_first_moment() {
    alone(|| {
        let path = place("mode");
        nix::sys::stat::umask(nix::sys::stat::Mode::empty());
        let done = Arc::new(AtomicBool::new(false));
        let (looks_at, until) = (path.clone(), done.clone());
        let looker = std::thread::spawn(move || {
            let mut seen = 0;
            while !until.load(SeqCst) {
                if let Ok(there) = fs::symlink_metadata(&looks_at) {
                    assert_eq!(there.mode() & 0o777, 0o600);
                    seen += 1;
                }
            }
            seen
        });
        for _ in 0..300 {
            let console = listen(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            drop(console);
        }
        let console = listen(&path).unwrap();
        std::thread::yield_now();
        done.store(true, SeqCst);
        let _ = looker.join().unwrap();
        drop(console);
    });
}

#[test]
fn what_is_there_is_replaced_only_if_it_is_left_over() {
    alone(|| {
        let path = place("left-over");
        drop(UnixListener::bind(&path).unwrap());
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        let console = listen(&path).unwrap();
        assert!(is_served(&path));
        assert_eq!(listen(&path).unwrap_err().kind(), ErrorKind::AddrInUse, "it is alive");
        assert!(is_served(&path));

        let link = place("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(listen(&link).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(console);
        // It leads nowhere now.
        assert_eq!(listen(&link).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(fs::symlink_metadata(&path).is_err(), "it was not followed");
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(listen(&link).unwrap_err().kind(), ErrorKind::AddrInUse);
        fs::remove_file(&link).unwrap();
        fs::remove_file(&path).unwrap();

        fs::write(&path, "a file").unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
        fs::remove_file(&path).unwrap();
        assert!(listen(place(&"long".repeat(50))).is_err());

        // One that another has taken the place of stays.
        let console = listen(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(console);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
        fs::remove_file(&path).unwrap();
    });
}

#[test]
fn of_two_at_once_one_listens() {
    alone(|| {
        let path = place("two");
        for _ in 0..100 {
            drop(UnixListener::bind(&path).unwrap());
            let begin = Arc::new(Barrier::new(4));
            let listeners = [(); 4].map(|()| {
                let (path, begin) = (path.clone(), begin.clone());
                std::thread::spawn(move || {
                    begin.wait();
                    listen(path)
                })
            });
            let listen = listeners.map(|listener| listener.join().unwrap());
            let kinds = listen.iter().filter_map(|listens| Some(listens.as_ref().err()?.kind()));
            assert_eq!(kinds.collect::<Vec<_>>(), [ErrorKind::AddrInUse; 3]);
            assert!(is_served(&path));
        }
        assert!(!path.exists() && !place("two.lock").exists());
    });
}

/// Whoever may read a directory can lock it, and make a file of any name where everybody may.
#[test]
fn nobody_else_keeps_one_from_listening() {
    alone(|| {
        let directory = place("directory");
        fs::create_dir(&directory).unwrap();
        let path = directory.join("console");
        let locked = File::open(&directory).unwrap();
        locked.lock().unwrap();
        drop(listen(&path).unwrap());

        // What a process that was killed has left.
        let lock = directory.join("console.lock");
        fs::write(&lock, "").unwrap();
        drop(listen(&path).unwrap());
        assert!(!lock.exists());
        std::os::unix::fs::symlink(directory.join("elsewhere"), &lock).unwrap();
        assert!(listen(&path).is_err() && !directory.join("elsewhere").exists());
        fs::remove_file(&lock).unwrap();
        nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(listen(&path).is_err(), "it does not wait");
        fs::remove_dir_all(&directory).unwrap();
    });
}

/// Runs that in a child of a fork; whether it holds there.
fn holds_in_a_child(holds: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child allocates, which glibc's handlers allow; it ends by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            limit_life();
            let status = i32::from(!holds());
            // SAFETY: no arguments that matter.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => {
            waitpid(child, None).unwrap() == WaitStatus::Exited(child, 0)
        }
    }
}

#[test]
fn another_user_does_not_get_in() {
    alone(|| {
        let (_console, path) = console("user");
        assert!(is_served(&path));
        // SAFETY: no pointers.
        if unsafe { libc::geteuid() } != 0 {
            eprintln!("skipped: another user (only root becomes one)");
            return;
        }
        // SAFETY: no pointers.
        let become_another = || unsafe { libc::setresuid(1234, 1234, 1234) } == 0;
        assert!(holds_in_a_child(|| {
            become_another()
                && UnixStream::connect(&path).unwrap_err().kind() == ErrorKind::PermissionDenied
        }));
        // Also where the mode were to let it in.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let request = b"{\"protocol\":1,\"request\":\"list\"}\n";
        assert!(holds_in_a_child(|| become_another() && answer_to(&path, request).is_none()));
        assert!(is_served(&path));
    });
}

#[test]
fn a_child_of_a_fork_leaves_it_alone_and_a_new_program_does_not_have_it() {
    alone(|| {
        let (console, path) = console("fork");
        let mut console = Some(console);
        assert!(holds_in_a_child(|| {
            drop(console.take());
            true
        }));
        assert!(is_served(&path));
        let mut listing = Command::new("ls");
        listing.args(["-l", "/proc/self/fd"]).stdin(Stdio::null()).stderr(Stdio::null());
        let listed = String::from_utf8(listing.output().unwrap().stdout).unwrap();
        assert!(listed.contains("/dev/null") && !listed.contains("socket:"), "{listed}");
        drop(console);
        assert!(!path.exists());
    });
}

/// A program that listens, becomes a daemon, and does that; then it sleeps. Its id.
fn daemon(path: &Path, does: impl FnOnce(Console)) -> Pid {
    let (told, tell) = pipe();
    // SAFETY: the child allocates and makes threads, which glibc's handlers allow; it ends by `_exit`.
    if let ForkResult::Parent { child } = unsafe { fork() }.unwrap() {
        drop(tell);
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        let mut id = [0; 4];
        File::from(told).read_exact(&mut id).unwrap();
        return Pid::from_raw(i32::from_ne_bytes(id));
    }
    limit_life();
    let parent = nix::unistd::getpid();
    let console = listen(path).unwrap();
    // SAFETY: as above; and the parent ends at once.
    match unsafe { fork() }.unwrap() {
        // SAFETY: no arguments that matter.
        ForkResult::Parent { .. } => unsafe { libc::_exit(0) },
        ForkResult::Child => {
            limit_life();
            wait_until("its parent has ended", || nix::unistd::getppid() != parent);
            does(console);
            nix::unistd::write(&tell, &nix::unistd::getpid().as_raw().to_ne_bytes()).unwrap();
            loop {
                nix::unistd::pause();
            }
        }
    }
}

#[test]
fn a_daemon_that_listened_before_has_nobody_to_answer() {
    alone(|| {
        let path = place("daemon");
        let end =
            |daemon| nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGKILL).unwrap();
        let silent = daemon(&path, std::mem::forget);
        assert_eq!(
            listen(&path).unwrap_err().kind(),
            ErrorKind::AddrInUse,
            "its descriptor is there"
        );
        end(silent);
        // It is left over once that has gone.
        wait_until("another may listen there", || listen(&path).is_ok());

        let (again, at) = (path.clone(), path.clone());
        let listens = daemon(&path, move |console| {
            drop(console);
            std::mem::forget(listen(again).unwrap());
        });
        assert!(is_served(&at));
        end(listens);
        fs::remove_file(at).unwrap();
    });
}

#[test]
fn a_new_program_leaves_its_socket_to_the_next() {
    if skipped_under_emulation("exec", "the emulator is what would be replaced") {
        return;
    }
    alone(|| {
        let path = place("exec");
        // SAFETY: the child allocates and makes threads, which glibc's handlers allow; it becomes another program.
        let ForkResult::Parent { child } = unsafe { fork() }.unwrap() else {
            limit_life();
            let console = listen(&path).unwrap();
            let error = Command::new("sleep").arg("1000").exec();
            panic!("{error}, {console:?}");
        };
        let name = format!("/proc/{child}/comm");
        let is_new = || fs::read_to_string(&name).is_ok_and(|name| name == "sleep\n");
        wait_until("it is another program", is_new);
        assert!(path.exists());
        let console = listen(&path).unwrap();
        assert!(is_served(&path));
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
        waitpid(child, None).unwrap();
        drop(console);
    });
}

/// As root inside, which is who that user is outside; or as nobody whom the namespace knows. Whether it may be so.
fn in_a_namespace_of_its_own(is_known: bool) -> bool {
    let user = nix::unistd::geteuid();
    // SAFETY: no pointers.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER) } != 0 {
        return false;
    }
    !is_known || fs::write("/proc/self/uid_map", format!("0 {user} 1")).is_ok()
}

#[test]
fn in_a_user_namespace_nobody_is_let_in_whom_it_does_not_know() {
    alone(|| {
        for is_known in [true, false] {
            let path = place("namespace");
            let (told, tell) = pipe();
            // SAFETY: the child allocates and makes threads, which glibc's handlers allow; it ends by a signal.
            let ForkResult::Parent { child } = unsafe { fork() }.unwrap() else {
                limit_life();
                let is_there = in_a_namespace_of_its_own(is_known);
                let _console = listen(&path).unwrap();
                nix::unistd::write(&tell, &[u8::from(is_there)]).unwrap();
                loop {
                    nix::unistd::pause();
                }
            };
            drop(tell);
            let mut is_there = [0];
            File::from(told).read_exact(&mut is_there).unwrap();
            let request = b"{\"protocol\":1,\"request\":\"list\"}\n";
            if is_there == [0] {
                eprintln!("skipped: user namespaces (none may be made here)");
            } else {
                assert_eq!(answer_to(&path, request).is_some(), is_known);
                fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
                // SAFETY: no pointers.
                let become_another = || unsafe { libc::setresuid(1234, 1234, 1234) } == 0;
                assert!(holds_in_a_child(
                    || !become_another() || answer_to(&path, request).is_none()
                ));
            }
            nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
            waitpid(child, None).unwrap();
            fs::remove_file(&path).unwrap();
        }
    });
}

// Bad clients.

#[test]
fn garbage_is_an_error_and_nothing_else() {
    alone(|| {
        let (_console, path) = console("garbage");
        let error = |line: &[u8]| {
            let answer = answer_to(&path, line).unwrap_or_else(|| panic!("{line:?}"));
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert!(is_served(&path));
            answer["error"].as_str().unwrap().to_owned()
        };
        assert_eq!(error(b"\0\xff\n"), "that is no JSON");
        assert_eq!(error(b"\n"), "that is no JSON");
        assert_eq!(error(&[b"[".repeat(4000), b"\n".to_vec()].concat()), "that is no JSON");
        for request in ["1", "[]", "{}", "{\"protocol\":2}", "{\"protocol\":\"1\"}"] {
            assert_eq!(error(format!("{request}\n").as_bytes()), "this console speaks protocol 1");
        }
        for request in [
            json!({ "protocol": 1 }),
            json!({ "protocol": 1, "request": "list all" }),
            json!({ "protocol": 1, "request": "interrupt" }),
            json!({ "protocol": 1, "request": "interrupt", "task": 1.5 }),
            json!({ "protocol": 1, "request": "interrupt", "task": "-1" }),
            json!({ "protocol": 1, "request": "interrupt", "task": "0" }),
            json!({ "protocol": 1, "request": "stop", "group": ["workers"], "wait": 1e300 }),
        ] {
            assert!(!error(format!("{request}\n").as_bytes()).is_empty(), "{request}");
        }
        let mut endless = UnixStream::connect(&path).unwrap();
        assert!(endless.write_all(&b"x".repeat(1 << 20)).is_err(), "it is not read to its end");
        assert!(is_served(&path));
    });
}

#[test]
fn half_a_request_is_given_up() {
    alone(|| {
        let (_console, path) = console("half");
        let mut half = UnixStream::connect(&path).unwrap();
        half.write_all(b"{\"protocol\":1,").unwrap();
        assert!(is_served(&path), "nobody waits for it");
        let mut answer = Vec::new();
        let _ = half.read_to_end(&mut answer);
        assert!(answer.is_empty());
        let mut gone = UnixStream::connect(&path).unwrap();
        gone.write_all(b"{\"protocol\":1,\"request\":\"dump\"}\n").unwrap();
        drop(gone);
        assert!(is_served(&path));
    });
}

#[test]
fn a_thousand_connections_cost_eight_threads() {
    alone(|| {
        let limit = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
        // SAFETY: the limit is borrowed.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
            eprintln!("skipped: a thousand connections (the limit on descriptors is lower)");
            return;
        }
        let (_console, path) = console("thousand");
        let mut streams: Vec<_> = (0..1000).map(|_| UnixStream::connect(&path).unwrap()).collect();
        assert!(threads() <= 9, "{}", threads());
        let mut told = String::new();
        streams.last_mut().unwrap().read_to_string(&mut told).unwrap();
        assert!(told.is_empty() || told.contains("the console is busy"), "{told}");
        drop(streams);
        let free = || list(&path)["dump"].is_object();
        wait_until("it serves again", free);
    });
}

#[test]
fn a_slow_reader_is_given_up() {
    alone(|| {
        let (_console, path) = console("slow");
        // More than a socket holds.
        let (task, _interrupter) = eintr::task();
        task.name("x".repeat(4 << 20)).run(|| {
            let mut slow = UnixStream::connect(&path).unwrap();
            slow.write_all(b"{\"protocol\":1,\"request\":\"list\"}\n").unwrap();
            let mut first = [0];
            slow.read_exact(&mut first).unwrap();
            assert!(is_served(&path), "nobody waits for it");
            // Its thread ends, though it has not read on.
            wait_until("it is given up", || threads() == 1);
            let mut rest = Vec::new();
            let _ = slow.read_to_end(&mut rest);
            assert_ne!(rest.last(), Some(&b'\n'), "the answer was not taken in time");
        });
    });
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    alone(|| {
        let (_console, path) = console("escapes");
        let (task, interrupter) = eintr::task();
        interrupter.interrupt_with("\x1b]0;reason\x07");
        let name = "\x1b[2J\u{9b}2J\x7f\nname";
        task.name(name).run(|| {
            // Names are looked up too slowly there.
            let requests = if emulated() { &["list"][..] } else { &["list", "dump"] };
            for request in requests {
                for text in [false, true] {
                    let request = json!({ "protocol": 1, "request": request, "text": text });
                    let request = format!("{request}\n");
                    let line = eintr::mask(|| answer_to(&path, request.as_bytes())).unwrap();
                    let is_plain = |line: &str| !line.chars().any(char::is_control);
                    assert!(line.strip_suffix('\n').is_some_and(is_plain), "{line:?}");
                    let answer: Value = serde_json::from_str(&line).unwrap();
                    match answer["text"].as_str() {
                        Some(text) => assert!(text.lines().all(is_plain), "{text:?}"),
                        None => assert!(
                            answer["dump"]["reports"]
                                .as_array()
                                .unwrap()
                                .iter()
                                .any(|report| report["name"] == json!(name))
                        ),
                    }
                }
            }
        });
    });
}

/// Holds up whoever shows it first, until it is told to go on.
#[derive(Debug)]
struct Waits {
    begun: mpsc::Sender<()>,
    go_on: std::sync::Mutex<Option<mpsc::Receiver<()>>>,
}

impl std::error::Error for Waits {}

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(go_on) = self.go_on.lock().unwrap().take() {
            self.begun.send(()).unwrap();
            let _ = go_on.recv();
        }
        f.write_str("it waits")
    }
}

#[test]
fn clients_at_once_share_a_dump() {
    if skipped_under_emulation("a dump", "names are looked up too slowly") {
        return;
    }
    alone(|| {
        let (_console, path) = console("shared");
        let (begun, has_begun) = mpsc::channel();
        let (go, go_on) = mpsc::channel::<()>();
        let (task, interrupter) = eintr::task();
        interrupter.interrupt_with(Waits { begun, go_on: Some(go_on).into() });
        let ask_for_one = || {
            let path = path.clone();
            std::thread::spawn(move || {
                ask(&path, json!({ "protocol": 1, "request": "dump" }))["dump"]["time"].clone()
            })
        };
        task.run(|| {
            eintr::mask(|| {
                let first = ask_for_one();
                has_begun.recv().unwrap();
                let others = [(); 4].map(|()| ask_for_one());
                // The first waits as well.
                let wait = || console_threads_in(libc::SYS_futex) == 5;
                wait_until("the others wait for that", wait);
                drop(go);
                let first = first.join().unwrap();
                let others = others.map(|other| other.join().unwrap());
                assert!(others.iter().all(|time| *time == others[0] && *time != first));
            });
        });
    });
}

/// How many of the console's threads sleep in that syscall.
fn console_threads_in(syscall: i64) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let of_console = tasks.filter(|task| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "eintr-console\n")
    });
    let tids = of_console.map(|task| task.file_name().to_str().unwrap().parse().unwrap());
    tids.filter(|tid| sleeps_in(*tid, syscall)).count()
}

#[derive(Debug)]
struct Panics;

impl std::error::Error for Panics {}

impl std::fmt::Display for Panics {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("on purpose")
    }
}

#[test]
fn a_reason_that_panics_ends_nothing() {
    alone(|| {
        let (_console, path) = console("panics");
        let (task, interrupter) = eintr::task();
        interrupter.interrupt_with(Panics);
        // The client is in the task itself.
        task.run(|| {
            let told = eintr::mask(|| list(&path));
            assert!(told["error"].as_str().unwrap().contains("panicked"), "{told}");
        });
        assert!(is_served(&path));
    });
}
