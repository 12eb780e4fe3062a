//! Answering a syscall by the table, with its arguments as they are.
//!
//! # Safety
//!
//! A count of refusals belongs to a task on this thread's stack.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;
use std::time::Duration;

use libc::c_long;

use super::patience::{self, PollAnswer};
use super::table::{self, Answer, AtOnce, OpenFlags, Row, Unless};
use super::{allowance, at_once};
use crate::kernel::clock::Moment;
use crate::kernel::descriptor::{self, Kind};
use crate::kernel::mapped::Library;
use crate::kernel::{memory, process, signals};
use crate::signal::ours;
use crate::thread::backoff;
use crate::thread::block::Block;
use crate::thread::retries::Call;
use crate::thread::word::DEADLINE;

/// Answers a syscall by its row. `Ok` is the result: of an attempt that does not wait, or the row's own answer.
/// `Err`: the table leaves the call to be run as asked; with the exception that holds, if one does.
pub(crate) fn by_table(
    block: &Block,
    now: Moment,
    number: c_long,
    arguments: &[usize; 6],
) -> Result<isize, Option<&'static Unless>> {
    let row = table::row(number).ok_or(None)?;
    if let Some(exception) = row.unless.iter().find(|unless| holds(**unless, block, now, arguments))
    {
        return Err(Some(exception));
    }
    let done = match (row.answer, row.at_once) {
        (Answer::Interrupt, Some(form)) => looked_for_events(block, row, form, arguments),
        (_, Some(form)) if allowance::is_left(block, now) => {
            let done = at_once::make(block, row, form, *arguments);
            done.inspect(|_| {
                backoff::end_in_handler(block);
                block.answering.get_on();
            })
        }
        (Answer::Poll, Some(form)) if patience::is_told_eintr_alone(now) => {
            at_once::make(block, row, form, *arguments)
        }
        _ => None,
    };
    if let Some(result) = done {
        return Ok(result);
    }
    let about = match row.answer {
        Answer::Poll => patience::first(number, arguments),
        _ => arguments[0],
    };
    block.retries.ask(Call::plain(number, about), now);
    match row.answer {
        Answer::Interrupt if row.at_once.is_some() => Ok(interrupt_loop(block, row, arguments)),
        Answer::Poll => Ok(refuse_poll(block, now, number, arguments)),
        _ => unrun(block, row, arguments).ok_or(None),
    }
}

/// What an event loop is told that is ready, for ever. One that ignores what it is told is made to wait
/// inside of the wait: events are not late.
fn looked_for_events(
    block: &Block,
    row: &Row,
    form: AtOnce,
    arguments: &[usize; 6],
) -> Option<isize> {
    block.answering.get_on();
    if let Some(pause) = backoff::due(block) {
        descriptor::is_ready_within(arguments[0], libc::POLLIN, pause);
    }
    at_once::make(block, row, form, *arguments)
}

/// The result of a syscall that is answered without running it.
pub(crate) fn unrun(block: &Block, row: &Row, arguments: &[usize; 6]) -> Option<isize> {
    match row.answer {
        Answer::Refuse | Answer::Poll => Some(refuse(block)),
        Answer::Zero => Some(end_sleep(block)),
        Answer::Interrupt => Some(after_backoff(block, loop_is_told(block, row, arguments))),
        Answer::WakeTwice | Answer::Run => None,
    }
}

const INTERRUPTED: isize = -libc::EINTR as isize;

/// An event loop for which nothing is ready, and that has waited for as long as it is made to wait.
fn interrupt_loop(block: &Block, row: &Row, arguments: &[usize; 6]) -> isize {
    note_cut_short(block);
    backoff::count(block);
    loop_is_told(block, row, arguments)
}

/// What an event loop is told. Where it is refused, one that has a time of its own is told that this is up: gRPC writes
/// a line for each error.
fn loop_is_told(block: &Block, row: &Row, arguments: &[usize; 6]) -> isize {
    match row.at_once {
        _ if !block.reach.refuses_loops() => INTERRUPTED,
        Some(AtOnce::CountInNoMilliseconds(time)) if arguments[time] as i32 > 0 => 0,
        Some(AtOnce::CountInNoTime(time)) if arguments[time] != 0 => 0,
        _ => -libc::ECANCELED as isize,
    }
}

/// Where event loops are refused, sleeps are made to wait for a hundredth of the time that others are: some
/// loops count what they have asked for, as sqlite's busy wait does, and so end soon.
fn end_sleep(block: &Block) -> isize {
    note_cut_short(block);
    backoff::apply_for(block, if block.reach.refuses_loops() { SLEEP } else { backoff::LONGEST });
    0
}

const SLEEP: Duration = Duration::from_micros(100);

fn refuse_poll(block: &Block, now: Moment, number: c_long, arguments: &[usize; 6]) -> isize {
    match patience::ask(block, now, number, arguments) {
        PollAnswer::Interrupted => {
            note_cut_short(block);
            INTERRUPTED
        }
        PollAnswer::InterruptedForEver => after_backoff(block, INTERRUPTED),
        PollAnswer::Refused => refuse(block),
        PollAnswer::Readable => after_backoff(block, 1),
    }
}

/// What a wait on a futex is told that by the table would be run, if it is not (S20). Nobody is told that a
/// call was cut short: most who wait so go on.
pub(crate) fn wake(
    block: &Block,
    now: Moment,
    number: c_long,
    arguments: &[usize; 6],
) -> Option<isize> {
    let row = table::row(number).filter(|row| row.answer == Answer::WakeTwice)?;
    if row.unless.iter().any(|unless| holds(*unless, block, now, arguments)) {
        return None;
    }
    let cause = allowance::cause(block);
    block.answering.ended_waits.end(cause, arguments[0]).map(|error| -(error as isize))
}

fn refuse(block: &Block) -> isize {
    after_backoff(block, -libc::ECANCELED as isize)
}

/// With back-off, for code that asks again and again.
fn after_backoff(block: &Block, result: isize) -> isize {
    note_cut_short(block);
    backoff::apply(block);
    result
}

/// A call has been ended for the cause that stands, whatever it is told: the requester hears of it, or the
/// deadline.
pub(crate) fn note_cut_short(block: &Block) {
    if block.word.is_armed_by(DEADLINE) {
        block.deadlines.note_refusal();
    }
    // SAFETY: the pointer is null, or to a task's count that lives as long as the task is on this
    // thread's stack, and it is this thread that takes it off.
    if let Some(refusals) = unsafe { block.refusals.load(Ordering::Acquire).as_ref() } {
        refusals.count.fetch_add(1, Ordering::Release);
        refusals.notify_waiters();
    }
}

static LIBUV: Library = Library::new(b"/libuv");

/// Another thread holds its lock for some syscalls.
const UV_LOCKS_FOR: Duration = Duration::from_millis(10);

/// Whether an exception of the table's holds.
pub(super) fn holds(unless: Unless, block: &Block, now: Moment, arguments: &[usize; 6]) -> bool {
    match unless {
        Unless::Nonblocking(fd) => {
            descriptor::is_nonblocking(arguments[fd]) && !patience::is_ignored(block, arguments[fd])
        }
        Unless::BothNonblocking(one, other) => {
            descriptor::is_nonblocking(arguments[one])
                && descriptor::is_nonblocking(arguments[other])
        }
        Unless::Datagrams(fd) => descriptor::is_of_datagrams(arguments[fd]),
        Unless::EndsByItself(fd, events) => match descriptor::kind(arguments[fd]) {
            // A closed descriptor has an error of its own to give.
            None | Some(Kind::File) => true,
            Some(Kind::Device) => descriptor::is_ready(arguments[fd], events),
            Some(_) => false,
        },
        Unless::Flag(index, bits) => arguments[index] & bits != 0,
        Unless::NoFlag(index, bits) => arguments[index] & bits == 0,
        Unless::NoneOf(index, numbers) => !numbers.contains(&(arguments[index] as i32)),
        Unless::ZeroMilliseconds(index) => arguments[index] as i32 == 0,
        Unless::ZeroTime(index) => {
            arguments[index] != 0 && memory::peek::<2>(arguments[index]) == Some([0, 0])
        }
        Unless::AsksForNone(index) => arguments[index] as i32 == 0,
        Unless::NoFifo { directory, path, flags } => {
            let flags = match flags {
                OpenFlags::In(index) => arguments[index],
                #[cfg(target_arch = "x86_64")]
                OpenFlags::Creats => libc::O_WRONLY as usize,
                OpenFlags::Behind(index) => {
                    memory::peek(arguments[index]).map_or(0, |[flags]| flags)
                }
            };
            let from = directory.map_or(libc::AT_FDCWD as usize, |index| arguments[index]);
            opens_at_once(flags as i32) || !descriptor::is_fifo(from, arguments[path])
        }
        Unless::ExecStatus { fd, length } => {
            let [fd, length] = [arguments[fd], arguments[length]];
            // A fork from before the thread was reached was not seen. A socket of packets is
            // std's all the same, and four bytes are libuv's. (What is no socket is told sooner than what it is.)
            matches!(length, 4 | 8) && {
                let is_stds = block.answering.last_fork.load(Ordering::Relaxed) > 0
                    || descriptor::is_of_packets(fd);
                (is_stds || length == 4)
                    && is_exec_status(fd, length)
                    && (is_stds || process::has_children() && LIBUV.is_mapped(now))
            }
        }
        Unless::ExecReport { fd, length } => {
            block.answering.last_fork.load(Ordering::Relaxed) < 0
                && is_exec_status(arguments[fd], arguments[length])
        }
        Unless::UvLock { fd, length, events } => {
            // It takes the lock with all signals blocked. What is mapped is asked last: it takes longer than
            // the interrupt.
            let is_blocked = || signals::mask() & ours::set() != 0;
            arguments[length] == 1
                && descriptor::is_close_on_exec(arguments[fd])
                && descriptor::kind(arguments[fd]) == Some(Kind::Pipe)
                && (events == libc::POLLOUT || is_blocked())
                && LIBUV.is_mapped(now)
                && descriptor::is_ready_within(arguments[fd], events, UV_LOCKS_FOR)
        }
        Unless::Unlocks(index) => {
            // The type is the first, and a short.
            let lock = memory::peek(arguments[index]);
            lock.is_some_and(|[first]| first as i16 == libc::F_UNLCK as i16)
        }
        Unless::Releases { operations, count } => {
            never_waits(arguments[operations], arguments[count])
        }
        Unless::Dying(index) => {
            let process = arguments[index] as i32;
            process > 0 && block.answering.last_killed.load(Ordering::Relaxed) == process
        }
        Unless::StandardOutput(fd) => matches!(arguments[fd], 1 | 2),
    }
}

/// Whether even a FIFO is opened without waiting for its other end. (Who opens it for both is its
/// other end.)
fn opens_at_once(flags: i32) -> bool {
    flags & (libc::O_NONBLOCK | libc::O_PATH) != 0 || flags & libc::O_ACCMODE == libc::O_RDWR
}

fn is_exec_status(fd: usize, length: usize) -> bool {
    matches!(length, 4 | 8)
        && matches!(descriptor::kind(fd), Some(Kind::Pipe | Kind::Packets))
        && descriptor::is_close_on_exec(fd)
}

/// Whether operations on a set of semaphores (`struct sembuf`) never wait: each is a release or an
/// attempt.
fn never_waits(operations: usize, count: usize) -> bool {
    let mut buffer = [libc::sembuf { sem_num: 0, sem_op: 0, sem_flg: 0 }; 32];
    let Some(copy) = buffer.get_mut(..count) else { return false };
    memory::look(operations, copy.as_mut_ptr().cast(), size_of_val(copy))
        && copy.iter().all(|operation| {
            operation.sem_op > 0 || operation.sem_flg & libc::IPC_NOWAIT as i16 != 0
        })
}
