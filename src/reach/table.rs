//! What is known of syscalls, a row each: what a reached thread's is told while a cause stands
//! (S14), what a signal does to it, and which arguments are its mask and its descriptor.
//!
//! The handlers of SIGSYS and of our signal go by it, and so do the reports: a new syscall is one
//! new row. `tests/surface/table.rs` asks the kernel whether a row is true, and `tests/reach/each_answer.rs` fails
//! until it has a call for each answer and each exception. A syscall without a row is run as asked;
//! so is one whose row has an exception that holds.
//!
//! It is data for handlers: constants, and a look-up that no number makes panic.

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
    /// EINTR, then EAGAIN, for each futex word; then it is run as asked, and so it is without
    /// dispatch.
    WakeTwice,
    /// EINTR for a millisecond, then ECANCELED, without running it.
    Poll,
    /// Run as asked.
    Run,
}

/// When a row does not apply, and the syscall is run as asked. Numbers are those of arguments, from
/// 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unless {
    /// The descriptor has O_NONBLOCK, and is not read again and again around a poll that is refused.
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
    /// The pipe or pair of sockets by which a child of std's, or of libuv's, tells that it could not
    /// exec: close-on-exec, 8 bytes or 4, after a fork.
    ExecStatus { fd: usize, length: usize },
    /// The same, in that child.
    ExecReport { fd: usize, length: usize },
    /// The byte in a pipe that is libuv's lock, and is there, or so soon: it aborts on any error. It is
    /// read with all signals blocked.
    UvLock { fd: usize, length: usize, events: i16 },
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
    /// Nowhere: they are creat's.
    #[cfg(target_arch = "x86_64")]
    Creats,
}

/// Whether the kernel makes a call again that a signal has interrupted, when the signal's handler
/// asks for that, as ours does (SA_RESTART, see signal(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restarts {
    /// It does, or no signal interrupts it.
    Always,
    /// It does not: the call returns EINTR.
    Never,
    /// If nothing has been done; what has been done is the result.
    IfNothingDone,
    /// Unless the descriptor is a socket with a timeout.
    UnlessLimited,
    /// The same, and not if all is waited for: MSG_WAITALL is among these flags.
    UnlessAll(usize),
    /// Unless there is a time behind that pointer.
    UnlessTimed(usize),
}

/// When our handler undoes the restart, where reach is off: the call returns EINTR (P11). One that
/// was interrupted and one that has not begun look the same, so both must be able to fail with
/// EINTR and lose nothing (S9). Not `close`, which would leave the descriptor open, and no futex.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Undo {
    Never,
    Always,
    /// The number is one of these.
    IfOneOf(usize, &'static [i32]),
    /// The number is greater.
    IfAbove(usize, usize),
    /// The socket is none of TCP's, or its connection has begun.
    IfConnecting(usize),
}

/// Where a call has the mask that is in force for its time, or that of a handler.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MaskAt {
    /// Behind that pointer.
    Pointer(usize),
    /// Behind the first of the two words behind that pointer. The second is the mask's size.
    Pair(usize),
    /// In the `struct sigaction` behind that pointer.
    Action(usize),
}

/// How a call is made without waiting (S14). Numbers are those of arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AtOnce {
    /// With that flag in that argument.
    Flag(usize, usize),
    /// A read into one buffer.
    Read,
    /// A read into many.
    ReadVector,
    /// A write of one buffer.
    Write,
    /// A write of many.
    WriteVector,
    /// From one descriptor to another, in those arguments, as much as that one says, if both are ready.
    Move { from: usize, to: usize, length: usize },
    /// With the command that tries in the place of the one that waits for a lock.
    TryLock,
    /// With no time in that argument: a timespec, be it a length or a moment.
    NoTime(usize),
    /// The same, and a count that is zero says that it would wait.
    CountInNoTime(usize),
    /// The same with no milliseconds.
    CountInNoMilliseconds(usize),
    /// `select` and `pselect6`, with no time.
    Select,
    /// A wait for completions without waiting: `io_uring_enter`.
    Ring,
    /// What is left of a connect that has begun; and one of a local socket's.
    Connect,
    /// With no time where there is none to be given: `semop`.
    TrySemaphores,
    /// Without waiting for a child: `wait4`.
    Reap,
    /// The same: `waitid`.
    ReapById,
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) number: c_long,
    /// Its number on x86_64: a user-mode emulator shows the numbers of the kernel that it runs on.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "it is the number"))]
    pub(crate) on_x86_64: c_long,
    pub(crate) name: &'static str,
    pub(crate) answer: Answer,
    pub(crate) unless: &'static [Unless],
    pub(crate) restarts: Restarts,
    pub(crate) undo: Undo,
    pub(crate) mask_at: Option<MaskAt>,
    /// The descriptor that it may wait for.
    pub(crate) fd_at: Option<usize>,
    /// How it is made if it need not wait; none if it is answered, ready or not.
    pub(crate) at_once: Option<AtOnce>,
    /// Why it is answered so; empty where it is run like any other.
    #[allow(dead_code, reason = "for the page that is rendered, and the reader")]
    pub(crate) reason: &'static str,
}

/// The row of a syscall.
pub(crate) fn row(number: c_long) -> Option<&'static Row> {
    let place = PLACES.get(number as usize)?;
    TABLE.get(usize::from(*place))
}

/// Where each number's row is: nowhere, as a rule. Two rows with one number do not compile.
static PLACES: [u8; 512] = {
    const NOWHERE: u8 = u8::MAX;
    assert!(TABLE.len() < NOWHERE as usize);
    let mut places = [NOWHERE; 512];
    let mut i = 0;
    while i < TABLE.len() {
        let place = &mut places[TABLE[i].number as usize];
        assert!(*place == NOWHERE, "a syscall has two rows");
        *place = i as u8;
        i += 1;
    }
    places
};

/// The kernel's numbers: libc's, and one that it lacks.
mod numbers {
    pub(crate) use libc::*;

    #[allow(non_upper_case_globals, reason = "as libc names them")]
    pub(crate) const SYS_io_pgetevents: c_long =
        if cfg!(target_arch = "x86_64") { 333 } else { 292 };
}

/// The kernel's name: that of libc's constant less its prefix.
const fn name(constant: &'static str) -> &'static str {
    let [b'S', b'Y', b'S', b'_', name @ ..] = constant.as_bytes() else { panic!("not SYS_") };
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => unreachable!(),
    }
}

/// Rows, each under the reason for its answer:
///
/// ```text
/// SYS_name number_on_x86_64: answer unless [exceptions], at_once Form,
///     restarts Always, undo Never, mask Pointer(index), fd index;
/// ```
///
/// What is left out is as above; then there are no exceptions, no mask and no descriptor.
macro_rules! table {
    ($($reason:literal: $(
        $(#[$cfg:meta])*
        $constant:ident $number:literal: $answer:ident $(unless $unless:expr)?
            $(, at_once $form:ident $(($($how:expr),+))? $({ $($part:ident: $at_part:expr),+ })?)?
            $(, restarts $restarts:ident $(($by:literal))?)?
            $(, undo $undo:ident $(($($of:expr),+))?)?
            $(, mask $mask:ident($at:literal))?
            $(, fd $fd:literal)?;
    )*)*) => {
        /// The rows, by domain.
        pub(crate) const TABLE: &[Row] = &[$($(
            $(#[$cfg])*
            Row {
                number: numbers::$constant,
                on_x86_64: $number,
                name: name(stringify!($constant)),
                answer: Answer::$answer,
                unless: table!(@or &[] $(, &$unless)?),
                restarts: table!(@or Restarts::Always $(, Restarts::$restarts $(($by))?)?),
                undo: table!(@or Undo::Never $(, Undo::$undo $(($($of),+))?)?),
                mask_at: table!(@or None $(, Some(MaskAt::$mask($at)))?),
                fd_at: table!(@or None $(, Some($fd))?),
                at_once: table!(@or None $(, Some(AtOnce::$form $(($($how),+))? $({ $($part: $at_part),+ })?))?),
                reason: $reason,
            },
        )*)*];

        #[cfg(target_arch = "x86_64")]
        const _: () = { $($(assert!(numbers::$constant == $number);)*)* };
    };
    (@or $default:expr) => { $default };
    (@or $default:expr, $value:expr) => { $value };
}

use OpenFlags::{Behind, In};
use Unless::{
    AsksForNone, BothNonblocking, Datagrams, Dying, EndsByItself, ExecReport, ExecStatus, Flag,
    NoFifo, NoFlag, Nonblocking, NoneOf, Releases, StandardOutput, Unlocks, UvLock,
    ZeroMilliseconds, ZeroTime,
};

const IN: i16 = libc::POLLIN;
const OUT: i16 = libc::POLLOUT;
const DONTWAIT: usize = libc::MSG_DONTWAIT as usize;
const NOWAIT: usize = libc::IPC_NOWAIT as usize;
const NOHANG: usize = libc::WNOHANG as usize;
const NO_WAIT_FOR_LOCK: usize = (libc::LOCK_NB | libc::LOCK_UN) as usize;
const LOCK_NB: usize = libc::LOCK_NB as usize;
pub(crate) const SPLICE_NONBLOCK: usize = libc::SPLICE_F_NONBLOCK as usize;
const NO_WAIT: usize = libc::RWF_NOWAIT as usize;
/// `IORING_ENTER_GETEVENTS`, which libc lacks.
pub(crate) const GET_EVENTS: usize = 1;
const WAITING_LOCKS: &[i32] = &[libc::F_SETLKW, libc::F_OFD_SETLKW];
/// FUTEX_WAIT and FUTEX_WAIT_BITSET, for this process or others, by either clock.
const FUTEX_WAITS: &[i32] = {
    const PRIVATE: i32 = libc::FUTEX_PRIVATE_FLAG;
    const REALTIME: i32 = libc::FUTEX_CLOCK_REALTIME;
    const BITSET: i32 = libc::FUTEX_WAIT_BITSET;
    const BOTH: i32 = PRIVATE | REALTIME;
    const WAIT: i32 = libc::FUTEX_WAIT;
    &[
        WAIT,
        WAIT | PRIVATE,
        WAIT | REALTIME,
        WAIT | BOTH,
        BITSET,
        BITSET | PRIVATE,
        BITSET | REALTIME,
        BITSET | BOTH,
    ]
};
/// What waits: for a terminal's output (tcdrain, by TCSBRK and by TCSBRKP) and its lines (TIOCMIWAIT), as
/// a sandbox's supervisor (SECCOMP_IOCTL_NOTIF_RECV), for a transfer by USB (USBDEVFS_REAPURB), as
/// a disk's client (NBD_DO_IT). Not among them is what does not wait where O_NONBLOCK is set.
const WAITING_IOCTLS: &[i32] =
    &[libc::TCSBRK as i32, 0x5425, 0x545c, 0xc050_2100_u32 as i32, 0x4008_550c, 0xab03];
const EXEC_STATUS: Unless = ExecStatus { fd: 0, length: 2 };
const UV_LOCK: Unless = UvLock { fd: 0, length: 2, events: IN };
const UV_UNLOCK: Unless = UvLock { fd: 0, length: 2, events: OUT };
const EXEC_REPORT: Unless = ExecReport { fd: 0, length: 2 };

table! {
    "waits for a connection; the next one stays in the queue":
        SYS_accept 43: Refuse unless [Nonblocking(0)], restarts UnlessLimited, undo Always, fd 0;
        SYS_accept4 288: Refuse unless [Nonblocking(0)], restarts UnlessLimited, undo Always, fd 0;
    // The kernel goes on with an interrupted one, and the caller polls for its end. Of one that has
    // not begun a poll says that it is done.
    "waits for the peer; one that has begun goes on by itself, as after EINTR":
        SYS_connect 42: Refuse unless [Nonblocking(0), Datagrams(0)], at_once Connect,
            restarts UnlessLimited, undo IfConnecting(0), fd 0;
    "waits for data; but std panics if the socket on which a child reports its exec says ECANCELED":
        SYS_recvfrom 45: Refuse unless [Nonblocking(0), Flag(3, DONTWAIT), EXEC_STATUS], at_once Flag(3, DONTWAIT),
            restarts UnlessAll(3), undo Always, fd 0;
    "waits for data; what is refused stays there":
        SYS_recvmsg 47: Refuse unless [Nonblocking(0), Flag(2, DONTWAIT)], at_once Flag(2, DONTWAIT),
            restarts UnlessAll(2), undo Always, fd 0;
        SYS_recvmmsg 299: Refuse unless [Nonblocking(0), Flag(3, DONTWAIT)], at_once Flag(3, DONTWAIT),
            restarts UnlessLimited, undo Always, fd 0;
        SYS_readv 19: Refuse unless [Nonblocking(0), EndsByItself(0, IN)], at_once ReadVector,
            restarts UnlessLimited, undo Always, fd 0;
    "waits for data; but std panics if the pipe on which a child reports its exec says ECANCELED, and libuv aborts":
        SYS_read 0: Refuse unless [Nonblocking(0), EndsByItself(0, IN), EXEC_STATUS, UV_LOCK], at_once Read,
            restarts UnlessLimited, undo Always, fd 0;
    "waits for data, where it reads on and not at a position":
        SYS_preadv2 327: Refuse unless [Nonblocking(0), EndsByItself(0, IN), Flag(5, NO_WAIT)], at_once ReadVector,
            restarts UnlessLimited, undo Always, fd 0;
    "waits for room; but a child of std's or libuv's reports its exec":
        SYS_write 1: Refuse
            unless [Nonblocking(0), EndsByItself(0, OUT), StandardOutput(0), EXEC_REPORT, UV_UNLOCK], at_once Write,
            restarts IfNothingDone, undo Always, fd 0;
    "waits for room":
        SYS_writev 20: Refuse unless [Nonblocking(0), EndsByItself(0, OUT), StandardOutput(0)], at_once WriteVector,
            restarts IfNothingDone, undo Always, fd 0;
        SYS_sendto 44: Refuse unless [Nonblocking(0), Flag(3, DONTWAIT)], at_once Flag(3, DONTWAIT),
            restarts IfNothingDone, undo Always, fd 0;
        SYS_sendmsg 46: Refuse unless [Nonblocking(0), Flag(2, DONTWAIT)], at_once Flag(2, DONTWAIT),
            restarts IfNothingDone, undo Always, fd 0;
        SYS_sendmmsg 307: Refuse unless [Nonblocking(0), Flag(3, DONTWAIT)], at_once Flag(3, DONTWAIT),
            restarts IfNothingDone, undo Always, fd 0;
    "waits for room, where it writes on and not at a position":
        SYS_pwritev2 328: Refuse
            unless [Nonblocking(0), EndsByItself(0, OUT), Flag(5, NO_WAIT), StandardOutput(0)], at_once Flag(5, NO_WAIT),
            restarts IfNothingDone, undo Always, fd 0;
    "waits for data or for room":
        SYS_splice 275: Refuse unless [Flag(5, SPLICE_NONBLOCK), BothNonblocking(0, 2)],
            at_once Move { from: 0, to: 2, length: 4 }, restarts IfNothingDone, undo Always, fd 0;
        SYS_tee 276: Refuse unless [Flag(3, SPLICE_NONBLOCK), BothNonblocking(0, 1)], at_once Flag(3, SPLICE_NONBLOCK),
            restarts IfNothingDone, undo Always, fd 0;
        SYS_vmsplice 278: Refuse unless [Flag(3, SPLICE_NONBLOCK)], at_once Flag(3, SPLICE_NONBLOCK),
            restarts IfNothingDone, undo Always, fd 0;
    "waits for room":
        SYS_sendfile 40: Refuse unless [Nonblocking(0), EndsByItself(0, OUT)],
            at_once Move { from: 1, to: 0, length: 3 }, restarts IfNothingDone, undo Always, fd 0;
    "it is done at a position of a file, and ends by itself":
        SYS_pread64 17: Run, undo Always, fd 0;
        SYS_preadv 295: Run, undo Always, fd 0;
        SYS_pwrite64 18: Run, restarts IfNothingDone, undo Always, fd 0;
        SYS_pwritev 296: Run, restarts IfNothingDone, undo Always, fd 0;
        SYS_copy_file_range 326: Run, restarts IfNothingDone, undo Always, fd 0;

    "the open of a FIFO waits for its other end":
        #[cfg(target_arch = "x86_64")]
        SYS_open 2: Refuse unless [NoFifo { directory: None, path: 0, flags: In(1) }], undo Always;
        #[cfg(target_arch = "x86_64")]
        SYS_creat 85: Refuse
            unless [NoFifo { directory: None, path: 0, flags: OpenFlags::Creats }], undo Always;
        SYS_openat 257: Refuse unless [NoFifo { directory: Some(0), path: 1, flags: In(2) }],
            undo Always;
        SYS_openat2 437: Refuse unless [NoFifo { directory: Some(0), path: 1, flags: Behind(2) }],
            undo Always;

    "waits for readiness; some go on after EINTR, some die of another error":
        #[cfg(target_arch = "x86_64")]
        SYS_poll 7: Poll unless [ZeroMilliseconds(2)], at_once CountInNoMilliseconds(2), restarts Never, undo Always;
        SYS_ppoll 271: Poll unless [ZeroTime(2)], at_once CountInNoTime(2), restarts Never, undo Always, mask Pointer(3);
        #[cfg(target_arch = "x86_64")]
        SYS_select 23: Poll unless [ZeroTime(4)], at_once Select, restarts Never, undo Always;
        SYS_pselect6 270: Poll unless [ZeroTime(4)], at_once Select, restarts Never, undo Always, mask Pair(5);
    "an event loop: tokio panics and libuv asserts on any other error; what is ready is told for ever":
        #[cfg(target_arch = "x86_64")]
        SYS_epoll_wait 232: Interrupt unless [ZeroMilliseconds(3)], at_once CountInNoMilliseconds(3),
            restarts Never, undo Always, fd 0;
        SYS_epoll_pwait 281: Interrupt unless [ZeroMilliseconds(3)], at_once CountInNoMilliseconds(3),
            restarts Never, undo Always, mask Pointer(4), fd 0;
        SYS_epoll_pwait2 441: Interrupt unless [ZeroTime(3)], at_once CountInNoTime(3),
            restarts Never, undo Always, mask Pointer(4), fd 0;
    "an event loop; what is submitted is taken in any case":
        SYS_io_uring_enter 426: Interrupt unless [NoFlag(3, GET_EVENTS), AsksForNone(2)], at_once Ring,
            restarts Never, fd 0;
    "waits for completions; they stay where they are":
        SYS_io_getevents 208: Refuse unless [AsksForNone(1), ZeroTime(4)], at_once CountInNoTime(4),
            restarts Never, undo Always;
        SYS_io_pgetevents 333: Refuse unless [AsksForNone(1), ZeroTime(4)], at_once CountInNoTime(4),
            restarts Never, undo Always, mask Pair(5);

    "waits for a child; one that is dying is reaped, or it would stay a zombie":
        SYS_wait4 61: Refuse unless [Flag(2, NOHANG), Dying(0)], at_once Reap, undo Always;
        SYS_waitid 247: Refuse unless [Flag(3, NOHANG), Dying(1)], at_once ReapById, undo Always;
    "std asserts that a sleep ends with success or EINTR, and sleeps on after EINTR":
        SYS_nanosleep 35: Zero, restarts Never, undo Always;
        SYS_clock_nanosleep 230: Zero, restarts Never, undo Always;
    "EINTR is the only error that it may have":
        #[cfg(target_arch = "x86_64")]
        SYS_pause 34: Interrupt, restarts Never, undo Always;
        SYS_rt_sigsuspend 130: Interrupt, restarts Never, undo Always, mask Pointer(0);
    "waits for a signal":
        SYS_rt_sigtimedwait 128: Refuse unless [ZeroTime(2)], at_once NoTime(2), restarts Never, undo Always;

    "waits for a lock; one that would change its kind may be lost, as by LOCK_NB":
        SYS_flock 73: Refuse unless [Flag(1, NO_WAIT_FOR_LOCK)], at_once Flag(1, LOCK_NB), undo Always, fd 0;
    "waits for a lock; but a lock that is not given back keeps others out for ever":
        SYS_fcntl 72: Refuse unless [NoneOf(1, WAITING_LOCKS), Unlocks(2)], at_once TryLock,
            undo IfOneOf(1, WAITING_LOCKS), fd 0;
    "waits: for a terminal (tcdrain), as a sandbox's supervisor, for a transfer by USB, for a disk's end":
        SYS_ioctl 16: Refuse unless [NoneOf(1, WAITING_IOCTLS)],
            undo IfOneOf(1, WAITING_IOCTLS), fd 0;
    "waits for a semaphore; but one that is not given back keeps others out for ever":
        SYS_semop 65: Refuse unless [Releases { operations: 1, count: 2 }], at_once TrySemaphores,
            restarts Never, undo Always;
        SYS_semtimedop 220: Refuse unless [Releases { operations: 1, count: 2 }, ZeroTime(3)], at_once NoTime(3),
            restarts Never, undo Always;
    "waits for a message":
        SYS_msgrcv 70: Refuse unless [Flag(4, NOWAIT)], at_once Flag(4, NOWAIT), restarts Never, undo Always;
    "waits for room":
        SYS_msgsnd 69: Refuse unless [Flag(3, NOWAIT)], at_once Flag(3, NOWAIT), restarts Never, undo Always;
    "waits for a message or for room":
        SYS_mq_timedreceive 243: Refuse unless [Nonblocking(0)], at_once NoTime(4), undo Always, fd 0;
        SYS_mq_timedsend 242: Refuse unless [Nonblocking(0)], at_once NoTime(4), undo Always, fd 0;

    // A wake-up would be lost if it were undone.
    "woken as the kernel may, its caller looks again; a lock's wait must not be broken":
        SYS_futex 202: WakeTwice unless [NoneOf(1, FUTEX_WAITS)], restarts UnlessTimed(3);
    "a lock's wait must not be broken":
        SYS_futex_waitv 449: Run, restarts UnlessTimed(3);
    // So few bytes never fail with EINTR, and callers rely on that.
    "its callers abort without it, and after boot it does not wait":
        SYS_getrandom 318: Run, undo IfAbove(1, 256);
    "an error would leave it open whether it is or not":
        SYS_close 3: Run, fd 0;
    "data may be half written; it ends by itself or not at all":
        SYS_fsync 74: Run, fd 0;
        SYS_fdatasync 75: Run, fd 0;

    // Like any other, which need not be said one by one.
    "":
        SYS_rt_sigaction 13: Run, mask Action(1);
        SYS_restart_syscall 219: Run, restarts Never;
        SYS_shutdown 48: Run, fd 0;
        SYS_sync 162: Run;
        SYS_syncfs 306: Run, fd 0;
        SYS_getdents64 217: Run, fd 0;
        SYS_ftruncate 77: Run, fd 0;
        SYS_fallocate 285: Run, fd 0;
        SYS_statfs 137: Run;
        SYS_unlinkat 263: Run;
        SYS_sched_yield 24: Run;
        SYS_mmap 9: Run;
        SYS_munmap 11: Run;
        SYS_madvise 28: Run;
        SYS_msync 26: Run;
        SYS_clone 56: Run;
        SYS_clone3 435: Run;
        #[cfg(target_arch = "x86_64")]
        SYS_vfork 58: Run;
        SYS_execve 59: Run;
        SYS_exit 60: Run;
        SYS_exit_group 231: Run;
}
