//! Reach where there is no dispatch: the handler itself answers the plain call that its signal
//! found (S10).
//!
//! A call that the kernel restarts, or that has not begun, stands at its instruction with its
//! number: it is answered by the table, as if it had been trapped. A call that returned -EINTR (a
//! sleep, a poll) stands behind its instruction. On aarch64 the number is still in its register. On
//! x86_64 it is gone; there the asker looks at `/proc/self/task/TID/syscall` before it sends, and
//! the handler believes that if the counter and the stack pointer are those that the asker saw. A
//! deadline's signal has no such asker.
//!
//! It is second best for its window: a signal that comes just before the call is made good only by
//! the repeat timer.
//!
//! # Safety
//!
//! The asker reads a file into a buffer of its own.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use libc::{c_long, ucontext_t};

use super::block::Block;
use super::raw::syscall;
use super::{answer, arch, dispatch, time};
use crate::reach::table;

/// Where an asker saw a thread sleep: in which syscall, and with which counter and stack.
pub(super) struct Sighting {
    number: AtomicI64,
    sp: AtomicUsize,
    pc: AtomicUsize,
}

impl Sighting {
    pub(super) const fn none() -> Self {
        Self { number: AtomicI64::new(-1), sp: AtomicUsize::new(0), pc: AtomicUsize::new(0) }
    }

    fn set(&self, number: c_long, sp: usize, pc: usize) {
        self.sp.store(sp, Ordering::Relaxed);
        self.pc.store(pc, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
    }

    /// The syscall, if the thread still stands where it was seen.
    fn number_at(&self, context: &ucontext_t) -> Option<c_long> {
        let is_there = self.pc.load(Ordering::Relaxed) == arch::pc(context)
            && self.sp.load(Ordering::Relaxed) == arch::sp(context);
        is_there.then(|| self.number.load(Ordering::Relaxed)).filter(|number| *number >= 0)
    }
}

/// The asker's look at a thread that it is about to signal.
pub(super) fn look(block: &Block, tid: i32) {
    if dispatch::is_available() || !block.reach.load(Ordering::Relaxed) {
        return;
    }
    block.seen.set(-1, 0, 0);
    let mut buffer = [0_u8; 256];
    let Some(line) = read_syscall_file(tid, &mut buffer) else { return };
    let mut words = line.split_ascii_whitespace();
    let number = words.next().and_then(|word| word.parse().ok());
    let hexadecimal = |word: &str| usize::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let mut addresses = words.skip(6).filter_map(hexadecimal);
    if let (Some(number), Some(sp), Some(pc)) = (number, addresses.next(), addresses.next()) {
        block.seen.set(number, sp, pc);
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
    answer::begin(block, time::now_nanos());
    if arch::is_at_syscall(context) {
        answer_before(block, context);
    } else if arch::is_behind_interrupted_syscall(context) {
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
