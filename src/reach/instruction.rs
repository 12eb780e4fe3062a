//! Whether a context stands at a syscall instruction, or behind one.
//!
//! # Safety
//!
//! Code is read where the thread executes, after the kernel has said that it can be read.

#![allow(unsafe_code)]

use libc::ucontext_t;

use crate::arch;
use crate::kernel::memory::is_readable;

/// No page is smaller.
const PAGE: usize = 4096;

/// Whether the context stands at a syscall instruction: about to make the syscall, or to make it
/// again.
pub(crate) fn is_at_syscall(context: &ucontext_t) -> bool {
    is_syscall_instruction(arch::pc(context))
}

/// Whether the context stands behind a syscall that returned -EINTR.
pub(crate) fn is_behind_interrupted_syscall(context: &ucontext_t) -> bool {
    let before = arch::pc(context).wrapping_sub(arch::SYSCALL_INSTRUCTION.len());
    arch::result(context) == -(libc::EINTR as isize) && is_syscall_instruction(before)
}

fn is_syscall_instruction(address: usize) -> bool {
    // The upper half is the kernel's; the vsyscall page there is executable and cannot be read
    // (S9).
    if address == 0 || address > isize::MAX as usize {
        return false;
    }
    // Where the thread executes there is code, but it may be mapped for execution only; and before
    // it there may be nothing. The kernel is asked about pages.
    let last = address + arch::SYSCALL_INSTRUCTION.len() - 1;
    let is_in_one_page = address / PAGE == last / PAGE;
    if !is_readable(address) || !is_in_one_page && !is_readable(last) {
        return false;
    }
    // SAFETY: it can be read, as the kernel has just said.
    let byte_is = |i: usize, byte: u8| unsafe { *((address + i) as *const u8) } == byte;
    arch::SYSCALL_INSTRUCTION.iter().enumerate().all(|(i, byte)| byte_is(i, *byte))
}
