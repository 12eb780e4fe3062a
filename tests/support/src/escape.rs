//! Leaving a signal handler by a jump, as C's `sigsetjmp` and `siglongjmp` do. (Those return twice,
//! which Rust functions must not; here one function returns once, by one way or the other.)

use std::arch::global_asm;
use std::ffi::c_void;

unsafe extern "C" {
    fn eintr_test_call_escapably(
        place: *mut usize,
        f: extern "C" fn(*mut c_void),
        arg: *mut c_void,
    ) -> isize;
    fn eintr_test_escape(place: *const usize) -> !;
}

// isize eintr_test_call_escapably(place, f, arg): 0 if f returned, 1 if it was left by
// eintr_test_escape(place).
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl eintr_test_call_escapably, eintr_test_escape",
    "eintr_test_call_escapably:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "mov [rdi], rsp",
    "mov rdi, rdx",
    "call rsi",
    "xor eax, eax",
    "2:",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    "eintr_test_escape:",
    "mov rsp, [rdi]",
    "mov eax, 1",
    "jmp 2b",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl eintr_test_call_escapably, eintr_test_escape",
    "eintr_test_call_escapably:",
    "stp x29, x30, [sp, #-160]!",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "stp d8, d9, [sp, #96]",
    "stp d10, d11, [sp, #112]",
    "stp d12, d13, [sp, #128]",
    "stp d14, d15, [sp, #144]",
    "mov x9, sp",
    "str x9, [x0]",
    "mov x0, x2",
    "blr x1",
    "mov x0, #0",
    "2:",
    "ldp x19, x20, [sp, #16]",
    "ldp x21, x22, [sp, #32]",
    "ldp x23, x24, [sp, #48]",
    "ldp x25, x26, [sp, #64]",
    "ldp x27, x28, [sp, #80]",
    "ldp d8, d9, [sp, #96]",
    "ldp d10, d11, [sp, #112]",
    "ldp d12, d13, [sp, #128]",
    "ldp d14, d15, [sp, #144]",
    "ldp x29, x30, [sp], #160",
    "ret",
    "eintr_test_escape:",
    "ldr x9, [x0]",
    "mov sp, x9",
    "mov x0, #1",
    "b 2b",
);

/// Calls `f`; whether it was left by [`escape`] from that place.
///
/// # Safety
///
/// The frames that an escape jumps over own nothing: no destructor is to run in them.
pub unsafe fn call_escapably<F: FnMut()>(place: *mut usize, mut f: F) -> bool {
    extern "C" fn run<F: FnMut()>(f: *mut c_void) {
        // SAFETY: the closure below, which outlives the call.
        unsafe { (*f.cast::<F>())() }
    }
    // SAFETY: `run::<F>` is given the closure that it was made for.
    unsafe { eintr_test_call_escapably(place, run::<F>, (&raw mut f).cast()) == 1 }
}

/// Leaves the call that was made with that place.
///
/// # Safety
///
/// That call is on this thread's stack, and its own conditions hold.
pub unsafe fn escape(place: *const usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { eintr_test_escape(place) }
}
