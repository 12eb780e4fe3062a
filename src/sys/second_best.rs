//! Reach where there is no dispatch: the handler itself answers the plain call that its signal
//! found (S10).
//!
//! A call that the kernel restarts, or that has not begun, stands at its instruction with its
//! number: it is answered by the table, as if it had been trapped. A call that returned -EINTR (a
//! sleep, a poll) stands behind its instruction. On aarch64 the number is still in its register. On
//! x86_64 it is gone; there the asker looks at `/proc/self/task/TID/syscall` before it sends, and
//! the handler believes that if the counter, the stack pointer and the first arguments are those
//! that the asker saw. (The first two alone are not enough for the shots of the repeat timer, which
//! come later: glibc's `syscall`, and since 2.41 all its waiting calls, share one instruction, and
//! a poll and a sleep may stand there on the same stack. std panics if a sleep ends with an error
//! that is a poll's.) A deadline's signal has no such asker.
//!
//! It is second best for its window: a signal that comes just before the call is made good only by
//! the repeat timer.
//!
//! # Safety
//!
//! The asker reads a file into a buffer of its own.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use libc::{c_long, ucontext_t};

use super::block::Block;
use super::clock::Moment;
use super::raw::syscall;
use super::{answer, arch, dispatch, instruction};
use crate::reach::table;

/// Where an asker saw a thread sleep: in which syscall, and with which first arguments, stack and
/// counter.
///
/// Another asker may write it while the handler reads it. So the number goes first and comes last,
/// and one that changed meanwhile is none. (The release and acquire of each are for their order.)
pub(super) struct Sighting {
    number: AtomicI64,
    place: [AtomicUsize; 4],
}

const NONE: c_long = -1;

impl Sighting {
    pub(super) const fn none() -> Self {
        Self { number: AtomicI64::new(NONE), place: [const { AtomicUsize::new(0) }; 4] }
    }

    fn forget(&self) {
        self.number.store(NONE, Ordering::Release);
    }

    fn set(&self, number: c_long, place: [usize; 4]) {
        self.forget();
        for (word, is) in self.place.iter().zip(place) {
            word.store(is, Ordering::Release);
        }
        self.number.store(number, Ordering::Release);
    }

    /// The syscall, if the thread still stands where it was seen. (Under valgrind `/proc` shows a
    /// stack and a counter of valgrind's own; the arguments have to do.)
    fn number_at(&self, context: &ucontext_t) -> Option<c_long> {
        let number = self.number.load(Ordering::Acquire);
        let [first, second, ..] = arch::arguments(context);
        let here = [first, second, arch::sp(context), arch::pc(context)];
        let known = if arch::on_valgrind() { 2 } else { 4 };
        let mut words = here.iter().zip(&self.place).take(known);
        let is_there = words.all(|(is, word)| word.load(Ordering::Acquire) == *is);
        let is_whole = self.number.load(Ordering::Relaxed) == number;
        (is_there && is_whole && number != NONE).then_some(number)
    }
}

/// The asker's look at a thread that it is about to signal.
pub(super) fn look(block: &Block, tid: i32) {
    if arch::KEEPS_NUMBER || dispatch::was_usable() || !block.reach.load(Ordering::Relaxed) {
        return;
    }
    block.seen.forget();
    let mut buffer = [0_u8; 256];
    let Some(line) = read_syscall_file(tid, &mut buffer) else { return };
    // The number; six arguments, the stack pointer and the counter.
    let mut words = line.split_ascii_whitespace();
    let number = words.next().and_then(|word| word.parse().ok()).filter(|number| *number >= 0);
    let mut addresses = [0; 8];
    for address in &mut addresses {
        let hexadecimal = words.next().and_then(|word| word.strip_prefix("0x"));
        let Some(word) = hexadecimal.and_then(|word| usize::from_str_radix(word, 16).ok()) else {
            return;
        };
        *address = word;
    }
    let [first, second, .., sp, pc] = addresses;
    if let Some(number) = number {
        block.seen.set(number, [first, second, sp, pc]);
    }
}

/// `/proc/self/task/TID/syscall`, without an allocation: the caller holds the record's lock.
fn read_syscall_file(tid: i32, buffer: &mut [u8; 256]) -> Option<&str> {
    let mut path = [0_u8; 64];
    use std::io::Write;
    write!(&mut path[..63], "/proc/self/task/{tid}/syscall").ok()?;
    let from = libc::AT_FDCWD as usize;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
    // SAFETY: a path that ends with a null byte.
    let fd = unsafe { syscall(libc::SYS_openat, [from, path.as_ptr() as usize, flags]) }.ok()?;
    let arguments = [fd, buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most as much as the buffer holds.
    let read = unsafe { syscall(libc::SYS_read, arguments) };
    // SAFETY: our own descriptor.
    let _ = unsafe { syscall(libc::SYS_close, [fd]) };
    std::str::from_utf8(&buffer[..read.ok()?]).ok()
}

/// Answers the plain call that the context stands at or behind, from the handler.
pub(super) fn interrupt(block: &Block, context: &mut ucontext_t) {
    answer::begin(block, Moment::now_in_handler());
    if instruction::is_at_syscall(context) {
        answer_before(block, context);
    } else if instruction::is_behind_interrupted_syscall(context) {
        let number = arch::number_behind(context).or_else(|| block.seen.number_at(context));
        // It has waited, so no exception holds.
        let row = number.and_then(table::row);
        if let Some(result) = row.and_then(|row| answer::unrun(block, row.answer)) {
            arch::set_result(context, result);
        }
    }
}

fn answer_before(block: &Block, context: &mut ucontext_t) {
    let (number, arguments) = (arch::number(context), arch::arguments(context));
    if let Ok(result) = answer::by_table(block, number, &arguments) {
        arch::skip_syscall(context, result);
    }
}
