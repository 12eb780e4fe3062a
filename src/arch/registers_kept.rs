//! What is the same on aarch64 and riscv64: a syscall leaves every register as it is but that of its first argument,
//! which gets the result. Its number has a register of its own; and the kernel's frame is a siginfo and a context.
//!
//! # Safety
//!
//! The label is one of an instruction of ours. The tests hand the kernel variables of their own.

#![allow(unsafe_code)]

use core::mem::offset_of;
use libc::{c_long, ucontext_t};

use super::machine::{
    FIRST, NUMBER, SP, SYSCALL_INSTRUCTION, general, general_mut, pc, set_pc, sp,
};

unsafe extern "C" {
    static eintr_program_syscall: u8;
}

/// Where an `rt_sigreturn` at which the context stands finds the mask that it restores: the frame
/// is a siginfo and a context.
pub(crate) fn mask_to_restore(context: &ucontext_t) -> usize {
    sp(context) + size_of::<libc::siginfo_t>() + offset_of!(ucontext_t, uc_sigmask)
}

/// Where it finds the alternate stack that it restores.
pub(crate) fn stack_to_restore(context: &ucontext_t) -> usize {
    sp(context) + size_of::<libc::siginfo_t>() + offset_of!(ucontext_t, uc_stack)
}

/// Where it finds the stack pointer that it restores.
pub(crate) fn sp_to_restore(context: &ucontext_t) -> usize {
    sp(context) + size_of::<libc::siginfo_t>() + SP
}

/// Where a door of ours has put where it returns to: the kernel's frame begins with the siginfo.
pub(super) fn return_address(context: *const ucontext_t) -> *mut usize {
    (context as usize - size_of::<libc::siginfo_t>() - size_of::<usize>()) as *mut usize
}

/// A syscall leaves every register but its result's as it is: none can say where to go on. So our handler
/// makes it.
pub(crate) const RUNS_THERE: bool = false;

pub(crate) const RUN_DEPTH: usize = 0;

pub(crate) fn run_there(_context: &mut ucontext_t) {}

pub(crate) fn clone_there(_context: &mut ucontext_t) {}

/// Our handler, which is about to make a syscall of the program's or to make it again, asks about it anew.
pub(crate) fn put_back(context: &mut ucontext_t) {
    if number_made_again(context).is_some() {
        end_run(context, super::ASK_AGAIN);
    }
}

/// The number of a syscall of the program's in our handler which a signal has interrupted, and which is
/// about to be made again; or which was never made: it looks the same.
pub(crate) fn number_made_again(context: &ucontext_t) -> Option<c_long> {
    (pc(context) == &raw const eintr_program_syscall as usize).then(|| number(context))
}

/// Our handler goes on behind such a syscall, with that result.
pub(crate) fn end_run(context: &mut ucontext_t, result: isize) {
    step_over(context);
    set_result(context, result);
}

/// No register tells.
pub(crate) fn was_entered(_context: &ucontext_t) -> bool {
    false
}

/// The number of the syscall that the counter stands at.
pub(crate) fn number(context: &ucontext_t) -> c_long {
    general(context)[NUMBER] as c_long
}

/// The result of the syscall that the counter stands behind.
pub(crate) fn result(context: &ucontext_t) -> isize {
    general(context)[FIRST] as isize
}

/// Whether a syscall's number is still there when it has returned: it has a register of its own.
pub(crate) const KEEPS_NUMBER: bool = true;

/// The number of the syscall that the counter stands behind: it stays in its register.
pub(crate) fn number_behind(context: &ucontext_t) -> Option<c_long> {
    Some(number(context))
}

/// Steps over the syscall instruction.
pub(super) fn step_over(context: &mut ucontext_t) {
    set_pc(context, pc(context) + SYSCALL_INSTRUCTION.len());
}

/// The arguments of a syscall.
pub(crate) fn arguments(context: &ucontext_t) -> [usize; 6] {
    std::array::from_fn(|i| general(context)[FIRST + i] as usize)
}

/// Gives a syscall a result.
pub(crate) fn set_result(context: &mut ucontext_t, result: isize) {
    general_mut(context)[FIRST] = result as u64;
}

/// Makes the trapped syscall once more. The counter stands behind its instruction.
pub(crate) fn retry(context: &mut ucontext_t) {
    set_pc(context, pc(context) - SYSCALL_INSTRUCTION.len());
}

#[cfg(test)]
mod tests {
    use std::ffi::c_int;
    use std::os::fd::AsRawFd;
    use std::os::unix::thread::JoinHandleExt;
    use std::thread;

    use libc::{c_void, siginfo_t};

    use super::super::eintr_raw_for_program;
    use super::*;

    /// Ends the call that is made for the program, where it finds that.
    extern "C" fn on_signal(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: the kernel hands a context, which is the handler's until it returns.
        let context = unsafe { &mut *context.cast::<ucontext_t>() };
        match number_made_again(context) {
            Some(libc::SYS_read) => end_run(context, -libc::EINTR as isize),
            _ => put_back(context),
        }
    }

    #[test]
    fn a_call_that_is_made_for_the_program_is_ended_or_asked_about_anew() {
        // SAFETY: a set, and a handler that is what it is said to be.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            assert_eq!(libc::sigaction(libc::SIGWINCH, &action, std::ptr::null_mut()), 0);
        }
        let (silent, _writer) = std::io::pipe().unwrap();
        let reader = thread::spawn(move || {
            let mut byte = 0_u8;
            let buffer = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
            let [fd, place] = [silent.as_raw_fd() as usize, &raw mut byte as usize];
            // SAFETY: the kernel writes one byte.
            let ended = unsafe { eintr_raw_for_program(libc::SYS_read, fd, place, 1, 0, 0, 0) };
            let place = &raw const buffer as usize;
            // SAFETY: as above.
            [ended, unsafe { eintr_raw_for_program(libc::SYS_readv, fd, place, 1, 0, 0, 0) }]
        });
        while !reader.is_finished() {
            // SAFETY: it has not been joined.
            unsafe { libc::pthread_kill(reader.as_pthread_t(), libc::SIGWINCH) };
            thread::yield_now();
        }
        assert_eq!(reader.join().unwrap(), [-libc::EINTR as isize, crate::arch::ASK_AGAIN]);
    }
}
