//! The checker is checked: a fault that is made on purpose is found, and what is drawn comes from the seed alone.

use std::process::{Command, Output};

use eintr_random::kinds::rings::Ring;
use eintr_random::operation;
use eintr_random::seed::Random;
use test_support::skipped_under_emulation;

fn run(fault: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eintr-random"));
    // What is there each time is soon seen; on a loaded machine a call may take seconds.
    match fault {
        "mappings" => drop(command.env("EINTR_WARM", "2")),
        "stuck" => drop(command.env("EINTR_LIMIT", "5")),
        _ => {}
    }
    // It ends when it has found something.
    command.arg("200").env("EINTR_SEED", "1").env("EINTR_PLANT", fault);
    command.output().expect("it can be run")
}

fn is_found(fault: &str, told: &str) {
    if skipped_under_emulation(fault, "the machine itself cannot run the program") {
        return;
    }
    if fault == "completion" && Ring::new().is_none() {
        return eprintln!("skipped: {fault}: the kernel gives no ring");
    }
    let output = run(fault);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{fault} is not found\n{stderr}");
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
