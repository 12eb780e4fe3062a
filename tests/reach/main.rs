//! Are others' calls reached, as the table says, and is nothing else?
//!
//! By dispatch and in the second-best way; whatever handlers, stacks, masks and filters the program
//! has of its own.

mod alternate_stack;
mod answers;
mod cut_short;
mod each_answer;
mod futexes;
mod handler_is_plain;
mod nested_handlers;
mod others_dispatch;
mod plain_calls;
mod reach;
mod reach_events;
mod reach_life;
mod reach_rules;
mod reach_sigsys;
mod sigsys;
mod unharmed;

use std::io::{self, Read};

use eintr::Interrupter;

/// What a plain read of an empty pipe returns to a thread whose cause stands.
fn errno_of_a_read() -> Option<i32> {
    let (mut reader, _writer) = io::pipe().unwrap();
    reader.read(&mut [0]).unwrap_err().raw_os_error()
}

#[track_caller]
fn assert_reached() {
    assert_eq!(errno_of_a_read(), Some(libc::ECANCELED));
}

/// Runs the body on a managed thread that has been asked, has found out by a refused read, and has
/// dispatch on from there.
fn reached<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let worker = eintr::spawn(|| {
        Interrupter::current().unwrap().interrupt();
        assert_reached();
        body()
    });
    worker.join().unwrap()
}
