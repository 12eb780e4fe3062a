//! The table of syscalls: that the documentation shows it, and that each row tells the truth about
//! the kernel, which is asked.
//!
//! What a row does to the calls of an armed thread is tried elsewhere, and for every row as well:
//! by `each_answer`, where it is reached; by `at_the_instruction`, where it is not. Whether the
//! kernel restarts the call is asked in `each_answer` too, which knows how to make each of them
//! wait.

#[allow(dead_code, reason = "the library uses all of it")]
#[path = "../../src/reach/table.rs"]
mod rows;

use std::fmt::Write;
use std::io;

use libc::c_long;
use rows::{Answer, AtOnce, GET_EVENTS, MaskAt, Restarts, Row, TABLE, Undo, Unless};
use test_support::skipped_under_emulation;

/// The table as the documentation of `reach` shows it.
fn rendered() -> String {
    let mut page = String::from(
        "| syscall | for 100 ms, without waiting | then, or if it would wait | run as asked if | second best | why |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in TABLE.iter().filter(|row| !row.reason.is_empty()) {
        let exceptions: Vec<String> = row.unless.iter().map(words).collect();
        let [name, reason] = [row.name, row.reason];
        let exceptions = exceptions.join("; ");
        let [answer, second_best] = [answer(row.answer), second_best(row)];
        let form = row.at_once.map_or("", words_of_form);
        let for_ever =
            if row.answer == Answer::Interrupt && !form.is_empty() { ", for ever" } else { "" };
        writeln!(
            page,
            "| {name} | {form}{for_ever} | {answer} | {exceptions} | {second_best} | {reason} |"
        )
        .unwrap();
    }
    page.push_str("| any other | | run | | | |\n");
    page
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Refuse => "ECANCELED",
        Answer::Zero => "0",
        Answer::Interrupt => "EINTR",
        Answer::WakeTwice => "for each word EINTR, then EAGAIN; then run",
        Answer::Poll => "EINTR for 1 ms, then ECANCELED",
        Answer::Run => "run",
    }
}

/// What becomes of it without dispatch, on x86_64. The number of what was not restarted is gone
/// when the handler looks. (So it is for sockets with a timeout.)
fn second_best(row: &Row) -> &'static str {
    match row.answer {
        Answer::Run => "",
        Answer::WakeTwice => "run",
        Answer::Refuse | Answer::Poll | Answer::Zero if row.restarts == Restarts::Never => {
            "the same if it slept when it was asked, else EINTR"
        }
        _ => "the same",
    }
}

/// How a call is made that need not wait.
fn words_of_form(form: AtOnce) -> &'static str {
    match form {
        AtOnce::Flag(_, bits) => name_of_flags(bits),
        AtOnce::Read | AtOnce::ReadVector => "RWF_NOWAIT, or when poll calls it ready",
        AtOnce::Write | AtOnce::WriteVector => "MSG_DONTWAIT, RWF_NOWAIT, or what poll calls ready",
        AtOnce::Move { .. } => "when poll calls both ready",
        AtOnce::TryLock => "F_SETLK or F_OFD_SETLK",
        AtOnce::NoTime(_) | AtOnce::CountInNoTime(_) | AtOnce::CountInNoMilliseconds(_) => {
            "with no time"
        }
        AtOnce::Select => "with no time, on copies",
        AtOnce::Ring => "waiting for none",
        AtOnce::Connect => "what has begun, if it is done; local ones",
        AtOnce::TrySemaphores => "semtimedop with no time",
        AtOnce::Reap | AtOnce::ReapById => "WNOHANG",
    }
}

fn name_of_flags(bits: usize) -> &'static str {
    const NO_WAIT_FOR_LOCK: i32 = libc::LOCK_NB | libc::LOCK_UN;
    const SPLICE_NONBLOCK: i32 = libc::SPLICE_F_NONBLOCK as i32;
    match bits as i32 {
        libc::MSG_DONTWAIT => "MSG_DONTWAIT",
        libc::IPC_NOWAIT => "IPC_NOWAIT",
        libc::RWF_NOWAIT => "RWF_NOWAIT",
        libc::WNOHANG => "WNOHANG",
        libc::LOCK_NB => "LOCK_NB",
        NO_WAIT_FOR_LOCK => "LOCK_NB or LOCK_UN",
        SPLICE_NONBLOCK => "SPLICE_F_NONBLOCK",
        _ => panic!("{bits:#x} has no name here"),
    }
}

fn words(unless: &Unless) -> String {
    match unless {
        Unless::Nonblocking(_) => "O_NONBLOCK".into(),
        Unless::Datagrams(_) => "a socket of datagrams".into(),
        Unless::BothNonblocking(..) => "O_NONBLOCK on both".into(),
        Unless::EndsByItself(..) => "a file, or a device that is ready".into(),
        Unless::Flag(_, bits) => name_of_flags(*bits).into(),
        Unless::NoFlag(_, bits) => {
            assert_eq!(*bits, GET_EVENTS);
            "without IORING_ENTER_GETEVENTS".into()
        }
        Unless::NoneOf(_, [libc::F_SETLKW, libc::F_OFD_SETLKW]) => {
            "not F_SETLKW or F_OFD_SETLKW".into()
        }
        Unless::NoneOf(_, [libc::FUTEX_WAIT, ..]) => "not FUTEX_WAIT or FUTEX_WAIT_BITSET".into(),
        Unless::NoneOf(_, _) => "not one of those that are known to wait".into(),
        Unless::AsksForNone(_) => "it asks for none".into(),
        Unless::ZeroMilliseconds(_) | Unless::ZeroTime(_) => "its timeout is zero".into(),
        Unless::NoFifo { .. } => "it is no FIFO, or with O_NONBLOCK or O_RDWR".into(),
        Unless::ExecStatus { .. } => {
            "4 or 8 bytes, close-on-exec, after a fork or of packets".into()
        }
        Unless::ExecReport { .. } => "4 or 8 bytes, close-on-exec, in a forked child".into(),
        Unless::UvLock { events: libc::POLLIN, .. } => {
            "1 byte, close-on-exec, ready, signals blocked, with libuv".into()
        }
        Unless::UvLock { .. } => "1 byte, close-on-exec, ready, with libuv".into(),
        Unless::Unlocks(_) => "it unlocks".into(),
        Unless::Releases { .. } => "it releases, or IPC_NOWAIT".into(),
        Unless::Dying(_) => "the child was killed by SIGKILL, or could not exec".into(),
        Unless::StandardOutput(_) => "descriptor 1 or 2".into(),
    }
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "the page is x86_64's")]
fn the_documentation_shows_the_table() {
    let page = rendered();
    if std::env::var_os("EINTR_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/reach/answers.md"), &page)
            .unwrap();
    }
    assert_eq!(
        page,
        include_str!("../../src/reach/answers.md"),
        "EINTR_BLESS=1 cargo test --test surface table:: writes it anew"
    );
}

/// What is made to return EINTR where reach is off (P11) is answered where it is on; but for what
/// is at a position of a file, and ends by itself, and for random bytes, which come by themselves.
#[test]
fn what_waits_has_an_answer() {
    let ends_by_itself = [
        libc::SYS_pread64,
        libc::SYS_preadv,
        libc::SYS_pwrite64,
        libc::SYS_pwritev,
        libc::SYS_copy_file_range,
        libc::SYS_getrandom,
    ];
    for row in TABLE.iter().filter(|row| !matches!(row.undo, Undo::Never)) {
        let is_run = row.answer == Answer::Run;
        assert_eq!(is_run, ends_by_itself.contains(&row.number), "{}", row.name);
    }
}

#[test]
fn no_syscall_has_two_rows() {
    for (i, row) in TABLE.iter().enumerate() {
        for other in &TABLE[..i] {
            assert_ne!(row.number, other.number, "{}", row.name);
            assert_ne!(row.on_x86_64, other.on_x86_64, "{}", row.name);
            assert_ne!(row.name, other.name);
        }
    }
}

#[test]
fn each_row_is_found_by_its_number_and_no_other() {
    for number in -1..2000 {
        let expected = TABLE.iter().find(|row| row.number == number).map(|row| row.name);
        assert_eq!(rows::row(number).map(|row| row.name), expected, "{number}");
    }
    // Another ABI's, and what is no number.
    for number in [c_long::MIN, c_long::MAX, 0x4000_0000] {
        assert!(rows::row(number).is_none(), "{number:#x}");
    }
}

/// The error that a syscall has; 0 if none.
fn errno(number: c_long, arguments: [usize; 6]) -> i32 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the tests pass nothing that the kernel would write to.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 { io::Error::last_os_error().raw_os_error().unwrap() } else { 0 }
}

/// No descriptor has so great a number, and no page begins there.
const CLOSED: usize = i32::MAX as usize;

/// The kernel says EBADF where the row has its descriptor, and where a row has none it does not.
#[test]
fn a_descriptor_is_where_the_row_says() {
    if skipped_under_emulation("descriptors of all rows", "it lacks some of the syscalls") {
        return;
    }
    // Of no effect, whatever the call. (Some look at no descriptor if they have nothing to do.)
    let [zeros, ones, few] = [[0; 6], [1; 6], [1, 1, 1, 0, 0, 0]];
    for row in TABLE {
        let is_bad = |mut arguments: [usize; 6], index: usize| {
            arguments[index] = CLOSED;
            errno(row.number, arguments) == libc::EBADF
        };
        let is_bad = match row.fd_at {
            Some(index) => [zeros, ones, few].into_iter().any(|others| is_bad(others, index)),
            None if comes_back(row) => {
                [[CLOSED; 6], ones].into_iter().any(|others| is_bad(others, 0))
            }
            None => false,
        };
        assert_eq!(is_bad, row.fd_at.is_some(), "{}", row.name);
    }
}

/// Whether it does nothing at all if its arguments are bad.
fn comes_back(row: &Row) -> bool {
    !["pause", "sync", "clone", "vfork", "exit", "exit_group"].contains(&row.name)
}

/// The kernel reads a mask where the row has it, and not before it has found its size right.
#[test]
fn a_mask_is_where_the_row_says() {
    if skipped_under_emulation("masks of all rows", "it lacks some of the syscalls") {
        return;
    }
    const SIZE: usize = 8;
    for row in TABLE {
        let Some(mask_at) = row.mask_at else { continue };
        let errors = [SIZE, SIZE - 1].map(|size| errno_with_mask(row, mask_at, CLOSED, size));
        assert_eq!(errors, [libc::EFAULT, libc::EINVAL], "{}", row.name);
    }
}

/// The error of a call whose mask is there, and of that size, and which has no other arguments.
fn errno_with_mask(row: &Row, mask_at: MaskAt, set: usize, size: usize) -> i32 {
    let pair = [set, size];
    let mut arguments = [0; 6];
    match mask_at {
        MaskAt::Pointer(index) => [arguments[index], arguments[index + 1]] = pair,
        MaskAt::Pair(index) => arguments[index] = pair.as_ptr() as usize,
        MaskAt::Action(index) => {
            arguments[0] = libc::SIGUSR2 as usize;
            [arguments[index], arguments[3]] = pair;
        }
    }
    errno(row.number, arguments)
}
