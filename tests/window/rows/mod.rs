//! The calls that are put to the test, each on a real object.

mod abandon;
pub mod at_once;
pub mod completions;
mod event;
mod fs;
mod io;
mod ipc;
pub mod naive;
mod net;
mod process;
mod reached;
mod sync;
mod time;
pub mod turn;
mod unfailing;

#[cfg(not(target_arch = "x86_64"))]
use libc::{SYS_epoll_pwait as SYS_epoll_wait, SYS_ppoll as SYS_poll, SYS_pselect6 as SYS_select};
#[cfg(target_arch = "x86_64")]
use libc::{SYS_epoll_wait, SYS_poll, SYS_select};
use std::fmt::Debug;
use std::fs::File;
use std::os::fd::AsFd;
use std::rc::Rc;

use eintr::Error;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// One call.
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    /// The syscall in which it sleeps.
    pub sleeps_in: i64,
    /// Makes the object, with the result there or not.
    pub make: fn(ready: bool) -> Case,
    /// Whether another thread can bring what it waits for, or take it: see [`turn`].
    pub turns: bool,
    /// Whether the way to its syscall, and handlers that come while it sleeps, are as another row's.
    pub like_others: bool,
}

impl Row {
    const fn turns(mut self) -> Self {
        self.turns = true;
        self
    }

    const fn like_others(mut self) -> Self {
        self.like_others = true;
        self
    }
}

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of this crate's.
    Own,
    /// libc's, in a task without reach.
    Plain,
    /// std's, in a task with reach on.
    Reached,
    /// The same, and it is made when poll calls it ready: then it may wait, until the timer ends it.
    Polled,
    /// libc's that must not fail, with reach and without.
    Unfailing,
    /// A wrong implementation, asked by a flag and a signal.
    Naive,
}

/// A call and the object that it is made on.
pub struct Case {
    /// The call. What it returns tells a result from another.
    pub call: Box<dyn FnMut() -> Result<u64, Error>>,
    /// Whether the object is as it must be after that result, or after none.
    pub intact: Box<dyn FnOnce(Option<u64>) -> Result<(), String>>,
}

/// The row of that name.
pub fn find(name: &str) -> &'static Row {
    ALL.iter().find(|row| row.name == name).expect("the call has a row")
}

const fn row(kind: Kind, name: &'static str, sleeps_in: i64, make: fn(bool) -> Case) -> Row {
    Row { name, kind, sleeps_in, make, turns: false, like_others: false }
}

const fn own(name: &'static str, sleeps_in: i64, make: fn(bool) -> Case) -> Row {
    row(Kind::Own, name, sleeps_in, make)
}

const fn plain(name: &'static str, sleeps_in: i64, make: fn(bool) -> Case) -> Row {
    row(Kind::Plain, name, sleeps_in, make)
}

const fn reached(name: &'static str, sleeps_in: i64, make: fn(bool) -> Case) -> Row {
    row(Kind::Reached, name, sleeps_in, make)
}

/// One that stands for a form of the table's.
const fn form(name: &'static str, sleeps_in: i64, make: fn(bool) -> Case) -> Row {
    reached(name, sleeps_in, make).turns().like_others()
}

const fn polled(name: &'static str, sleeps_in: i64, make: fn(bool) -> Case) -> Row {
    row(Kind::Polled, name, sleeps_in, make).turns()
}

const fn naive(name: &'static str, make: fn(bool) -> Case) -> Row {
    row(Kind::Naive, name, libc::SYS_read, make)
}

/// The table.
pub static ALL: &[Row] = &[
    own("read", libc::SYS_read, io::read),
    own("write", libc::SYS_write, io::write),
    own("preadv2", libc::SYS_preadv2, io::preadv2),
    own("pwritev2", libc::SYS_pwritev2, io::pwritev2),
    own("accept", libc::SYS_accept4, net::accept),
    own("recv", libc::SYS_recvfrom, net::recv),
    own("connect", libc::SYS_connect, net::connect_tcp),
    own("sleep", libc::SYS_clock_nanosleep, time::sleep),
    own("poll", libc::SYS_ppoll, event::poll),
    own("epoll_wait", libc::SYS_epoll_pwait, event::epoll_wait),
    own("epoll_pwait2", libc::SYS_epoll_pwait2, event::epoll_pwait2),
    own("open", libc::SYS_openat, fs::open),
    own("flock", libc::SYS_flock, fs::flock),
    own("ofd_lock", libc::SYS_fcntl, fs::ofd_lock),
    own("waitid", libc::SYS_waitid, process::waitid),
    own("futex_wait", libc::SYS_futex, sync::futex_wait),
    own("event_wait", libc::SYS_futex_waitv, sync::event_wait),
    own("semop", libc::SYS_semtimedop, ipc::semop),
    own("mq_receive", libc::SYS_mq_timedreceive, ipc::mq_receive),
    plain("plain_read", libc::SYS_read, io::plain_read),
    plain("plain_sleep", libc::SYS_clock_nanosleep, time::plain_sleep),
    plain("abandoned", libc::SYS_clock_nanosleep, abandon::call),
    reached("reached_read_exact", libc::SYS_read, reached::read_exact).turns(),
    reached("reached_read_vectored", libc::SYS_readv, reached::read_vectored).turns(),
    reached("reached_write", libc::SYS_write, reached::write).turns(),
    reached("reached_poll", SYS_poll, reached::poll).turns(),
    reached("reached_select", SYS_select, reached::select).turns(),
    reached("reached_epoll_wait", SYS_epoll_wait, reached::epoll_wait).turns(),
    reached("reached_flock", libc::SYS_flock, reached::flock).turns(),
    reached("reached_ofd_lock", libc::SYS_fcntl, reached::ofd_lock).turns(),
    reached("reached_semop", libc::SYS_semtimedop, reached::semop).turns(),
    form("reached_recv", libc::SYS_recvfrom, at_once::recv),
    form("reached_recvmsg", libc::SYS_recvmsg, at_once::recvmsg),
    form("reached_recvmmsg", libc::SYS_recvmmsg, at_once::recvmmsg),
    form("reached_preadv2", libc::SYS_preadv2, at_once::preadv2),
    form("reached_send", libc::SYS_sendto, at_once::send),
    form("reached_sendmsg", libc::SYS_sendmsg, at_once::sendmsg),
    form("reached_sendmmsg", libc::SYS_sendmmsg, at_once::sendmmsg),
    form("reached_writev", libc::SYS_writev, at_once::writev),
    form("reached_pwritev2", libc::SYS_pwritev2, at_once::pwritev2),
    form("reached_tee", libc::SYS_tee, at_once::tee),
    form("reached_vmsplice", libc::SYS_vmsplice, at_once::vmsplice),
    form("reached_ppoll", libc::SYS_ppoll, at_once::ppoll),
    form("reached_pselect", libc::SYS_pselect6, at_once::pselect),
    form("reached_epoll_pwait", libc::SYS_epoll_pwait, at_once::epoll_pwait),
    form("reached_epoll_pwait2", libc::SYS_epoll_pwait2, at_once::epoll_pwait2),
    form("reached_io_uring_enter", libc::SYS_io_uring_enter, completions::uring),
    form("reached_io_getevents", libc::SYS_io_getevents, completions::getevents),
    form("reached_io_pgetevents", completions::IO_PGETEVENTS, completions::pgetevents),
    form("reached_wait4", libc::SYS_wait4, at_once::wait4),
    form("reached_waitid", libc::SYS_waitid, at_once::waitid),
    form("reached_sigtimedwait", libc::SYS_rt_sigtimedwait, at_once::sigtimedwait),
    form("reached_raw_semop", libc::SYS_semop, at_once::semop),
    form("reached_msgrcv", libc::SYS_msgrcv, at_once::msgrcv),
    form("reached_msgsnd", libc::SYS_msgsnd, at_once::msgsnd),
    form("reached_mq_receive", libc::SYS_mq_timedreceive, at_once::mq_receive),
    form("reached_mq_send", libc::SYS_mq_timedsend, at_once::mq_send),
    polled("polled_connect", libc::SYS_connect, at_once::connect).like_others(),
    polled("polled_sendfile", libc::SYS_sendfile, at_once::sendfile).like_others(),
    polled("polled_read", libc::SYS_read, reached::read_fifo),
    polled("polled_splice", libc::SYS_splice, reached::splice),
    row(Kind::Unfailing, "unfailing", libc::SYS_fsync, unfailing::calls),
    reached("reached_accept", libc::SYS_accept4, reached::accept),
    reached("reached_open", libc::SYS_openat, reached::open),
    reached("reached_sleep", libc::SYS_clock_nanosleep, reached::sleep),
    reached("reached_wait", libc::SYS_wait4, reached::wait),
    naive("naive_flag", naive::flag),
    naive("naive_after", naive::after),
];

/// A pipe, whose ends both sides of a case may hold.
fn pipe() -> (Rc<File>, Rc<File>) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    (Rc::new(reader.into()), Rc::new(writer.into()))
}

/// Takes all bytes that are there.
pub fn drain(fd: impl AsFd) -> Vec<u8> {
    fcntl(fd.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = nix::unistd::read(fd.as_fd(), &mut buffer) {
        bytes.extend_from_slice(&buffer[..n]);
    }
    bytes
}

fn equal<T: PartialEq + Debug>(what: &str, is: T, expected: T) -> Result<(), String> {
    if is == expected { Ok(()) } else { Err(format!("{what}: {is:?}, not {expected:?}")) }
}
