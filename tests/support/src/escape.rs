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

#[cfg(target_arch = "riscv64")]
global_asm!(
    ".globl eintr_test_call_escapably, eintr_test_escape",
    "eintr_test_call_escapably:",
    "addi sp, sp, -208",
    "sd ra, 200(sp)",
    "sd s0, 192(sp)",
    "sd s1, 184(sp)",
    "sd s2, 176(sp)",
    "sd s3, 168(sp)",
    "sd s4, 160(sp)",
    "sd s5, 152(sp)",
    "sd s6, 144(sp)",
    "sd s7, 136(sp)",
    "sd s8, 128(sp)",
    "sd s9, 120(sp)",
    "sd s10, 112(sp)",
    "sd s11, 104(sp)",
    "fsd fs0, 96(sp)",
    "fsd fs1, 88(sp)",
    "fsd fs2, 80(sp)",
    "fsd fs3, 72(sp)",
    "fsd fs4, 64(sp)",
    "fsd fs5, 56(sp)",
    "fsd fs6, 48(sp)",
    "fsd fs7, 40(sp)",
    "fsd fs8, 32(sp)",
    "fsd fs9, 24(sp)",
    "fsd fs10, 16(sp)",
    "fsd fs11, 8(sp)",
    "sd sp, (a0)",
    "mv a0, a2",
    "jalr a1",
    "li a0, 0",
    "2:",
    "ld ra, 200(sp)",
    "ld s0, 192(sp)",
    "ld s1, 184(sp)",
    "ld s2, 176(sp)",
    "ld s3, 168(sp)",
    "ld s4, 160(sp)",
    "ld s5, 152(sp)",
    "ld s6, 144(sp)",
    "ld s7, 136(sp)",
    "ld s8, 128(sp)",
    "ld s9, 120(sp)",
    "ld s10, 112(sp)",
    "ld s11, 104(sp)",
    "fld fs0, 96(sp)",
    "fld fs1, 88(sp)",
    "fld fs2, 80(sp)",
    "fld fs3, 72(sp)",
    "fld fs4, 64(sp)",
    "fld fs5, 56(sp)",
    "fld fs6, 48(sp)",
    "fld fs7, 40(sp)",
    "fld fs8, 32(sp)",
    "fld fs9, 24(sp)",
    "fld fs10, 16(sp)",
    "fld fs11, 8(sp)",
    "addi sp, sp, 208",
    "ret",
    "eintr_test_escape:",
    "ld sp, (a0)",
    "li a0, 1",
    "j 2b",
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
