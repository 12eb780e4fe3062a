//! Polls that are told EINTR, as POSIX knows it, before they are refused.
//!
//! Much code goes on after EINTR and looks at what it waits for, or at a flag; some takes any other
//! error of a poll's for a fault of its own, and dies (S19). So each poll is told EINTR for a while.
//! What goes on after each EINTR would go on for ever: after that time it is refused. A poll is known
//! by its descriptors, since where they lie changes from one try to the next, and so does its time.
//!
//! Some take no heed of any error, and go on to a read with O_NONBLOCK, whose EAGAIN leads back to the
//! poll: CPython's ssl with a timeout. That flag does not keep such a read from being refused. Others poll
//! again, as if nothing had been told: libdbus. They are told that there is something to read, as a poll
//! may, and come to the read.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use libc::c_long;

use super::{allowance, at_once};
use crate::kernel::{Library, Moment, memory};
use crate::thread::Block;
use crate::thread::block::InterruptedPoll;

/// How long a poll is told EINTR.
const FOR: Duration = Duration::from_millis(1);
/// How long it is remembered, at least. More polls than there is room for are told nothing else.
const REMEMBERED: Duration = Duration::from_millis(100);

/// Of a `struct pollfd`, all but what it is told.
const ASKED: usize = 0xffff_ffff_ffff;

/// So often a poll of one descriptor is refused, with nothing done between and no wait of an event
/// loop's, before it counts as ignored.
const IGNORED: u32 = 16;

/// Its signaler asserts that poll fails with nothing but EINTR, also long after: on its way out.
static LIBZMQ: Library = Library::new(b"/libzmq");

/// What a poll is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollAnswer {
    /// EINTR, and the caller may go on at once.
    Interrupted,
    /// EINTR, as ever, and the caller is made to wait.
    InterruptedForEver,
    Refused,
    /// That there is something to read, and the caller is made to wait.
    Readable,
}

/// What this `poll` or `select` is told now.
pub(crate) fn ask(
    block: &Block,
    now: Moment,
    number: c_long,
    arguments: &[usize; 6],
) -> PollAnswer {
    let (descriptors, only) = descriptors(number, arguments);
    let poll = find(block, now, allowance::cause(block) ^ descriptors);
    let mut refused = 0;
    if let Some(poll) = poll {
        if now.since(poll.since.get()) <= FOR {
            return PollAnswer::Interrupted;
        }
        poll.only.store(only, Relaxed);
        refused = poll.refused.fetch_add(1, Relaxed);
    }
    match () {
        () if is_told_eintr_alone(now) => PollAnswer::InterruptedForEver,
        () if only >= 0 && refused >= IGNORED && tell_readable(arguments[0]) => {
            PollAnswer::Readable
        }
        () => PollAnswer::Refused,
    }
}

/// Whether polls are event loops' here: what is ready is told for ever, and EINTR if nothing is.
pub(crate) fn is_told_eintr_alone(now: Moment) -> bool {
    LIBZMQ.is_mapped(now)
}

/// Says of a `struct pollfd` that there is something to read, if that was asked.
fn tell_readable(address: usize) -> bool {
    const IN: usize = libc::POLLIN as usize;
    memory::peek(address).is_some_and(|[polled]: [usize; 1]| {
        polled >> 32 & IN != 0 && memory::poke(address, &[polled & ASKED | IN << 48])
    })
}

/// Whether what polls of that descriptor were told is ignored.
pub(super) fn is_ignored(block: &Block, fd: usize) -> bool {
    let is_it = |poll: &InterruptedPoll| poll.only.load(Relaxed) == fd as i32;
    let all = &block.answering.polls;
    all.iter().any(|poll| is_it(poll) && poll.refused.load(Relaxed) >= IGNORED)
}

/// What is remembered of a poll, from now on if it was not before; none if there is no room.
fn find(block: &Block, now: Moment, number: u64) -> Option<&InterruptedPoll> {
    let all = &block.answering.polls;
    if let Some(poll) = all.iter().find(|poll| poll.number.load(Relaxed) == number) {
        return Some(poll);
    }
    let oldest = all.iter().min_by_key(|poll| poll.since.get())?;
    if now.since(oldest.since.get()) <= REMEMBERED {
        return None;
    }
    oldest.number.store(number, Relaxed);
    oldest.refused.store(0, Relaxed);
    oldest.since.set(now);
    Some(oldest)
}

/// The first descriptor of a poll. (What a select waits for is no one number.)
pub(super) fn first(number: c_long, arguments: &[usize; 6]) -> usize {
    let polled = if is_select(number) { None } else { memory::peek(arguments[0]) };
    polled.map_or(usize::MAX, |[polled]| polled)
}

/// A number for what is waited for; and the descriptor, if it is a poll of one alone, or -1.
fn descriptors(number: c_long, arguments: &[usize; 6]) -> (u64, i32) {
    let [first, second, third, fourth, ..] = *arguments;
    if is_select(number) {
        let sets = at_once::select_sets(first, [second, third, fourth]);
        return (sets.map_or(0, |(sets, _)| mixed(first, sets.as_flattened())), -1);
    }
    let mut polled = [0_usize; 64];
    let count = second.min(polled.len());
    // What came of the last try is no part of it.
    memory::copy(first, polled.as_mut_ptr().cast(), count * size_of::<libc::pollfd>());
    polled.iter_mut().for_each(|polled| *polled &= ASKED);
    (mixed(second, &polled[..count]), if second == 1 { polled[0] as i32 } else { -1 })
}

#[cfg(target_arch = "x86_64")]
fn is_select(number: c_long) -> bool {
    matches!(number, libc::SYS_select | libc::SYS_pselect6)
}

#[cfg(not(target_arch = "x86_64"))]
fn is_select(number: c_long) -> bool {
    number == libc::SYS_pselect6
}

fn mixed(count: usize, words: &[usize]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    words
        .iter()
        .fold(count as u64, |mixed, word| (mixed ^ *word as u64).wrapping_mul(ODD).rotate_left(29))
}
