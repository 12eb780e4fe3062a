//! The one door to what differs between architectures.
//!
//! A file here supplies
//!
//! * `eintr_call`, the trampoline, with the labels `begin`, `end`, `cancelled` and `limit`: it marks the
//!   call open in the block, tests the block's first word, makes the syscall and closes the mark;
//! * `eintr_raw`, a syscall without test and without errno, for use in handlers;
//! * `eintr_restorer` and `RESTORER_FLAG`, for `rt_sigaction`;
//! * `pc`, `set_pc`, `sp`, `syscall_at`, `skip_syscall` and `SYSCALL_INSTRUCTION`, the saved context;
//! * `CAN_DISPATCH`, `AUDIT_ARCH`, `arguments`, `set_result`, `retry` and `eintr_on_valgrind`, for reach: the context of a
//!   syscall that was trapped. The raw syscall and the restorer lie between `eintr_stub_start` and `eintr_stub_limit`.
//!
//! # Safety
//!
//! The trampoline and the raw syscall are as unsafe as the syscall that they are told to make.

use libc::{c_long, c_void, ucontext_t};

#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod machine;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod machine;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("eintr knows the machine code of x86_64 and aarch64 only");

unsafe extern "C" {
    /// The trampoline: the kernel's result, or [`CANCELLED`]. The block is a `Block`; this side needs its two first fields.
    pub(super) fn eintr_call(
        block: *const c_void,
        nr: c_long,
        a1: usize,
        a2: usize,
        a3: usize,
        a4: usize,
        a5: usize,
        a6: usize,
    ) -> isize;
    /// A syscall as it is.
    pub(super) fn eintr_raw(
        nr: c_long,
        a1: usize,
        a2: usize,
        a3: usize,
        a4: usize,
        a5: usize,
        a6: usize,
    ) -> isize;
    static eintr_call_begin: u8;
    static eintr_call_end: u8;
    static eintr_call_cancelled: u8;
    static eintr_call_limit: u8;
    static eintr_stub_start: u8;
    static eintr_stub_limit: u8;
}

/// What the trampoline returns instead of a result. The kernel's errors end at -4095.
pub(super) const CANCELLED: isize = isize::MIN;

const EINTR_RESULT: isize = -(libc::EINTR as isize);

pub(super) use machine::{
    AUDIT_ARCH, CAN_DISPATCH, RESTORER_FLAG, arguments, retry, set_result, sp,
};

/// Where the restorer is.
pub(super) fn restorer() -> usize {
    machine::eintr_restorer as *const () as usize
}

/// Where in the trampoline a program counter stands.
pub(super) enum Place {
    /// The syscall has not run: the call can be cancelled.
    Window,
    /// In the trampoline, but before the test of the word or with the result in hand.
    Trampoline,
    /// Somewhere else.
    Outside,
}

/// Where in the trampoline the context stands.
pub(super) fn place(context: &ucontext_t) -> Place {
    let pc = machine::pc(context);
    let entry = eintr_call as *const () as usize;
    let [begin, end, limit] =
        [&raw const eintr_call_begin, &raw const eintr_call_end, &raw const eintr_call_limit]
            .map(|label| label as usize);
    if (begin..end).contains(&pc) {
        Place::Window
    } else if (entry..limit).contains(&pc) {
        Place::Trampoline
    } else {
        Place::Outside
    }
}

/// Lets the call that stands in the window return [`CANCELLED`].
pub(super) fn cancel(context: &mut ucontext_t) {
    machine::set_pc(context, &raw const eintr_call_cancelled as usize);
}

/// The number and the second argument of the syscall that the context is about to make or to make
/// again, if it stands at the instruction for one.
pub(super) fn pending_syscall(context: &ucontext_t) -> Option<(c_long, usize)> {
    let pc = machine::pc(context);
    // The upper half is the kernel's; the vsyscall page there is executable and cannot be read (S9).
    if pc == 0 || pc > isize::MAX as usize {
        return None;
    }
    // SAFETY: the thread was about to execute the instruction at `pc`, so it is mapped, and code is
    // mapped readable. Two bytes at the end of a page belong to one instruction if the first is its own;
    // the comparison stops at the first byte that differs.
    let at_syscall = machine::SYSCALL_INSTRUCTION
        .iter()
        .enumerate()
        .all(|(i, byte)| unsafe { *((pc + i) as *const u8) } == *byte);
    at_syscall.then(|| machine::syscall_at(context))
}

/// Steps over the syscall that the context stands at, as if it had returned -EINTR.
pub(super) fn interrupt_syscall(context: &mut ucontext_t) {
    machine::skip_syscall(context);
}

/// The syscall that was trapped.
pub(super) fn trapped_syscall(context: &ucontext_t) -> c_long {
    machine::syscall_at(context).0
}

/// Whether the syscall that was trapped is the trampoline's own.
pub(super) fn trapped_in_trampoline(context: &ucontext_t) -> bool {
    machine::pc(context) == &raw const eintr_call_end as usize
}

/// Has the trapped `rt_sigreturn` made by our own restorer, on the same stack.
pub(super) fn go_to_restorer(context: &mut ucontext_t) {
    machine::set_pc(context, restorer());
}

/// Where the syscalls are made that dispatch lets through: start and length.
pub(super) fn stub() -> (usize, usize) {
    let start = &raw const eintr_stub_start as usize;
    (start, &raw const eintr_stub_limit as usize - start)
}

/// Whether the program runs under valgrind.
pub(super) fn on_valgrind() -> bool {
    // SAFETY: it changes nothing, on a processor or under valgrind.
    unsafe { machine::eintr_on_valgrind() != 0 }
}
