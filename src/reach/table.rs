//! The one table of answers: what a reached thread's syscalls are told while a cause stands (S14).
//!
//! A syscall that has no row is run as asked. So is one whose row has an exception that holds. The
//! table is data; the handler that goes by it is in `sys`.

use libc::c_long;

/// What a syscall is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// ECANCELED, without running it.
    Refuse,
    /// 0, without running it.
    Zero,
    /// EINTR, without running it.
    Interrupt,
    /// Run if it does not block; refused if it would, and some time after arming.
    Goodbye,
    /// Run as asked. (A row for it is for the reader.)
    Run,
}

/// When a row does not apply, and the syscall is run as asked. Numbers are those of arguments, from
/// 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unless {
    /// The descriptor has O_NONBLOCK.
    Nonblocking(usize),
    /// Both descriptors have.
    BothNonblocking(usize, usize),
    /// It is a socket of datagrams, which notes an address and waits for nobody.
    Datagrams(usize),
    /// The descriptor is a file, or a device that is ready for these events: what is done to it
    /// ends by itself.
    EndsByItself(usize, i16),
    /// One of these bits is set.
    Flag(usize, usize),
    /// None of these bits is set.
    NoFlag(usize, usize),
    /// The number is none of these.
    NoneOf(usize, &'static [i32]),
    /// The timeout is zero milliseconds.
    ZeroMilliseconds(usize),
    /// The timeout, a timespec or a timeval behind a pointer, is zero.
    ZeroTime(usize),
    /// It asks for none.
    AsksForNone(usize),
    /// The path, relative to the directory, leads to something that is no FIFO; or the flags, which
    /// are there, say that it is not waited for.
    NoFifo { directory: Option<usize>, path: usize, flags: OpenFlags },
    /// The pipe or pair of sockets by which a child of std's tells that it could not exec:
    /// close-on-exec, 8 bytes, after a fork.
    ExecStatus { fd: usize, length: usize },
    /// The same, in that child.
    ExecReport { fd: usize, length: usize },
    /// It gives back a lock: a release, or a look that does not wait. The `struct flock` is behind
    /// that pointer.
    Unlocks(usize),
    /// The operations on a set of semaphores are releases and attempts only; so many of them are
    /// behind that pointer.
    Releases { operations: usize, count: usize },
    /// The process is a child that this thread has killed (by SIGKILL) since it was armed, or that
    /// could not exec.
    Dying(usize),
    /// It is a standard output: 1 or 2.
    StandardOutput(usize),
}

/// Where an open has its flags.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OpenFlags {
    /// In that argument.
    In(usize),
    /// In the first word behind that pointer, as `struct open_how` has them.
    Behind(usize),
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) number: c_long,
    #[allow(dead_code, reason = "for the page that is rendered")]
    pub(crate) name: &'static str,
    pub(crate) answer: Answer,
    pub(crate) unless: &'static [Unless],
    #[allow(dead_code, reason = "for the page that is rendered, and the reader")]
    pub(crate) reason: &'static str,
}

use Answer::{Goodbye, Interrupt, Refuse, Run, Zero};
use OpenFlags::{Behind, In};
use Unless::{
    AsksForNone, BothNonblocking, Datagrams, Dying, EndsByItself, ExecReport, ExecStatus, Flag,
    NoFifo, NoFlag, Nonblocking, NoneOf, Releases, StandardOutput, Unlocks, ZeroMilliseconds,
    ZeroTime,
};

macro_rules! table {
    ($($(#[$cfg:meta])* $constant:ident $name:literal: $answer:ident $(unless $unless:expr)?, $reason:literal;)*) => {
        /// The rows, by domain.
        pub(crate) const TABLE: &[Row] = &[$(
            $(#[$cfg])*
            Row {
                number: libc::$constant,
                name: $name,
                answer: $answer,
                unless: table!(@unless $($unless)?),
                reason: $reason,
            },
        )*];
    };
    (@unless) => { &[] };
    (@unless $unless:expr) => { &$unless };
}

/// The row of a syscall.
pub(crate) fn row(number: c_long) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.number == number)
}

const IN: i16 = libc::POLLIN;
const OUT: i16 = libc::POLLOUT;
const DONTWAIT: usize = libc::MSG_DONTWAIT as usize;
const NOWAIT: usize = libc::IPC_NOWAIT as usize;
const NOHANG: usize = libc::WNOHANG as usize;
const NO_WAIT_FOR_LOCK: usize = (libc::LOCK_NB | libc::LOCK_UN) as usize;
const SPLICE_NONBLOCK: usize = libc::SPLICE_F_NONBLOCK as usize;
const GET_EVENTS: usize = 1;
const WAITING_LOCKS: &[i32] = &[libc::F_SETLKW, libc::F_OFD_SETLKW];
/// tcdrain, and the same under its own name.
const DRAINING: &[i32] = &[0x5409, 0x5425];
const NO_WAIT: usize = libc::RWF_NOWAIT as usize;

table! {
    SYS_accept "accept": Refuse unless [Nonblocking(0)],
        "waits for a connection; the next one stays in the queue";
    SYS_accept4 "accept4": Refuse unless [Nonblocking(0)],
        "waits for a connection; the next one stays in the queue";
    SYS_connect "connect": Refuse unless [Nonblocking(0), Datagrams(0)],
        "waits for the peer; one that has begun goes on by itself, as after EINTR";
    SYS_recvfrom "recvfrom": Refuse unless [Nonblocking(0), Flag(3, DONTWAIT), ExecStatus { fd: 0, length: 2 }],
        "waits for data; but std panics if the socket on which a child reports its exec says ECANCELED";
    SYS_recvmsg "recvmsg": Refuse unless [Nonblocking(0), Flag(2, DONTWAIT)],
        "waits for data; what is there stays there";
    SYS_recvmmsg "recvmmsg": Refuse unless [Nonblocking(0), Flag(3, DONTWAIT)],
        "waits for data; what is there stays there";
    SYS_read "read": Refuse unless [Nonblocking(0), EndsByItself(0, IN), ExecStatus { fd: 0, length: 2 }],
        "waits for data; but std panics if the pipe on which a child reports its exec says ECANCELED";
    SYS_readv "readv": Refuse unless [Nonblocking(0), EndsByItself(0, IN)],
        "waits for data; what is there stays there";
    SYS_preadv2 "preadv2": Refuse unless [Nonblocking(0), EndsByItself(0, IN), Flag(5, NO_WAIT)],
        "waits for data, where it reads on and not at a position";
    SYS_write "write": Goodbye unless [Nonblocking(0), EndsByItself(0, OUT), StandardOutput(0), ExecReport { fd: 0, length: 2 }],
        "waits for room; but a goodbye is to get out, and a child of std's reports its exec";
    SYS_writev "writev": Goodbye unless [Nonblocking(0), EndsByItself(0, OUT), StandardOutput(0)],
        "waits for room; but a goodbye is to get out";
    SYS_pwritev2 "pwritev2": Refuse unless [Nonblocking(0), EndsByItself(0, OUT), Flag(5, NO_WAIT), StandardOutput(0)],
        "waits for room, where it writes on and not at a position";
    SYS_sendto "sendto": Goodbye unless [Nonblocking(0), Flag(3, DONTWAIT)],
        "waits for room; but a goodbye is to get out";
    SYS_sendmsg "sendmsg": Goodbye unless [Nonblocking(0), Flag(2, DONTWAIT)],
        "waits for room; but a goodbye is to get out";
    SYS_sendmmsg "sendmmsg": Goodbye unless [Nonblocking(0), Flag(3, DONTWAIT)],
        "waits for room; but a goodbye is to get out";
    SYS_splice "splice": Refuse unless [Flag(5, SPLICE_NONBLOCK), BothNonblocking(0, 2)],
        "waits for data or for room";
    SYS_tee "tee": Refuse unless [Flag(3, SPLICE_NONBLOCK), BothNonblocking(0, 1)],
        "waits for data or for room";
    SYS_vmsplice "vmsplice": Refuse unless [Flag(3, SPLICE_NONBLOCK)],
        "waits for data or for room";
    SYS_sendfile "sendfile": Refuse unless [Nonblocking(0), EndsByItself(0, OUT)],
        "waits for room";
    #[cfg(target_arch = "x86_64")]
    SYS_open "open": Refuse unless [NoFifo { directory: None, path: 0, flags: In(1) }],
        "the open of a FIFO waits for its other end";
    SYS_openat "openat": Refuse unless [NoFifo { directory: Some(0), path: 1, flags: In(2) }],
        "the open of a FIFO waits for its other end";
    SYS_openat2 "openat2": Refuse unless [NoFifo { directory: Some(0), path: 1, flags: Behind(2) }],
        "the open of a FIFO waits for its other end";
    #[cfg(target_arch = "x86_64")]
    SYS_poll "poll": Refuse unless [ZeroMilliseconds(2)],
        "waits for readiness";
    SYS_ppoll "ppoll": Refuse unless [ZeroTime(2)],
        "waits for readiness";
    #[cfg(target_arch = "x86_64")]
    SYS_select "select": Refuse unless [ZeroTime(4)],
        "waits for readiness";
    SYS_pselect6 "pselect6": Refuse unless [ZeroTime(4)],
        "waits for readiness";
    #[cfg(target_arch = "x86_64")]
    SYS_epoll_wait "epoll_wait": Interrupt unless [ZeroMilliseconds(3)],
        "an event loop: tokio panics and libuv asserts on anything else";
    SYS_epoll_pwait "epoll_pwait": Interrupt unless [ZeroMilliseconds(3)],
        "an event loop: tokio panics and libuv asserts on anything else";
    SYS_epoll_pwait2 "epoll_pwait2": Interrupt unless [ZeroTime(3)],
        "an event loop: tokio panics and libuv asserts on anything else";
    SYS_io_uring_enter "io_uring_enter": Interrupt unless [NoFlag(3, GET_EVENTS), AsksForNone(2)],
        "an event loop; submissions are made again by the caller";
    SYS_io_getevents "io_getevents": Refuse unless [AsksForNone(1), ZeroTime(4)],
        "waits for completions; they stay where they are";
    SYS_wait4 "wait4": Refuse unless [Flag(2, NOHANG), Dying(0)],
        "waits for a child; one that is dying is reaped, or it would stay a zombie";
    SYS_waitid "waitid": Refuse unless [Flag(3, NOHANG), Dying(1)],
        "waits for a child; one that is dying is reaped, or it would stay a zombie";
    SYS_nanosleep "nanosleep": Zero,
        "std asserts that a sleep ends with success or EINTR, and sleeps on after EINTR";
    SYS_clock_nanosleep "clock_nanosleep": Zero,
        "std asserts that a sleep ends with success or EINTR, and sleeps on after EINTR";
    #[cfg(target_arch = "x86_64")]
    SYS_pause "pause": Interrupt,
        "EINTR is the only error that it may have";
    SYS_rt_sigsuspend "rt_sigsuspend": Interrupt,
        "EINTR is the only error that it may have";
    SYS_rt_sigtimedwait "rt_sigtimedwait": Refuse unless [ZeroTime(2)],
        "waits for a signal; a pending one stays pending";
    SYS_flock "flock": Refuse unless [Flag(1, NO_WAIT_FOR_LOCK)],
        "waits for a lock";
    SYS_fcntl "fcntl": Refuse unless [NoneOf(1, WAITING_LOCKS), Unlocks(2)],
        "waits for a lock; but a lock that is not given back keeps others out for ever";
    SYS_ioctl "ioctl": Refuse unless [NoneOf(1, DRAINING)],
        "waits until a terminal has sent what was written to it (tcdrain)";
    SYS_semop "semop": Refuse unless [Releases { operations: 1, count: 2 }],
        "waits for a semaphore; but one that is not given back keeps others out for ever";
    SYS_semtimedop "semtimedop": Refuse unless [Releases { operations: 1, count: 2 }, ZeroTime(3)],
        "waits for a semaphore; but one that is not given back keeps others out for ever";
    SYS_msgrcv "msgrcv": Refuse unless [Flag(4, NOWAIT)],
        "waits for a message; what is there stays there";
    SYS_msgsnd "msgsnd": Refuse unless [Flag(3, NOWAIT)],
        "waits for room";
    SYS_mq_timedreceive "mq_timedreceive": Refuse unless [Nonblocking(0)],
        "waits for a message or for room";
    SYS_mq_timedsend "mq_timedsend": Refuse unless [Nonblocking(0)],
        "waits for a message or for room";
    SYS_futex "futex": Run,
        "a lock's wait must not be broken, and glibc aborts on an error that it does not know";
    SYS_futex_waitv "futex_waitv": Run,
        "a lock's wait must not be broken, and glibc aborts on an error that it does not know";
    SYS_getrandom "getrandom": Run,
        "its callers abort without it, and after boot it does not wait";
    SYS_close "close": Run,
        "an error would leave it open whether it is or not";
    SYS_fsync "fsync": Run,
        "data may be half written; it ends by itself or not at all";
    SYS_fdatasync "fdatasync": Run,
        "data may be half written; it ends by itself or not at all";
}

/// What the kernel does not restart after a signal, whatever the handler's flags: without dispatch
/// its number is gone when the handler looks, on x86_64. (So it is for sockets with a timeout.)
#[cfg(test)]
const NEVER_RESTARTED: &[c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    libc::SYS_pselect6,
    libc::SYS_io_getevents,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
];

#[cfg(test)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the page is x86_64's"))]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// The table as the documentation of `reach` shows it.
    fn rendered() -> String {
        let mut page = String::from(
            "| syscall | answer | run as asked if | second best | why |\n|---|---|---|---|---|\n",
        );
        for row in TABLE {
            let exceptions: Vec<String> = row.unless.iter().map(words).collect();
            let [name, reason] = [row.name, row.reason];
            let exceptions = exceptions.join("; ");
            let [answer, second_best] = [answer(row.answer), second_best(row)];
            writeln!(page, "| {name} | {answer} | {exceptions} | {second_best} | {reason} |")
                .unwrap();
        }
        page.push_str("| any other | run | | | |\n");
        page
    }

    fn answer(answer: Answer) -> &'static str {
        match answer {
            Answer::Refuse => "ECANCELED",
            Answer::Zero => "0",
            Answer::Interrupt => "EINTR",
            Answer::Goodbye => "for 100 ms what does not block, then ECANCELED",
            Answer::Run => "run",
        }
    }

    /// What becomes of it without dispatch, on x86_64.
    fn second_best(row: &Row) -> &'static str {
        match row.answer {
            Answer::Run => "",
            Answer::Refuse | Answer::Zero if NEVER_RESTARTED.contains(&row.number) => {
                "the same if it slept when it was asked, else EINTR"
            }
            _ => "the same",
        }
    }

    fn name_of_flags(bits: usize) -> &'static str {
        match bits {
            DONTWAIT => "MSG_DONTWAIT",
            NOWAIT => "IPC_NOWAIT",
            NO_WAIT => "RWF_NOWAIT",
            NOHANG => "WNOHANG",
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
            Unless::NoneOf(_, WAITING_LOCKS) => "not F_SETLKW or F_OFD_SETLKW".into(),
            Unless::NoneOf(_, _) => "not TCSBRK or TCSBRKP".into(),
            Unless::AsksForNone(_) => "it asks for none".into(),
            Unless::ZeroMilliseconds(_) | Unless::ZeroTime(_) => "its timeout is zero".into(),
            Unless::NoFifo { .. } => "it is no FIFO, or with O_NONBLOCK or O_RDWR".into(),
            Unless::ExecStatus { .. } => {
                "8 bytes, close-on-exec, after a fork or of packets".into()
            }
            Unless::ExecReport { .. } => "8 bytes, close-on-exec, in a forked child".into(),
            Unless::Unlocks(_) => "it unlocks".into(),
            Unless::Releases { .. } => "it releases, or IPC_NOWAIT".into(),
            Unless::Dying(_) => "the child was killed by SIGKILL, or could not exec".into(),
            Unless::StandardOutput(_) => "descriptor 1 or 2".into(),
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_documentation_shows_the_table() {
        let page = rendered();
        if std::env::var_os("EINTR_BLESS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/reach/answers.md"), &page)
                .unwrap();
        }
        assert_eq!(
            page,
            include_str!("answers.md"),
            "EINTR_BLESS=1 cargo test --lib writes it anew"
        );
    }

    /// What is made to return EINTR where reach is off (P11) is answered where it is on; but for
    /// what is at a position of a file, and ends by itself.
    #[test]
    fn what_waits_has_a_row() {
        let at_a_position = [
            libc::SYS_pread64,
            libc::SYS_preadv,
            libc::SYS_pwrite64,
            libc::SYS_pwritev,
            libc::SYS_copy_file_range,
        ];
        for number in crate::sys::waiting::WAITING {
            assert!(row(*number).is_some() != at_a_position.contains(number), "{number}");
        }
    }

    #[test]
    fn no_syscall_has_two_rows() {
        for (i, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.number != row.number), "{}", row.name);
        }
    }
}
