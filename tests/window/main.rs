//! Is a wake-up ever lost, or a result?
//!
//! The window test asks by an interrupt at every single instruction of a call (P1, P2). Beside it others ask by
//! a signal in front of each syscall ([`at_the_instruction`]), and by chance ([`hammer`], [`sync_hammer`]).
//!
//! The window test works like this. The test binary runs itself again as a tracee ([`tracee`]), whose
//! target thread makes a real object and the call, between two marks. This process is its tracer
//! ([`tracer`]): it single-steps the target from the first mark, and after 0 instructions, in a new
//! trial after 1, after 2, ... it has another thread of the tracee call `Interrupter::interrupt()`,
//! while the target stands there ([`trial`]). The last trial is that in which the target sleeps in
//! the kernel, or has come to the second mark. Then the target runs on. It must come back, and say
//! what its call returned and whether its object is consistent with that.
//!
//! A wake-up is lost if the target sleeps and no signal is pending for it. The thread's repeat
//! timer must not hide that, for our own calls do without: the tracer keeps its signals back, and
//! counts as lost a wake-up that only the timer brought.
//!
//! The other way round, the requester is single-stepped through `interrupt()`, and while it stands at
//! an instruction the target makes the whole call. Calls of std's that are reached go through the
//! same trials as our own, and libc's in a task without reach, for which the timer counts (P11).
//!
//! A loop of a load-exclusive and a store-exclusive is one point: no step ends in it ([`exclusive`]).
//!
//! Two wrong implementations go through the same trials, and must be found out: the checker is
//! checked.
//!
//! Where that takes too long, `EINTR_WINDOW_SHARE=3/16` runs the third of sixteen [`share`]s of each row's trials.
//!
//! `cargo test --test window -- --show-output` prints how many instructions were tried, and where
//! the outcome turned.

mod at_the_instruction;
mod exclusive;
mod findings;
mod hammer;
mod rows;
mod share;
mod symbols;
mod sync_hammer;
#[allow(dead_code, reason = "the library uses all of it")]
#[path = "../../src/reach/table.rs"]
mod table;
mod target;
mod tracee;
mod tracer;
mod trial;
mod variants;
mod walker;

use findings::Findings;
use target::Verdict;

/// Not a test: the process that the tests trace.
#[test]
#[ignore = "runs only as the tracee of the tests"]
fn tracee() {
    if tracer::is_tracee() {
        tracee::run();
    }
}

/// Puts a call through all its variants; none if nothing can be traced here.
fn exhaust(name: &str) -> Option<Vec<Findings>> {
    if test_support::skipped_under_emulation(name, "it cannot ptrace") {
        return None;
    }
    let row = rows::find(name);
    // In the first circumstance nothing disturbs it. By that way it is told where a signal is to come before it sleeps.
    let mut undisturbed = Vec::new();
    let variants = variants::ALL.iter().filter(|variant| variant.suits(row));
    let findings = variants.map(|variant| {
        let (findings, route) = trial::exhaust(row, variant, &undisturbed);
        if undisturbed.is_empty() {
            undisturbed = route;
        }
        println!("{findings}");
        findings
    });
    Some(findings.collect())
}

/// An own call: it comes back from everywhere, and what it says is true.
fn own(name: &str) {
    for findings in exhaust(name).into_iter().flatten() {
        findings.assert_no_failure();
        findings.assert_exact();
    }
}

/// A plain call of an armed thread: by P11 it comes back with EINTR, some time after.
fn plain(name: &str) {
    for findings in exhaust(name).into_iter().flatten() {
        findings.assert_no_failure();
        findings.assert_interrupted_unless_ready();
    }
}

/// A call of std's that is reached by dispatch, and refused ready or not: as exact as our own.
fn reached(name: &str) {
    if is_reach_exact(name) {
        own(name);
    }
}

/// One that is done if it need not wait.
fn reached_if_it_waits(name: &str) {
    if !is_reach_exact(name) {
        return;
    }
    for findings in exhaust(name).into_iter().flatten() {
        findings.assert_no_failure();
        findings.assert_done_if_ready();
        findings.assert_interrupted_unless_ready();
        findings.assert_turned();
    }
}

/// What must not fail is made, wherever it is asked.
fn unharmed(name: &str) {
    for findings in exhaust(name).into_iter().flatten() {
        let returned = findings.count(|verdict| *verdict == Verdict::Returned);
        assert_eq!(returned, findings.trials.len(), "{findings}");
    }
}

/// One whose result tells nothing: its end is all that there is to see.
fn reached_without_result(name: &str) {
    if is_reach_exact(name) {
        plain(name);
    }
}

fn is_reach_exact(name: &str) -> bool {
    let road = eintr::support().reach;
    if road != eintr::Road::Exact {
        println!("skipped: {name}: calls that are not ours are reached as {road} here");
    }
    road == eintr::Road::Exact
}

/// The same promise, seen from the requester.
#[test]
fn requester() {
    if test_support::skipped_under_emulation("requester", "it cannot ptrace") {
        return;
    }
    // By signal, and by futex.
    for name in ["read", "event_wait"] {
        let findings = trial::exhaust_requester(rows::find(name));
        println!("{findings}");
        findings.assert_no_failure();
        findings.assert_interrupted_unless_ready();
    }
}

macro_rules! tests {
    ($($check:ident: $($name:ident)*;)*) => {$($(
        #[test]
        fn $name() {
            $check(stringify!($name));
        }
    )*)*};
}

tests! {
    own: read write accept recv connect sleep poll epoll_wait open flock ofd_lock waitid;
    own: futex_wait semop mq_receive;
    own: event_wait preadv2 pwritev2 epoll_pwait2;
    reached: reached_accept reached_open;
    reached_if_it_waits: reached_read_exact reached_read_vectored reached_write reached_wait;
    reached_if_it_waits: reached_poll reached_select reached_epoll_wait reached_flock reached_semop;
    reached_if_it_waits: reached_ofd_lock;
    reached_if_it_waits: reached_recv reached_recvmsg reached_recvmmsg reached_preadv2;
    reached_if_it_waits: reached_send reached_sendmsg reached_sendmmsg reached_writev reached_pwritev2;
    reached_if_it_waits: reached_tee reached_vmsplice reached_ppoll reached_pselect;
    reached_if_it_waits: reached_epoll_pwait reached_epoll_pwait2;
    reached_if_it_waits: reached_io_getevents reached_io_pgetevents;
    reached_if_it_waits: reached_wait4 reached_waitid reached_sigtimedwait;
    reached_if_it_waits: reached_raw_semop reached_msgrcv reached_msgsnd;
    reached_if_it_waits: reached_mq_receive reached_mq_send;
    reached_if_it_waits: polled_read polled_splice polled_sendfile polled_connect;
    reached_without_result: reached_sleep;
    unharmed: unfailing;
    plain: plain_read plain_sleep abandoned;
}

#[test]
fn reached_io_uring_enter() {
    if rows::completions::has_rings() {
        reached_if_it_waits("reached_io_uring_enter");
    }
}

/// Each row of the table that is done if ready is made here too.
#[test]
fn every_row_that_is_done_if_ready() {
    for row in table::TABLE.iter().filter(|row| row.at_once.is_some()) {
        let is_it = |made: &&rows::Row| made.sleeps_in == row.number && made.turns;
        assert!(rows::ALL.iter().any(|made| is_it(&made)), "{} has no row", row.name);
    }
}

/// Before the call, and in a handler that interrupted it.
#[test]
fn a_flag_and_eintr_lose_the_wake_up() {
    let Some(findings) = exhaust("naive_flag") else { return };
    let loses = |findings: &&Findings| findings.count(|verdict| *verdict == Verdict::Lost) > 0;
    let lossy = findings.iter().filter(loses).count();
    assert!(lossy >= 2, "the checker saw lost wake-ups in {lossy} circumstances only");
}

#[test]
fn a_look_at_the_flag_after_the_call_loses_the_byte() {
    let Some(findings) = exhaust("naive_after") else { return };
    let loses = |verdict: &Verdict| matches!(verdict, Verdict::Wrong(_));
    let lost: usize = findings.iter().map(|findings| findings.count(loses)).sum();
    assert!(lost > 0, "the checker does not see a lost byte");
}
