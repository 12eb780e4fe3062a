//! aarch64: the trampoline, the raw syscall, and what the handler reads and writes in a saved
//! context. See [`super`] for the list of what this file must supply.
//!
//! # Safety
//!
//! The machine code keeps to the C calling convention, and to what [`super`] says of each label.

#![allow(unsafe_code)]

use core::arch::global_asm;
use libc::ucontext_t;

use super::Registers;
pub(crate) use super::registers_kept::*;

// isize eintr_call(block x0, nr x1, a1 x2, a2 x3, a3 x4, a4 x5, a5 x6, a6 x7)
//
// Between `begin` and `end` the syscall has not run, or the kernel has put the counter back onto
// the instruction to restart it: either way nothing has happened, and the handler may go to
// `cancelled`. The call is marked open (with the stack pointer, so that a mark left behind by a
// siglongjmp can be told) from the first store to the last, all inside these labels (S3).
global_asm!(
    ".pushsection .text.eintr_call,\"ax\",@progbits",
    ".hidden eintr_call, eintr_call_begin, eintr_call_end, eintr_call_cancelled, eintr_call_limit",
    ".globl eintr_call, eintr_call_begin, eintr_call_end, eintr_call_cancelled, eintr_call_limit",
    ".type eintr_call,@function",
    ".p2align 4",
    "eintr_call:",
    ".cfi_startproc",
    "hint #34", // bti c
    "stp x29, x30, [sp, #-32]!",
    ".cfi_def_cfa_offset 32",
    ".cfi_offset x29, -32",
    ".cfi_offset x30, -24",
    "mov x29, sp",
    "stp x19, x20, [sp, #16]",
    ".cfi_offset x19, -16",
    ".cfi_offset x20, -8",
    "mov x19, x0",        // x19: the thread's block, kept across the syscall
    "ldr x20, [x19, #8]", // the mark of the call that a handler of the application interrupted
    "str x29, [x19, #8]", // this call is open
    "mov x8, x1",         // the number, then the arguments in the kernel's registers
    "mov x0, x2",
    "mov x1, x3",
    "mov x2, x4",
    "mov x3, x5",
    "mov x4, x6",
    "mov x5, x7",
    "eintr_call_begin:",
    "ldr w9, [x19]", // armed?
    "cbnz w9, eintr_call_cancelled",
    "svc #0",
    "eintr_call_end:",
    "str x20, [x19, #8]", // closed: the mark before
    "ldp x19, x20, [sp, #16]",
    "ldp x29, x30, [sp], #32",
    ".cfi_remember_state",
    ".cfi_restore x19",
    ".cfi_restore x20",
    ".cfi_restore x29",
    ".cfi_restore x30",
    ".cfi_def_cfa_offset 0",
    "ret",
    ".cfi_restore_state",
    "eintr_call_cancelled:",
    "hint #38",                    // bti jc: the handler comes here by a jump (S8)
    "mov x0, #0x8000000000000000", // CANCELLED: no result of the kernel's
    "b eintr_call_end",
    ".cfi_endproc",
    "eintr_call_limit:",
    ".size eintr_call, . - eintr_call",
    ".popsection",
);

// struct { isize value; usize abandoned; } eintr_abandon(word x0, slot x1, mask x2, f x3, arg x4)
//
// From `begin` to `returned`, and in all that is called between, the handler may put the stack
// pointer back to what the slot holds and the counter to `cancelled` (S8). Kept for the caller, as
// any callee must: x19 to x30, d8 to d15, the control bits of the floating-point unit, and the
// guarded control stack's pointer, where the processor has one. The frame, at sp:
//
// 0 the slot before, 8 mask, 16 fpcr, 24 guarded control stack pointer, 32 slot, 48 the registers
global_asm!(
    ".pushsection .text.eintr_abandon,\"ax\",@progbits",
    ".hidden eintr_abandon, eintr_abandon_begin, eintr_abandon_returned, eintr_abandon_cancelled",
    ".globl eintr_abandon, eintr_abandon_begin, eintr_abandon_returned, eintr_abandon_cancelled",
    ".hidden eintr_abandon_limit",
    ".globl eintr_abandon_limit",
    ".type eintr_abandon,@function",
    ".p2align 4",
    "eintr_abandon:",
    ".cfi_startproc",
    "hint #34", // bti c
    "sub sp, sp, #208",
    ".cfi_def_cfa_offset 208",
    "stp x29, x30, [sp, #48]",
    ".cfi_offset x29, -160",
    ".cfi_offset x30, -152",
    "add x29, sp, #48",
    "stp x19, x20, [sp, #64]",
    ".cfi_offset x19, -144",
    ".cfi_offset x20, -136",
    "stp x21, x22, [sp, #80]",
    ".cfi_offset x21, -128",
    ".cfi_offset x22, -120",
    "stp x23, x24, [sp, #96]",
    ".cfi_offset x23, -112",
    ".cfi_offset x24, -104",
    "stp x25, x26, [sp, #112]",
    ".cfi_offset x25, -96",
    ".cfi_offset x26, -88",
    "stp x27, x28, [sp, #128]",
    ".cfi_offset x27, -80",
    ".cfi_offset x28, -72",
    "stp d8, d9, [sp, #144]",
    "stp d10, d11, [sp, #160]",
    "stp d12, d13, [sp, #176]",
    "stp d14, d15, [sp, #192]",
    "ldr x9, [x1]", // the slot before
    "stp x9, x2, [sp]",
    "mrs x9, fpcr",
    "mov x10, #0",
    "mov x16, #1",
    "hint #40", // chkfeat x16: clears the bit where the guarded control stack is on
    "cbnz x16, 2f",
    "mrs x10, s3_3_c2_c5_1", // gcspr_el0
    "2:",
    "stp x9, x10, [sp, #16]",
    "str x1, [sp, #32]",
    "mov x9, sp",
    "str x9, [x1]", // open
    "eintr_abandon_begin:",
    "ldr w9, [x0]", // armed?
    "cbnz w9, eintr_abandon_cancelled",
    "mov x0, x4",
    "blr x3",
    "eintr_abandon_returned:",
    "mov x1, #0", // not abandoned
    "3:",
    "ldr x9, [sp, #32]",
    "ldr x10, [sp]",
    "str x10, [x9]", // closed: the slot before
    "ldp x19, x20, [sp, #64]",
    "ldp x21, x22, [sp, #80]",
    "ldp x23, x24, [sp, #96]",
    "ldp x25, x26, [sp, #112]",
    "ldp x27, x28, [sp, #128]",
    "ldp d8, d9, [sp, #144]",
    "ldp d10, d11, [sp, #160]",
    "ldp d12, d13, [sp, #176]",
    "ldp d14, d15, [sp, #192]",
    "ldp x29, x30, [sp, #48]",
    "add sp, sp, #208",
    ".cfi_remember_state",
    ".cfi_def_cfa_offset 0",
    ".cfi_restore x19",
    ".cfi_restore x20",
    ".cfi_restore x21",
    ".cfi_restore x22",
    ".cfi_restore x23",
    ".cfi_restore x24",
    ".cfi_restore x25",
    ".cfi_restore x26",
    ".cfi_restore x27",
    ".cfi_restore x28",
    ".cfi_restore x29",
    ".cfi_restore x30",
    "ret",
    ".cfi_restore_state",
    "eintr_abandon_cancelled:",
    "hint #38", // bti jc: the handler comes here by a jump (S8)
    "ldp x9, x10, [sp, #16]",
    "msr fpcr, x9",
    "cbz x10, 5f",
    "4:",
    "mrs x9, s3_3_c2_c5_1",
    "cmp x9, x10",
    "b.hs 5f",
    "sysl xzr, #3, c7, c7, #1", // gcspopm: a return address that was left
    "b 4b",
    "5:",
    "mov x0, #0",
    "mov x1, #1", // abandoned
    "b 3b",
    ".cfi_endproc",
    "eintr_abandon_limit:",
    ".size eintr_abandon, . - eintr_abandon",
    ".popsection",
);

// isize eintr_raw(nr x0, a1 x1, a2 x2, a3 x3, a4 x4, a5 x5, a6 x6): no test, no errno.
global_asm!(
    ".pushsection .text.eintr_stub,\"ax\",@progbits",
    ".hidden eintr_raw, eintr_raw_end, eintr_raw_for_program, eintr_program_syscall",
    ".globl eintr_raw, eintr_raw_end, eintr_raw_for_program, eintr_program_syscall",
    ".hidden eintr_restorer, eintr_stub_start, eintr_stub_limit",
    ".globl eintr_restorer, eintr_stub_start, eintr_stub_limit",
    ".type eintr_raw,@function",
    ".p2align 4",
    "eintr_stub_start:",
    "eintr_raw:",
    ".cfi_startproc",
    "hint #34", // bti c
    "mov x8, x0",
    "mov x0, x1",
    "mov x1, x2",
    "mov x2, x3",
    "mov x3, x4",
    "mov x4, x5",
    "mov x5, x6",
    "svc #0",
    "eintr_raw_end:",
    "ret",
    ".cfi_endproc",
    ".size eintr_raw, . - eintr_raw",
    ".p2align 4",
    ".type eintr_raw_for_program,@function",
    "eintr_raw_for_program:",
    ".cfi_startproc",
    "hint #34", // bti c
    "mov x8, x0",
    "mov x0, x1",
    "mov x1, x2",
    "mov x2, x3",
    "mov x3, x4",
    "mov x4, x5",
    "mov x5, x6",
    "eintr_program_syscall:",
    "svc #0",
    "ret",
    ".cfi_endproc",
    ".size eintr_raw_for_program, . - eintr_raw_for_program",
    // isize eintr_set_alternate_stack(stack x0, top x1)
    ".p2align 4",
    ".hidden eintr_set_alternate_stack, eintr_with_room",
    ".globl eintr_set_alternate_stack, eintr_with_room",
    ".type eintr_set_alternate_stack,@function",
    "eintr_set_alternate_stack:",
    ".cfi_startproc",
    "hint #34", // bti c
    "mov x9, sp",
    ".cfi_def_cfa_register x9",
    "mov sp, x1",
    "mov x1, #0",
    "mov x8, #132", // sigaltstack
    "svc #0",
    "mov sp, x9",
    ".cfi_def_cfa_register sp",
    "ret",
    ".cfi_endproc",
    ".size eintr_set_alternate_stack, . - eintr_set_alternate_stack",
    // void eintr_with_room(f x0, arg x1, size x2)
    ".p2align 4",
    ".type eintr_with_room,@function",
    "eintr_with_room:",
    ".cfi_startproc",
    "hint #34", // bti c
    "stp x29, x30, [sp, #-48]!",
    ".cfi_def_cfa_offset 48",
    ".cfi_offset x29, -48",
    ".cfi_offset x30, -40",
    "mov x29, sp",
    ".cfi_def_cfa_register x29",
    "stp x19, x20, [sp, #16]",
    ".cfi_offset x19, -32",
    ".cfi_offset x20, -24",
    "stp x21, x22, [sp, #32]",
    ".cfi_offset x21, -16",
    ".cfi_offset x22, -8",
    "mov x19, x0",
    "mov x20, x1",
    "mov x22, x2",
    "mov x0, #0",
    "mov x1, x22",
    "mov x2, #3", // PROT_READ | PROT_WRITE
    "mov x3, #0x4022",
    "movk x3, #0x2, lsl #16", // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK
    "mov x4, #-1",
    "mov x5, #0",
    "mov x8, #222", // mmap
    "svc #0",
    "cmn x0, #4095",
    "b.hs 2f",
    "mov x21, x0",
    "add x9, x0, x22",
    "mov sp, x9",
    "mov x0, x20",
    "blr x19",
    "mov sp, x29",
    "mov x0, x21",
    "mov x1, x22",
    "mov x8, #215", // munmap
    "svc #0",
    "b 3f",
    "2:",
    "mov x0, x20",
    "blr x19",
    "3:",
    "ldp x21, x22, [sp, #32]",
    "ldp x19, x20, [sp, #16]",
    "ldp x29, x30, [sp], #48",
    ".cfi_def_cfa sp, 0",
    ".cfi_restore x19",
    ".cfi_restore x20",
    ".cfi_restore x21",
    ".cfi_restore x22",
    ".cfi_restore x29",
    ".cfi_restore x30",
    "ret",
    ".cfi_endproc",
    ".size eintr_with_room, . - eintr_with_room",
    // Unwinders know it by these two instructions, and look at the one before too: it must belong to no
    // other function.
    "nop",
    ".p2align 4",
    ".type eintr_restorer,@function",
    "eintr_restorer:",
    "mov x8, #139", // rt_sigreturn
    "svc #0",
    ".size eintr_restorer, . - eintr_restorer",
    // The kernel allows the addresses below start + length, and the counter stands behind the
    // instruction by then.
    "nop",
    "eintr_stub_limit:",
    ".popsection",
);

unsafe extern "C" {
    pub(super) fn eintr_restorer();
}

/// Tells what the kernel calls for a handler of ours: a frame of its own keeps in front of the siginfo where the
/// handler returns to, as the kernel itself does on x86_64.
macro_rules! door {
    ($function:ident, $label:literal, $handler:path) => {
        core::arch::global_asm!(
            ".pushsection .text.eintr_door,\"ax\",@progbits",
            concat!(".hidden ", $label),
            concat!(".globl ", $label),
            concat!(".type ", $label, ",@function"),
            ".p2align 4",
            concat!($label, ":"),
            ".cfi_startproc",
            "hint #34", // bti c
            "stp x29, x30, [sp, #-16]!",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset x29, -16",
            ".cfi_offset x30, -8",
            "mov x29, sp",
            "bl {handler}",
            // Nothing is left there: another's handler, called at the same place, would be taken for ours.
            "ldp x29, x30, [sp]",
            "stp xzr, xzr, [sp], #16",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore x29",
            ".cfi_restore x30",
            "ret",
            ".cfi_endproc",
            concat!(".size ", $label, ", . - ", $label),
            ".popsection",
            handler = sym $handler,
        );
        fn $function() -> usize {
            unsafe extern "C" {
                #[link_name = $label]
                fn door();
            }
            door as *const () as usize
        }
    };
}
pub(crate) use door;

pub(crate) fn pc(context: &ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}

pub(super) fn set_pc(context: &mut ucontext_t, pc: usize) {
    context.uc_mcontext.pc = pc as u64;
}

pub(super) fn set_sp(context: &mut ucontext_t, sp: usize) {
    context.uc_mcontext.sp = sp as u64;
}

/// The context stands in the trampoline, with its own mark set.
pub(crate) fn mark_before(context: &ucontext_t) -> usize {
    context.uc_mcontext.regs[20] as usize
}

pub(crate) fn sp(context: &ucontext_t) -> usize {
    context.uc_mcontext.sp as usize
}

pub(crate) fn registers(context: &ucontext_t) -> Registers {
    let [fp, link] = [29, 30].map(|i| context.uc_mcontext.regs[i] as usize);
    Registers { pc: pc(context), sp: sp(context), fp, link }
}

/// The registers that have no other name.
pub(super) fn general(context: &ucontext_t) -> &[u64; 31] {
    &context.uc_mcontext.regs
}

pub(super) fn general_mut(context: &mut ucontext_t) -> &mut [u64; 31] {
    &mut context.uc_mcontext.regs
}

/// Among them, that of a syscall's number, and that of its first argument and its result.
pub(super) const NUMBER: usize = 8;
pub(super) const FIRST: usize = 0;

/// Where a context has the stack pointer.
pub(super) const SP: usize = core::mem::offset_of!(ucontext_t, uc_mcontext.sp);

/// Whether the processor keeps return addresses by itself.
pub(super) fn has_shadow_stack() -> bool {
    let mut feature = 1_usize;
    // chkfeat x16: clears the bit where the guarded control stack is on.
    // SAFETY: it changes that register only.
    unsafe {
        core::arch::asm!("hint #40", inout("x16") feature, options(nomem, nostack, preserves_flags));
    }
    feature == 0
}

/// The instruction by which a syscall enters the kernel: `svc #0`.
pub(crate) const SYSCALL_INSTRUCTION: &[u8] = &[0x01, 0x00, 0x00, 0xd4];

/// `AUDIT_ARCH_AARCH64`.
pub(crate) const AUDIT_ARCH: u32 = 0xc000_00b7;

// _Bool eintr_on_valgrind(void): valgrind's client request RUNNING_ON_VALGRIND (0x1001). The
// rotations add up to nothing on a processor; valgrind knows them by sight.
global_asm!(
    ".pushsection .text.eintr_on_valgrind,\"ax\",@progbits",
    ".hidden eintr_on_valgrind",
    ".globl eintr_on_valgrind",
    ".type eintr_on_valgrind,@function",
    "eintr_on_valgrind:",
    ".cfi_startproc",
    "hint #34",        // bti c
    "sub sp, sp, #48", // the request and its five arguments
    ".cfi_def_cfa_offset 48",
    "mov x3, #0x1001",
    "stp x3, xzr, [sp]",
    "stp xzr, xzr, [sp, #16]",
    "stp xzr, xzr, [sp, #32]",
    "mov x4, sp",
    "mov x3, #0", // the answer where there is no valgrind
    "ror x12, x12, #3",
    "ror x12, x12, #13",
    "ror x12, x12, #51",
    "ror x12, x12, #61",
    "orr x10, x10, x10",
    "mov x0, x3",
    "add sp, sp, #48",
    ".cfi_def_cfa_offset 0",
    "ret",
    ".cfi_endproc",
    ".size eintr_on_valgrind, . - eintr_on_valgrind",
    ".popsection",
);

unsafe extern "C" {
    pub(super) fn eintr_on_valgrind() -> u32;
}

#[cfg(test)]
mod tests {
    /// With branch protection, a jump to anything else than a landing pad is death (S8).
    #[test]
    fn the_handler_jumps_to_a_landing_pad() {
        const BTI_JC: u32 = 0xd503_24df;
        let label = (&raw const super::super::eintr_call_cancelled).cast::<u32>();
        // SAFETY: the label of an instruction, in code that can be read.
        assert_eq!(unsafe { label.read() }, BTI_JC);
    }
}
