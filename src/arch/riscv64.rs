//! riscv64, not finished: see `docs/kernels.md`. The trampoline, the raw syscall, and what the handler reads and writes
//! in a saved context. See [`super`] for the list of what this file must supply.
//!
//! What is this machine's own:
//!
//! * An `ecall` has four bytes, also where instructions may have two. The kernel steps over it on entry, and for a
//!   restart puts the counter back by four and `a0` as it was; `a7`, the number, it leaves (its `restart_syscall` is
//!   for stops that no handler sees). A handler sees `a0` only as it will be, and not what the kernel keeps beside it.
//! * There is no `SA_RESTORER`: the kernel's `struct sigaction` has one word less, and each handler returns to the vDSO,
//!   by `ra`. See [`door`].
//! * `gp` and `tp` are in a handler those of the code below: the linker's constant and the thread's. No compiled code
//!   changes them, so nothing here saves them.
//! * A trap loses the reservation of an `lr`: the `sc` fails and its loop begins anew. Here are no such loops, and no
//!   fences: the word and the mark are tested and set by the thread that the handler runs on.
//! * A syscall and a call lose the vector registers; the kernel keeps them for a handler's return, in a frame that is
//!   as large as AT_MINSIGSTKSZ says.
//!
//! # Safety
//!
//! The machine code keeps to the C calling convention, and to what [`super`] says of each label.

#![allow(unsafe_code)]

use core::arch::global_asm;
use libc::ucontext_t;

use super::Registers;
pub(crate) use super::registers_kept::*;

// isize eintr_call(block a0, nr a1, a1 a2, a2 a3, a3 a4, a4 a5, a5 a6, a6 a7)
//
// The labels are as on the other machines (S3).
global_asm!(
    ".pushsection .text.eintr_call,\"ax\",@progbits",
    ".hidden eintr_call, eintr_call_begin, eintr_call_end, eintr_call_cancelled, eintr_call_limit",
    ".globl eintr_call, eintr_call_begin, eintr_call_end, eintr_call_cancelled, eintr_call_limit",
    ".type eintr_call,@function",
    ".p2align 4",
    "eintr_call:",
    ".cfi_startproc",
    "addi sp, sp, -32",
    ".cfi_def_cfa_offset 32",
    "sd ra, 24(sp)",
    ".cfi_offset ra, -8",
    "sd s0, 16(sp)",
    ".cfi_offset s0, -16",
    "addi s0, sp, 32",
    "sd s1, 8(sp)",
    ".cfi_offset s1, -24",
    "sd s2, (sp)",
    ".cfi_offset s2, -32",
    "mv s1, a0",    // s1: the thread's block, kept across the syscall
    "ld s2, 8(s1)", // the mark of the call that a handler of the application interrupted
    "sd sp, 8(s1)", // this call is open
    "mv t0, a1",    // the number, then the arguments in the kernel's registers
    "mv a0, a2",
    "mv a1, a3",
    "mv a2, a4",
    "mv a3, a5",
    "mv a4, a6",
    "mv a5, a7",
    "mv a7, t0",
    "eintr_call_begin:",
    "lw t0, (s1)", // armed?
    "bnez t0, eintr_call_cancelled",
    "ecall",
    "eintr_call_end:",
    "sd s2, 8(s1)", // closed: the mark before
    "ld s2, (sp)",
    "ld s1, 8(sp)",
    "ld s0, 16(sp)",
    "ld ra, 24(sp)",
    "addi sp, sp, 32",
    ".cfi_remember_state",
    ".cfi_restore s2",
    ".cfi_restore s1",
    ".cfi_restore s0",
    ".cfi_restore ra",
    ".cfi_def_cfa_offset 0",
    "ret",
    ".cfi_restore_state",
    "eintr_call_cancelled:",
    "li a0, 0x8000000000000000", // CANCELLED: no result of the kernel's
    "j eintr_call_end",
    ".cfi_endproc",
    "eintr_call_limit:",
    ".size eintr_call, . - eintr_call",
    ".popsection",
);

// struct { isize value; usize abandoned; } eintr_abandon(word a0, slot a1, mask a2, f a3, arg a4)
//
// From `begin` to `returned`, and in all that is called between, the handler may put the stack
// pointer back to what the slot holds and the counter to `cancelled`. Kept for the caller, as any
// callee must: s0 to s11, fs0 to fs11, and the control bits of the floating-point unit. The frame, at sp:
//
// 0 the slot before, 8 mask, 16 fcsr, 24 slot, 40 fs11 to fs0, 136 s11 to s0, ra
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
    "addi sp, sp, -240",
    ".cfi_def_cfa_offset 240",
    "sd ra, 232(sp)",
    ".cfi_offset ra, -8",
    "sd s0, 224(sp)",
    ".cfi_offset s0, -16",
    "addi s0, sp, 240",
    "sd s1, 216(sp)",
    ".cfi_offset s1, -24",
    "sd s2, 208(sp)",
    ".cfi_offset s2, -32",
    "sd s3, 200(sp)",
    ".cfi_offset s3, -40",
    "sd s4, 192(sp)",
    ".cfi_offset s4, -48",
    "sd s5, 184(sp)",
    ".cfi_offset s5, -56",
    "sd s6, 176(sp)",
    ".cfi_offset s6, -64",
    "sd s7, 168(sp)",
    ".cfi_offset s7, -72",
    "sd s8, 160(sp)",
    ".cfi_offset s8, -80",
    "sd s9, 152(sp)",
    ".cfi_offset s9, -88",
    "sd s10, 144(sp)",
    ".cfi_offset s10, -96",
    "sd s11, 136(sp)",
    ".cfi_offset s11, -104",
    "fsd fs0, 128(sp)",
    "fsd fs1, 120(sp)",
    "fsd fs2, 112(sp)",
    "fsd fs3, 104(sp)",
    "fsd fs4, 96(sp)",
    "fsd fs5, 88(sp)",
    "fsd fs6, 80(sp)",
    "fsd fs7, 72(sp)",
    "fsd fs8, 64(sp)",
    "fsd fs9, 56(sp)",
    "fsd fs10, 48(sp)",
    "fsd fs11, 40(sp)",
    "ld t0, (a1)", // the slot before
    "sd t0, (sp)",
    "sd a2, 8(sp)",
    "frcsr t0",
    "sd t0, 16(sp)",
    "sd a1, 24(sp)",
    "sd sp, (a1)", // open
    "eintr_abandon_begin:",
    "lw t0, (a0)", // armed?
    "bnez t0, eintr_abandon_cancelled",
    "mv a0, a4",
    "jalr a3",
    "eintr_abandon_returned:",
    "li a1, 0", // not abandoned
    "3:",
    "ld t0, 24(sp)",
    "ld t1, (sp)",
    "sd t1, (t0)", // closed: the slot before
    "fld fs0, 128(sp)",
    "fld fs1, 120(sp)",
    "fld fs2, 112(sp)",
    "fld fs3, 104(sp)",
    "fld fs4, 96(sp)",
    "fld fs5, 88(sp)",
    "fld fs6, 80(sp)",
    "fld fs7, 72(sp)",
    "fld fs8, 64(sp)",
    "fld fs9, 56(sp)",
    "fld fs10, 48(sp)",
    "fld fs11, 40(sp)",
    "ld s11, 136(sp)",
    "ld s10, 144(sp)",
    "ld s9, 152(sp)",
    "ld s8, 160(sp)",
    "ld s7, 168(sp)",
    "ld s6, 176(sp)",
    "ld s5, 184(sp)",
    "ld s4, 192(sp)",
    "ld s3, 200(sp)",
    "ld s2, 208(sp)",
    "ld s1, 216(sp)",
    "ld s0, 224(sp)",
    "ld ra, 232(sp)",
    "addi sp, sp, 240",
    ".cfi_remember_state",
    ".cfi_def_cfa_offset 0",
    ".cfi_restore ra",
    ".cfi_restore s0",
    ".cfi_restore s1",
    ".cfi_restore s2",
    ".cfi_restore s3",
    ".cfi_restore s4",
    ".cfi_restore s5",
    ".cfi_restore s6",
    ".cfi_restore s7",
    ".cfi_restore s8",
    ".cfi_restore s9",
    ".cfi_restore s10",
    ".cfi_restore s11",
    "ret",
    ".cfi_restore_state",
    "eintr_abandon_cancelled:",
    "ld t0, 16(sp)",
    "fscsr t0",
    "li a0, 0",
    "li a1, 1", // abandoned
    "j 3b",
    ".cfi_endproc",
    "eintr_abandon_limit:",
    ".size eintr_abandon, . - eintr_abandon",
    ".popsection",
);

// isize eintr_raw(nr a0, a1 a1, a2 a2, a3 a3, a4 a4, a5 a5, a6 a6): no test, no errno.
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
    "mv a7, a0",
    "mv a0, a1",
    "mv a1, a2",
    "mv a2, a3",
    "mv a3, a4",
    "mv a4, a5",
    "mv a5, a6",
    "ecall",
    "eintr_raw_end:",
    "ret",
    ".cfi_endproc",
    ".size eintr_raw, . - eintr_raw",
    ".p2align 4",
    ".type eintr_raw_for_program,@function",
    "eintr_raw_for_program:",
    ".cfi_startproc",
    "mv a7, a0",
    "mv a0, a1",
    "mv a1, a2",
    "mv a2, a3",
    "mv a3, a4",
    "mv a4, a5",
    "mv a5, a6",
    "eintr_program_syscall:",
    "ecall",
    "ret",
    ".cfi_endproc",
    ".size eintr_raw_for_program, . - eintr_raw_for_program",
    // isize eintr_set_alternate_stack(stack a0, top a1)
    ".p2align 4",
    ".hidden eintr_set_alternate_stack, eintr_with_room",
    ".globl eintr_set_alternate_stack, eintr_with_room",
    ".type eintr_set_alternate_stack,@function",
    "eintr_set_alternate_stack:",
    ".cfi_startproc",
    "mv t0, sp",
    ".cfi_def_cfa_register t0",
    "mv sp, a1",
    "li a1, 0",
    "li a7, 132", // sigaltstack
    "ecall",
    "mv sp, t0",
    ".cfi_def_cfa_register sp",
    "ret",
    ".cfi_endproc",
    ".size eintr_set_alternate_stack, . - eintr_set_alternate_stack",
    // void eintr_with_room(f a0, arg a1, size a2)
    ".p2align 4",
    ".type eintr_with_room,@function",
    "eintr_with_room:",
    ".cfi_startproc",
    "addi sp, sp, -48",
    ".cfi_def_cfa_offset 48",
    "sd ra, 40(sp)",
    ".cfi_offset ra, -8",
    "sd s0, 32(sp)",
    ".cfi_offset s0, -16",
    "sd s1, 24(sp)",
    ".cfi_offset s1, -24",
    "sd s2, 16(sp)",
    ".cfi_offset s2, -32",
    "sd s3, 8(sp)",
    ".cfi_offset s3, -40",
    "sd s4, (sp)",
    ".cfi_offset s4, -48",
    "addi s0, sp, 48",
    ".cfi_def_cfa s0, 0",
    "mv s1, a0",
    "mv s2, a1",
    "mv s3, a2",
    "li a0, 0",
    "mv a1, s3",
    "li a2, 3",       // PROT_READ | PROT_WRITE
    "li a3, 0x24022", // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK
    "li a4, -1",
    "li a5, 0",
    "li a7, 222", // mmap
    "ecall",
    "li t0, -4096",
    "bltu t0, a0, 2f",
    "mv s4, a0",
    "add sp, a0, s3",
    "mv a0, s2",
    "jalr s1",
    "addi sp, s0, -48",
    "mv a0, s4",
    "mv a1, s3",
    "li a7, 215", // munmap
    "ecall",
    "j 3f",
    "2:",
    "mv a0, s2",
    "jalr s1",
    "3:",
    ".cfi_def_cfa sp, 48",
    "ld s4, (sp)",
    "ld s3, 8(sp)",
    "ld s2, 16(sp)",
    "ld s1, 24(sp)",
    "ld s0, 32(sp)",
    "ld ra, 40(sp)",
    "addi sp, sp, 48",
    ".cfi_def_cfa_offset 0",
    ".cfi_restore s4",
    ".cfi_restore s3",
    ".cfi_restore s2",
    ".cfi_restore s1",
    ".cfi_restore s0",
    ".cfi_restore ra",
    "ret",
    ".cfi_endproc",
    ".size eintr_with_room, . - eintr_with_room",
    // Unwinders know it by these two instructions, and look at the one before too: it must belong to no
    // other function.
    "nop",
    ".p2align 4",
    ".type eintr_restorer,@function",
    "eintr_restorer:",
    "li a7, 139", // rt_sigreturn
    "ecall",
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
/// handler returns to. The kernel has it return to the vDSO, which dispatch does not let through: it is made to
/// return by our restorer. Only the kernel calls with the stack pointer at the siginfo, or who was called so and jumps.
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
            "bne sp, a1, 2f",
            "lla ra, eintr_restorer",
            "2:",
            "addi sp, sp, -16",
            ".cfi_def_cfa_offset 16",
            "sd ra, 8(sp)",
            ".cfi_offset ra, -8",
            "call {handler}",
            // Nothing is left there: another's handler, called at the same place, would be taken for ours.
            "ld ra, 8(sp)",
            "sd zero, 8(sp)",
            "addi sp, sp, 16",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore ra",
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

/// The registers by their numbers; in x0's place is the counter.
pub(super) fn general(context: &ucontext_t) -> &[u64; 32] {
    &context.uc_mcontext.__gregs
}

pub(super) fn general_mut(context: &mut ucontext_t) -> &mut [u64; 32] {
    &mut context.uc_mcontext.__gregs
}

/// a7, and a0.
pub(super) const NUMBER: usize = 17;
pub(super) const FIRST: usize = 10;

/// Where a context has the stack pointer.
pub(super) const SP: usize =
    core::mem::offset_of!(ucontext_t, uc_mcontext) + X_SP * size_of::<u64>();
const X_SP: usize = 2;

pub(crate) fn pc(context: &ucontext_t) -> usize {
    general(context)[0] as usize
}

pub(super) fn set_pc(context: &mut ucontext_t, pc: usize) {
    general_mut(context)[0] = pc as u64;
}

pub(crate) fn sp(context: &ucontext_t) -> usize {
    general(context)[X_SP] as usize
}

pub(super) fn set_sp(context: &mut ucontext_t, sp: usize) {
    general_mut(context)[X_SP] = sp as u64;
}

/// The context stands in the trampoline, with its own mark set: s2 is x18.
pub(crate) fn mark_before(context: &ucontext_t) -> usize {
    general(context)[18] as usize
}

pub(crate) fn registers(context: &ucontext_t) -> Registers {
    let [pc, link, sp, fp] = [0, 1, X_SP, 8].map(|i| general(context)[i] as usize);
    Registers { pc, sp, fp, link }
}

/// A program with code that is not marked for it, as ours is not, gets no shadow stack.
pub(super) fn has_shadow_stack() -> bool {
    false
}

/// The instruction by which a syscall enters the kernel: `ecall`.
pub(crate) const SYSCALL_INSTRUCTION: &[u8] = &[0x73, 0x00, 0x00, 0x00];

/// `AUDIT_ARCH_RISCV64`.
pub(crate) const AUDIT_ARCH: u32 = 0xc000_00f3;

// _Bool eintr_on_valgrind(void): valgrind's client request RUNNING_ON_VALGRIND (0x1001). The shifts are of the register
// that is always 0; valgrind knows them by sight.
global_asm!(
    ".pushsection .text.eintr_on_valgrind,\"ax\",@progbits",
    ".hidden eintr_on_valgrind",
    ".globl eintr_on_valgrind",
    ".type eintr_on_valgrind,@function",
    "eintr_on_valgrind:",
    ".cfi_startproc",
    "addi sp, sp, -48", // the request and its five arguments
    ".cfi_def_cfa_offset 48",
    "li t0, 0x1001",
    "sd t0, (sp)",
    "sd zero, 8(sp)",
    "sd zero, 16(sp)",
    "sd zero, 24(sp)",
    "sd zero, 32(sp)",
    "sd zero, 40(sp)",
    "mv a4, sp",
    "li a3, 0", // the answer where there is no valgrind
    ".option push",
    ".option norvc",
    "srli zero, zero, 3",
    "srli zero, zero, 13",
    "srli zero, zero, 51",
    "srli zero, zero, 61",
    "or a0, a0, a0",
    ".option pop",
    "mv a0, a3",
    "addi sp, sp, 48",
    ".cfi_def_cfa_offset 0",
    "ret",
    ".cfi_endproc",
    ".size eintr_on_valgrind, . - eintr_on_valgrind",
    ".popsection",
);

unsafe extern "C" {
    pub(super) fn eintr_on_valgrind() -> u32;
}
