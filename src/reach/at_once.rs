//! Calls of a reached thread that are made if they need not wait (S14).
//!
//! Whether one would wait is asked of the kernel in the same call, not guessed: by MSG_DONTWAIT, RWF_NOWAIT,
//! IPC_NOWAIT and their like, or by a time that has passed. Where there is no such form (a terminal,
//! a named FIFO, inotify) it is asked by poll, and given no more than poll promises. That may be
//! wrong: another thread may be quicker. Then it waits after all, until our timer's signal ends it.
//!
//! # Safety
//!
//! The interrupted code's own call, with its own arguments, of as much or less.

#![allow(unsafe_code)]

use std::sync::atomic::{Ordering, compiler_fence};

use libc::{c_int, c_long, timespec};

use super::table::{AtOnce, MaskAt, Row, SPLICE_NONBLOCK};
use crate::kernel::raw::syscall;
use crate::kernel::{descriptor, memory, signals, socket};
use crate::thread::block::Block;
use crate::thread::repeat_timer;

type Arguments = [usize; 6];

const DONTWAIT: usize = libc::MSG_DONTWAIT as usize;
const NOWAIT: usize = libc::RWF_NOWAIT as usize;
const NOHANG: usize = libc::WNOHANG as usize;
static NO_TIME: timespec = timespec { tv_sec: 0, tv_nsec: 0 };
/// As an offset: the descriptor's own position.
const HERE: usize = usize::MAX;

/// Makes the call; none if it would wait.
pub(crate) fn make(
    block: &Block,
    row: &Row,
    form: AtOnce,
    mut arguments: Arguments,
) -> Option<isize> {
    // The signals that a mask of its own opens are let in after it.
    if let Some(MaskAt::Pointer(index) | MaskAt::Pair(index)) = row.mask_at {
        arguments[index] = 0;
    }
    let result = match form {
        AtOnce::Flag(index, flag) => {
            arguments[index] |= flag;
            call(row.number, arguments)
        }
        AtOnce::Read => read(block, arguments),
        AtOnce::ReadVector => read_vector(block, row.number, arguments),
        AtOnce::Write => {
            let [fd, address, length, ..] = arguments;
            let iovec = libc::iovec { iov_base: address as *mut _, iov_len: length };
            write_vector(block, fd, &raw const iovec as usize, 1)
        }
        AtOnce::WriteVector => write_vector(block, arguments[0], arguments[1], arguments[2]),
        AtOnce::Move { from, to, length } => {
            let is_ready = descriptor::is_ready(arguments[from], libc::POLLIN)
                && descriptor::is_ready(arguments[to], libc::POLLOUT);
            // The flag is splice's, and about pipes alone: a socket with little room waits inside, with
            // the pipe locked. No more than poll promises.
            arguments[5] |= SPLICE_NONBLOCK;
            arguments[length] = arguments[length].min(libc::PIPE_BUF);
            made_if(is_ready, block, row.number, arguments)
        }
        AtOnce::TryLock => {
            arguments[1] = match arguments[1] as c_int {
                libc::F_OFD_SETLKW => libc::F_OFD_SETLK,
                _ => libc::F_SETLK,
            } as usize;
            call(row.number, arguments)
        }
        AtOnce::NoTime(index) => {
            arguments[index] = &raw const NO_TIME as usize;
            call(row.number, arguments)
        }
        AtOnce::CountInNoTime(index) => {
            arguments[index] = &raw const NO_TIME as usize;
            call(row.number, arguments).and_then(none_is_to_be_waited_for)
        }
        AtOnce::CountInNoMilliseconds(index) => {
            arguments[index] = 0;
            call(row.number, arguments).and_then(none_is_to_be_waited_for)
        }
        AtOnce::Select => select(arguments),
        AtOnce::Ring => enter_ring(arguments),
        AtOnce::Connect => connect(block, arguments),
        AtOnce::TrySemaphores => {
            arguments[3] = &raw const NO_TIME as usize;
            call(libc::SYS_semtimedop, arguments)
        }
        AtOnce::Reap => {
            arguments[2] |= NOHANG;
            call(row.number, arguments).and_then(none_is_to_be_waited_for)
        }
        AtOnce::ReapById => reap_by_id(arguments),
    };
    match result {
        Ok(done) => Some(done as isize),
        Err(errno) if would_wait(row.number, errno) => None,
        Err(errno) => Some(-(errno as isize)),
    }
}

/// Whether an error says that the call would have waited; or that it has, and was ended.
fn would_wait(number: c_long, errno: c_int) -> bool {
    match errno {
        libc::EAGAIN | libc::EINTR => true,
        libc::ENOMSG => number == libc::SYS_msgrcv,
        libc::ETIMEDOUT => {
            matches!(number, libc::SYS_mq_timedreceive | libc::SYS_mq_timedsend)
        }
        // It cannot be asked.
        libc::EOPNOTSUPP => number == libc::SYS_pwritev2,
        _ => false,
    }
}

fn call(number: c_long, arguments: Arguments) -> Result<usize, c_int> {
    // SAFETY: the interrupted code's own call.
    unsafe { syscall(number, arguments) }
}

fn none_is_to_be_waited_for(count: usize) -> Result<usize, c_int> {
    if count == 0 { Err(libc::EAGAIN) } else { Ok(count) }
}

/// With no time select clears the caller's sets, and they are still wanted: it works on copies.
fn select([count, reads, writes, others, ..]: Arguments) -> Result<usize, c_int> {
    let theirs = [reads, writes, others];
    let (mut sets, bytes) = select_sets(count, theirs)?;
    let at = |i: usize, set: &mut Set| if theirs[i] == 0 { 0 } else { set.as_mut_ptr() as usize };
    let [first, second, third] = &mut sets;
    let ours = [at(0, first), at(1, second), at(2, third)];
    let arguments = [count, ours[0], ours[1], ours[2], &raw const NO_TIME as usize, 0];
    let ready = call(libc::SYS_pselect6, arguments).and_then(none_is_to_be_waited_for)?;
    for (to, set) in theirs.into_iter().zip(&sets) {
        if to != 0 && !memory::write(to, &set[..bytes / size_of::<usize>()]) {
            return Err(libc::EFAULT);
        }
    }
    Ok(ready)
}

/// A set of 1024 descriptors, as glibc's: who has more is told that it would wait.
pub(super) type Set = [usize; 16];

/// Copies of a select's sets, and how many bytes of each are in use.
pub(super) fn select_sets(count: usize, from: [usize; 3]) -> Result<([Set; 3], usize), c_int> {
    let mut sets = [[0; 16]; 3];
    let bytes = (count as u32 as usize).div_ceil(usize::BITS as usize) * size_of::<usize>();
    if count as i32 >= 0 && bytes > size_of::<Set>() {
        return Err(libc::EAGAIN);
    }
    let bytes = bytes.min(size_of::<Set>());
    for (from, set) in from.into_iter().zip(&mut sets) {
        if from != 0 && !memory::copy(from, set.as_mut_ptr().cast(), bytes) {
            return Err(libc::EFAULT);
        }
    }
    Ok((sets, bytes))
}

/// What was submitted is taken. 0 says that the wait has been served: it would be a lie where fewer
/// are there, and its caller would look again and again.
fn enter_ring(mut arguments: Arguments) -> Result<usize, c_int> {
    let [ring, _, wanted, ..] = arguments;
    arguments[2] = 0;
    let taken = call(libc::SYS_io_uring_enter, arguments)?;
    let is_served = || wanted as u32 == 1 && descriptor::is_ready(ring, libc::POLLIN);
    if taken > 0 || is_served() { Ok(taken) } else { Err(libc::EAGAIN) }
}

/// A fresh socket polls ready, and to ask it to connect would begin that: it is refused outright. Of
/// one that has begun the socket tells how it ended. A local one waits for nobody but a listener that
/// is busy.
fn connect(block: &Block, arguments: Arguments) -> Result<usize, c_int> {
    const CLOSED: u8 = 7;
    let fd = arguments[0];
    match socket::tcp_state_of(fd) {
        Some(state) if socket::TCP_CONNECTING.contains(&state) => Err(libc::EAGAIN),
        Some(CLOSED) => match socket::option(fd, libc::SO_ERROR) {
            None | Some(0) => Err(libc::EAGAIN),
            Some(errno) => Err(errno),
        },
        Some(_) => call(libc::SYS_connect, arguments),
        None if socket::option(fd, libc::SO_DOMAIN) == Some(libc::AF_UNIX) => {
            made_within_limits(block, libc::SYS_connect, arguments)
        }
        None => Err(libc::EAGAIN),
    }
}

/// What the kernel tells of a child says whether there is one: it is told to us first, so that the
/// caller's place is left alone where there is none.
fn reap_by_id(mut arguments: Arguments) -> Result<usize, c_int> {
    let theirs = arguments[2];
    let mut info = [0_usize; size_of::<libc::siginfo_t>() / size_of::<usize>()];
    arguments[2] = info.as_mut_ptr() as usize;
    arguments[3] |= NOHANG;
    let result = call(libc::SYS_waitid, arguments)?;
    // The number of the signal is its first part.
    if info[0] == 0 {
        return Err(libc::EAGAIN);
    }
    if theirs != 0 && !memory::poke(theirs, &info) {
        return Err(libc::EFAULT);
    }
    Ok(result)
}

fn read(block: &Block, arguments: Arguments) -> Result<usize, c_int> {
    let [fd, address, length, ..] = arguments;
    let iovec = libc::iovec { iov_base: address as *mut _, iov_len: length };
    let vector = &raw const iovec as usize;
    call(libc::SYS_preadv2, [fd, vector, 1, HERE, HERE, NOWAIT]).or_else(|errno| match errno {
        _ if !has_no_form(errno) => Err(errno),
        _ => made_when_ready(block, libc::SYS_read, arguments, libc::POLLIN),
    })
}

/// `readv`, or a `preadv2`, whose offset and flags are there.
fn read_vector(block: &Block, number: c_long, arguments: Arguments) -> Result<usize, c_int> {
    let [fd, vector, count, ..] = arguments;
    let [low, high, flags] = match number {
        libc::SYS_readv => [HERE, HERE, 0],
        _ => [arguments[3], arguments[4], arguments[5]],
    };
    let read = call(libc::SYS_preadv2, [fd, vector, count, low, high, flags | NOWAIT]);
    read.or_else(|errno| match errno {
        _ if !has_no_form(errno) => Err(errno),
        _ => made_when_ready(block, number, arguments, libc::POLLIN),
    })
}

/// Whether that says that there is no such form: what has no such flag, a kernel or emulator
/// without the call, a sandbox that forbids it.
fn has_no_form(errno: c_int) -> bool {
    matches!(errno, libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM)
}

/// The vector is the interrupted code's, or one of ours that points to its buffer.
fn write_vector(block: &Block, fd: usize, vector: usize, count: usize) -> Result<usize, c_int> {
    let mut message = [0_usize; 7];
    // The kernel's `struct msghdr`: name, its length, the vector, its count, control data, its
    // length, flags.
    [message[2], message[3]] = [vector, count];
    let message = message.as_ptr() as usize;
    let sent = call(libc::SYS_sendmsg, [fd, message, DONTWAIT, 0, 0, 0]);
    if sent != Err(libc::ENOTSOCK) {
        return sent;
    }
    let written = call(libc::SYS_pwritev2, [fd, vector, count, HERE, HERE, NOWAIT]);
    if !written.is_err_and(has_no_form) {
        return written;
    }
    // What cannot be looked at (an emulator has no such syscall either) is not written.
    match memory::peek::<2>(vector).ok_or(libc::EAGAIN)? {
        // Nothing written would be taken for the end.
        [_, 0] if count > 1 => Err(libc::EAGAIN),
        // A terminal with room for a few bytes is ready: no more than poll promises.
        [address, length] => {
            let arguments = [fd, address, length.min(libc::PIPE_BUF), 0, 0, 0];
            made_when_ready(block, libc::SYS_write, arguments, libc::POLLOUT)
        }
    }
}

/// Makes the call if its descriptor is ready, and has our signal end it if it waits after all: see
/// `entry/signal.rs`.
fn made_when_ready(
    block: &Block,
    number: c_long,
    arguments: Arguments,
    events: i16,
) -> Result<usize, c_int> {
    made_if(descriptor::is_ready(arguments[0], events), block, number, arguments)
}

fn made_if(
    is_ready: bool,
    block: &Block,
    number: c_long,
    arguments: Arguments,
) -> Result<usize, c_int> {
    if is_ready { made_within_limits(block, number, arguments) } else { Err(libc::EAGAIN) }
}

/// Makes a call that our timer's signal ends.
fn made_within_limits(block: &Block, number: c_long, arguments: Arguments) -> Result<usize, c_int> {
    if signals::mask() & crate::signal::ours::set() != 0 {
        return Err(libc::EAGAIN);
    }
    // Before the timer is set: a shot that finds none under way is the last.
    block.answering.in_bounded_write.store(true, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    let result =
        if repeat_timer::start(block) { call(number, arguments) } else { Err(libc::EAGAIN) };
    block.answering.in_bounded_write.store(false, Ordering::Relaxed);
    repeat_timer::stop(block);
    result
}
