//! The one door to what differs between architectures.
//!
//! A file here supplies
//!
//! * `eintr_call`, the trampoline, with the labels `begin`, `end`, `cancelled` and `limit`: it
//!   marks the call open in the block, tests the block's first word, makes the syscall and closes
//!   the mark;
//! * `eintr_abandon`, the frame of a call that may be left, with the labels `begin`, `returned` and
//!   `limit`, and `cancelled` between the last two; the mask is the second word of such a frame;
//! * `eintr_raw`, a syscall without test and without errno, for use in handlers, with the label `end`;
//!   `eintr_raw_for_program`, the same for a syscall of the program's own;
//! * `eintr_set_alternate_stack` and `eintr_with_room`, which leave the stack for a while;
//! * `eintr_restorer`, for `rt_sigaction`; `door`, by which the kernel calls a handler of ours, and
//!   `return_address`, where that finds the way back;
//! * `mark_before`, the mark that the open call found when it set its own;
//! * `registers`, those by which a stack is unwound;
//! * `pc`, `set_pc`, `sp`, `set_sp`, `number`, `KEEPS_NUMBER`, `number_behind`, `arguments`,
//!   `result`, `set_result`, `step_over`, `retry` and `SYSCALL_INSTRUCTION`, the saved context;
//! * `mask_to_restore`, `stack_to_restore` and `sp_to_restore`, where an `rt_sigreturn` finds what it
//!   restores; `has_shadow_stack`, whether a return address cannot be changed;
//! * `RUNS_THERE`, whether a trapped syscall can be made where the thread stands. `run_there` has it made
//!   so, and writes `RUN_DEPTH` bytes below its stack pointer; `clone_there`, the same where a new thread
//!   is to come out as well; `put_back` puts a thread that has not made it back to where it was trapped.
//!   `number_made_again` and `end_run`, for one that a signal has interrupted, there or in our handler (which
//!   is told [`ASK_AGAIN`] for one that is put back);
//!   `was_entered`, whether it looks as if one had, wherever it is made;
//! * `AUDIT_ARCH` and `eintr_on_valgrind`, for reach. The raw syscalls, what
//!   leaves the stack, and the restorer lie between `eintr_stub_start` and `eintr_stub_limit`.
//!
//! P and S, where comments cite them, are the numbers of `docs/promises-and-rules.md`.
//!
//! # Safety
//!
//! The trampoline and the raw syscall are as unsafe as the syscall that they are told to make.

#![allow(unsafe_code)]

use libc::{c_int, c_long, c_void, ucontext_t};

#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod machine;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod machine;

/// Not supported: what is missing says `docs/kernels.md`. With that cfg it can be worked on.
#[cfg(all(target_arch = "riscv64", eintr_unfinished_riscv64))]
#[path = "riscv64.rs"]
mod machine;

#[cfg(any(target_arch = "aarch64", eintr_unfinished_riscv64))]
mod registers_kept;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", eintr_unfinished_riscv64)))]
compile_error!(
    "eintr knows the machine code of x86_64 and aarch64 only (of riscv64 one half is there, and no unwinder, \
     no test of its window, no run but on emulated machines: see docs/kernels.md)"
);

unsafe extern "C" {
    /// The trampoline: the kernel's result, or [`CANCELLED`]. The block is a `Block`; this side
    /// needs its two first fields.
    pub(crate) fn eintr_call(
        block: *const c_void,
        nr: c_long,
        a1: usize,
        a2: usize,
        a3: usize,
        a4: usize,
        a5: usize,
        a6: usize,
    ) -> isize;
    /// Calls `f(arg)` behind a frame whose address it keeps in the slot meanwhile; not if the word
    /// is armed.
    pub(crate) fn eintr_abandon(
        word: *const c_void,
        slot: *const c_void,
        mask: u64,
        f: unsafe extern "C" fn(*mut c_void) -> isize,
        arg: *mut c_void,
    ) -> Ended;
    /// Makes this the alternate stack, while the stack pointer stands at `top`: the kernel refuses to
    /// change the stack that one stands on. The kernel's result.
    pub(crate) fn eintr_set_alternate_stack(stack: *const libc::stack_t, top: usize) -> isize;
    /// Calls `f(arg)` on a stack of that size, in whole pages, that is mapped for the time; on this one if
    /// there is none to be had.
    pub(crate) fn eintr_with_room(
        f: unsafe extern "C" fn(*mut c_void),
        arg: *mut c_void,
        size: usize,
    );
    static eintr_abandon_begin: u8;
    static eintr_abandon_returned: u8;
    static eintr_abandon_cancelled: u8;
    static eintr_abandon_limit: u8;
    /// A syscall as it is.
    pub(crate) fn eintr_raw(
        nr: c_long,
        a1: usize,
        a2: usize,
        a3: usize,
        a4: usize,
        a5: usize,
        a6: usize,
    ) -> isize;
    /// The same, for a syscall of the program's own that our handler makes.
    pub(crate) fn eintr_raw_for_program(
        nr: c_long,
        a1: usize,
        a2: usize,
        a3: usize,
        a4: usize,
        a5: usize,
        a6: usize,
    ) -> isize;
    static eintr_raw_end: u8;
    static eintr_call_begin: u8;
    static eintr_call_end: u8;
    static eintr_call_cancelled: u8;
    static eintr_call_limit: u8;
    static eintr_stub_start: u8;
    static eintr_stub_limit: u8;
}

/// What the trampoline returns instead of a result. The kernel's errors end at -4095.
pub(crate) const CANCELLED: isize = isize::MIN;

/// What a call of the program's in our handler returns that is to be asked about anew. No kernel returns it.
pub(crate) const ASK_AGAIN: isize = -512;

/// How a call behind `eintr_abandon` ended; two registers.
#[repr(C)]
pub(crate) struct Ended {
    pub(crate) value: isize,
    pub(crate) abandoned: usize,
}

pub(crate) use machine::{
    AUDIT_ARCH, KEEPS_NUMBER, RUN_DEPTH, RUNS_THERE, SYSCALL_INSTRUCTION, arguments, clone_there,
    door, end_run, mark_before, mask_to_restore, number, number_behind, number_made_again, pc,
    put_back, registers, result, retry, run_there, set_result, sp, sp_to_restore, stack_to_restore,
    was_entered,
};

/// `SA_RESTORER`, which libc hides. x86_64's kernel demands it. aarch64's has a restorer of its own, by
/// which we do not return: dispatch lets through what lies in our stub. riscv64's knows no other.
pub(crate) const RESTORER_FLAG: c_int = if HAS_RESTORER { 0x0400_0000 } else { 0 };

/// Whether a `struct sigaction` of the kernel's has one.
pub(crate) const HAS_RESTORER: bool = !cfg!(target_arch = "riscv64");

/// Where the restorer is.
pub(crate) fn restorer() -> usize {
    machine::eintr_restorer as *const () as usize
}

/// Whether the kernel made that frame for a handler of ours, and not for one that calls ours.
///
/// # Safety
///
/// The context must be where the kernel has put it.
pub(crate) unsafe fn is_frame_of_ours(context: *const ucontext_t) -> bool {
    // SAFETY: the caller's promise.
    unsafe { *machine::return_address(context) == restorer() }
}

/// A handler of ours returns through another restorer than ours. Not if there is a shadow stack:
/// that holds ours as well.
///
/// # Safety
///
/// The context must be that of a handler of ours which has not returned, and the restorer one that
/// the kernel was given.
pub(crate) unsafe fn return_through(context: *const ucontext_t, restorer: usize) {
    // SAFETY: the caller's promise. Each restorer does the same.
    unsafe {
        if !machine::has_shadow_stack() && is_frame_of_ours(context) {
            machine::return_address(context).write_volatile(restorer);
        }
    }
}

/// The registers by which a stack is unwound.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Registers {
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    /// The frame pointer.
    pub(crate) fp: usize,
    /// Where the innermost function returns to, where the machine has a register for it.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "it has none"))]
    pub(crate) link: usize,
}

/// Where in the trampoline a program counter stands.
pub(crate) enum Place {
    /// The syscall has not run: the call can be cancelled.
    Window,
    /// In the trampoline, but before the test of the word or with the result in hand.
    Trampoline,
    /// Somewhere else.
    Outside,
}

/// Where in the trampoline the context stands.
pub(crate) fn place(context: &ucontext_t) -> Place {
    let pc = machine::pc(context);
    let [begin, end] =
        [&raw const eintr_call_begin, &raw const eintr_call_end].map(|label| label as usize);
    if (begin..end).contains(&pc) {
        Place::Window
    } else if is_in_trampoline(pc) {
        Place::Trampoline
    } else {
        Place::Outside
    }
}

/// Whether a program counter stands in the trampoline.
pub(crate) fn is_in_trampoline(pc: usize) -> bool {
    (eintr_call as *const () as usize..&raw const eintr_call_limit as usize).contains(&pc)
}

/// Lets the call that stands in the window return [`CANCELLED`].
pub(crate) fn cancel(context: &mut ucontext_t) {
    machine::set_pc(context, &raw const eintr_call_cancelled as usize);
}

/// Where in a call that may be left a program counter stands.
pub(crate) enum AbandonPlace {
    /// About to begin.
    Begins,
    /// With its result in hand, or left.
    Ended,
    /// In the call itself, or anywhere else.
    Outside,
}

/// Where in a call that may be left the context stands.
pub(crate) fn abandon_place(context: &ucontext_t) -> AbandonPlace {
    let pc = machine::pc(context);
    let [begin, returned, limit] = [
        &raw const eintr_abandon_begin,
        &raw const eintr_abandon_returned,
        &raw const eintr_abandon_limit,
    ]
    .map(|label| label as usize);
    if (begin..returned).contains(&pc) {
        AbandonPlace::Begins
    } else if (eintr_abandon as *const () as usize..limit).contains(&pc) {
        AbandonPlace::Ended
    } else {
        AbandonPlace::Outside
    }
}

/// Leaves the call behind that frame.
pub(crate) fn leave_to(context: &mut ucontext_t, frame: usize) {
    machine::set_sp(context, frame);
    machine::set_pc(context, &raw const eintr_abandon_cancelled as usize);
}

/// The mask in a frame of `eintr_abandon`'s.
///
/// # Safety
///
/// The frame must be open.
pub(crate) unsafe fn abandon_mask(frame: usize) -> u64 {
    // SAFETY: the caller's promise; that is where the mask is.
    unsafe { *((frame + 8) as *const u64) }
}

/// Steps over the syscall that the context stands at, as if it had returned that.
pub(crate) fn skip_syscall(context: &mut ucontext_t, result: isize) {
    machine::step_over(context);
    machine::set_result(context, result);
}

/// Whether the syscall that was trapped is the trampoline's own.
pub(crate) fn trapped_in_trampoline(context: &ucontext_t) -> bool {
    machine::pc(context) == &raw const eintr_call_end as usize
}

/// Whether a syscall that a sandbox has trapped is one that nobody but us has asked for.
pub(crate) fn trapped_in_raw(context: &ucontext_t) -> bool {
    is_raw(machine::pc(context))
}

/// Whether a program counter stands behind a syscall that we make for ourselves.
pub(crate) fn is_raw(pc: usize) -> bool {
    pc == &raw const eintr_raw_end as usize
}

/// Makes the trapped `rt_sigreturn` by our own restorer, on the same stack.
pub(crate) fn go_to_restorer(context: &mut ucontext_t) {
    machine::set_pc(context, restorer());
}

/// Where the syscalls are made that dispatch lets through: start and length.
pub(crate) fn stub() -> (usize, usize) {
    let start = &raw const eintr_stub_start as usize;
    (start, &raw const eintr_stub_limit as usize - start)
}

/// Whether the program runs under valgrind.
pub(crate) fn on_valgrind() -> bool {
    // SAFETY: it changes nothing, on a processor or under valgrind.
    unsafe { machine::eintr_on_valgrind() != 0 }
}

#[cfg(test)]
mod tests;
