//! The checker is checked: a fault that is made on purpose is found, and what is drawn comes from the seed alone.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{self, Command, ExitStatus};

use eintr_random::kinds::rings::Ring;
use eintr_random::operation;
use eintr_random::seed::Random;
use test_support::skipped_under_emulation;

/// How it ends, and what it tells. The children of one that aborts are ended with it: they would hold a pipe to it for as long
/// as they sleep.
fn run(fault: &str) -> (ExitStatus, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eintr-random"));
    // What is there each time is soon seen; on a loaded machine a call may take seconds.
    match fault {
        "mappings" => drop(command.env("EINTR_WARM", "2")),
        "stuck" => drop(command.env("EINTR_LIMIT", "5")),
        _ => {}
    }
    // It ends when it has found something.
    command.arg("200").env("EINTR_SEED", "1").env("EINTR_PLANT", fault);
    let place = std::env::temp_dir().join(format!("eintr-checker-{}-{fault}", process::id()));
    let told = File::create(&place).expect("a file can be made");
    let run = command.process_group(0).stdout(process::Stdio::null()).stderr(told).spawn();
    let mut run = run.expect("it can be run");
    let status = run.wait().expect("it is waited for once");
    // SAFETY: no pointers.
    unsafe { libc::kill(-(run.id() as i32), libc::SIGKILL) };
    let told = fs::read_to_string(&place).expect("it was made");
    fs::remove_file(&place).expect("it was made");
    (status, told)
}

fn is_found(fault: &str, told: &str) {
    if skipped_under_emulation(fault, "the machine itself cannot run the program") {
        return;
    }
    if fault == "completion" && Ring::new().is_none() {
        return eprintln!("skipped: {fault}: the kernel gives no ring");
    }
    let (status, stderr) = run(fault);
    assert!(!status.success(), "{fault} is not found\n{stderr}");
    assert!(stderr.contains(told), "{fault} is found, but not told by {told:?}\n{stderr}");
    assert!(stderr.contains(".ci/random 60"), "it does not say how it is made again\n{stderr}");
}

macro_rules! faults {
    ($($fault:ident: $told:literal;)*) => {
        $(#[test]
        fn $fault() {
            is_found(stringify!($fault), $told);
        })*
    };
}

faults! {
    bytes: "bytes written";
    connection: "given up";
    child: "children were made";
    descriptor: "before: Left";
    thread: "before: Left";
    timer: "before: Left";
    lock: "is not free at the end";
    outcome: "a request was told";
    stuck: "for ";
    messages: "messages: ";
    tokens: "tokens: ";
    permits: "permits: ";
    queued: "a queue: ";
    event: "inotify: ";
    completion: "io_uring: ";
    inherited: "has inherited";
    mappings: "mappings after 2 rounds";
}

#[test]
fn the_same_seed_draws_the_same() {
    let drawn = |seed| format!("{:?}", operation::thread(&mut Random::new(seed, 0)));
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}
