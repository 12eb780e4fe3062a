//! The requester's look at a thread that it is about to signal, where there is no dispatch (S10): in
//! which syscall does it sleep, by `/proc`?
//!
//! Another requester may write it while the handler reads it. So the number goes first and comes last,
//! and one that changed meanwhile is none. (The release and acquire of each are for their order.)
//!
//! # Safety
//!
//! A file is read into a buffer of the function's own.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use libc::{c_long, ucontext_t};

use super::block::{Block, ProcSyscall};
use crate::arch;
use crate::kernel::raw::syscall;

impl ProcSyscall {
    fn forget(&self) {
        self.number.store(Self::NONE, Ordering::Release);
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
    pub(crate) fn number_at(&self, context: &ucontext_t) -> Option<c_long> {
        let number = self.number.load(Ordering::Acquire);
        let [first, second, ..] = arch::arguments(context);
        let here = [first, second, arch::sp(context), arch::pc(context)];
        let known = if arch::on_valgrind() { 2 } else { 4 };
        let mut words = here.iter().zip(&self.place).take(known);
        let is_there = words.all(|(is, word)| word.load(Ordering::Acquire) == *is);
        let is_whole = self.number.load(Ordering::Relaxed) == number;
        (is_there && is_whole && number != Self::NONE).then_some(number)
    }
}

/// There is no dispatch, as far as was known when a thread was last to be reached.
static IS_NEEDED: AtomicBool = AtomicBool::new(true);

/// Says whether there is none. Seldom written: every requester reads it.
pub(crate) fn is_needed_if(is_needed: bool) {
    if self::is_needed() != is_needed {
        IS_NEEDED.store(is_needed, Ordering::Relaxed);
    }
}

pub(crate) fn is_needed() -> bool {
    IS_NEEDED.load(Ordering::Relaxed)
}

/// The requester's look at a thread that it is about to signal.
pub(crate) fn sample(block: &Block, tid: i32) {
    if arch::KEEPS_NUMBER || !is_needed() || !block.reach.is_on() {
        return;
    }
    block.proc_syscall.forget();
    let mut buffer = [0_u8; 256];
    if let Some((number, place)) = read_syscall_file(tid, &mut buffer).and_then(number_and_place) {
        block.proc_syscall.set(number, place);
    }
}

/// Of a line with the number, six arguments, the stack pointer and the counter.
fn number_and_place(line: &str) -> Option<(c_long, [usize; 4])> {
    let mut words = line.split_ascii_whitespace();
    let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
    let mut addresses = [0; 8];
    for address in &mut addresses {
        *address = usize::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    let [first, second, .., sp, pc] = addresses;
    Some((number, [first, second, sp, pc]))
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
