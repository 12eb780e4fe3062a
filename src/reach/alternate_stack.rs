//! A wider alternate stack for a thread that is reached.
//!
//! std gives each thread an alternate stack of 8 KB, and a signal's frame is 3.4 KB with AVX-512. A
//! handler of the application's that runs there and makes a syscall needs two of them while
//! dispatch is on, and what we put on top: that was death by overflow. So at the first syscall at
//! which a thread with such a stack is stopped, it gets one that is wide enough, and keeps it to its
//! end. (Rejected: at each managed thread's beginning, for it would cost every thread what few need;
//! and where dispatch begins, for our signal's handler runs on that very stack, and the kernel does
//! not change it then.)
//!
//! # Safety
//!
//! The mapping is this thread's alone, and unmapped at its end only, when it is in force no more.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use libc::{stack_t, ucontext_t};

use crate::arch;
use crate::kernel::raw::syscall;
use crate::thread::block::AlternateStack;

/// Room for two frames of the largest kind, and for the handlers.
const ENOUGH: usize = 32 * 1024;
const SIZE: usize = 64 * 1024;
/// Below it, where nobody may write.
const GUARD: usize = 4096;

impl AlternateStack {
    /// Gives the interrupted code a wider one, if it has one that is too small, and does not run
    /// there now. For the handler of SIGSYS, whose return restores what the context says. Once is
    /// enough: it is rarely changed again.
    pub(crate) fn widen(&self, context: &mut ucontext_t) {
        if self.base.load(Ordering::Relaxed) != 0 {
            return;
        }
        if let Some(wider) = self.wider(&context.uc_stack, arch::sp(context)) {
            put_in_force(&wider);
            context.uc_stack = wider;
        }
    }

    fn wider(&self, stack: &stack_t, sp: usize) -> Option<stack_t> {
        let start = stack.ss_sp as usize;
        let is_there = stack.ss_flags == 0 && stack.ss_size > 0;
        if !is_there || stack.ss_size >= ENOUGH || sp.wrapping_sub(start) < stack.ss_size {
            return None;
        }
        let base = self.map()?;
        self.replaced[0].store(start, Ordering::Relaxed);
        self.replaced[1].store(stack.ss_size, Ordering::Relaxed);
        Some(stack_t { ss_sp: base as *mut libc::c_void, ss_flags: 0, ss_size: SIZE })
    }

    fn map(&self) -> Option<usize> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        let anywhere = [0, GUARD + SIZE, libc::PROT_NONE as usize, flags as usize, usize::MAX, 0];
        // SAFETY: a new mapping, wherever the kernel likes.
        let base = unsafe { syscall(libc::SYS_mmap, anywhere) }.ok()? + GUARD;
        let access = (libc::PROT_READ | libc::PROT_WRITE) as usize;
        // SAFETY: the new mapping, which nobody uses yet.
        unsafe { syscall(libc::SYS_mprotect, [base, SIZE, access]) }.ok()?;
        self.base.store(base, Ordering::Relaxed);
        Some(base)
    }

    /// Gives the thread back what it had. At its end, when no handler runs on it.
    pub(crate) fn give_back(&self) {
        let base = self.base.swap(0, Ordering::Relaxed);
        if base == 0 {
            return;
        }
        let [start, size] = [0, 1].map(|index| self.replaced[index].load(Ordering::Relaxed));
        let before = stack_t { ss_sp: start as *mut libc::c_void, ss_flags: 0, ss_size: size };
        if in_force().ss_sp as usize == base {
            put_in_force(&before);
        }
        // SAFETY: our own mapping, in force no more.
        let _ = unsafe { syscall(libc::SYS_munmap, [base - GUARD, GUARD + SIZE]) };
    }
}

/// This thread's alternate stack.
fn in_force() -> stack_t {
    let mut now = stack_t { ss_sp: std::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the kernel writes which stack it is.
    let _ = unsafe { syscall(libc::SYS_sigaltstack, [0, &raw mut now as usize]) };
    now
}

/// Makes it that one: ours, or the one that the thread had set and that nobody but it gives up.
fn put_in_force(stack: &stack_t) {
    // SAFETY: the kernel reads it, and writes to it from then on, as it may.
    let _ = unsafe { syscall(libc::SYS_sigaltstack, [&raw const *stack as usize, 0]) };
}
