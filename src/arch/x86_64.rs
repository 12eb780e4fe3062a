//! x86_64: the trampoline, the restorer, the raw syscall, and what the handler reads and writes in
//! a saved context. See [`super`] for the list of what this file must supply.
//!
//! # Safety
//!
//! The machine code keeps to the C calling convention, and to what [`super`] says of each label.

#![allow(unsafe_code)]

use core::arch::global_asm;
use libc::{c_long, ucontext_t};

use super::Registers;

// isize eintr_call(block rdi, nr rsi, a1 rdx, a2 rcx, a3 r8, a4 r9, a5 [rsp+8], a6 [rsp+16])
//
// Between `begin` and `end` the syscall has not run, or the kernel has put the counter back onto
// the instruction to restart it: either way nothing has happened, and the handler may go to
// `cancelled`. The call is marked open (with the stack pointer, so that a mark left behind by a
// siglongjmp can be told) from the first store to the last pop, all inside these labels (S3).
global_asm!(
    ".pushsection .text.eintr_call,\"ax\",@progbits",
    ".hidden eintr_call, eintr_call_begin, eintr_call_end, eintr_call_cancelled, eintr_call_limit",
    ".globl eintr_call, eintr_call_begin, eintr_call_end, eintr_call_cancelled, eintr_call_limit",
    ".type eintr_call,@function",
    ".p2align 4",
    "eintr_call:",
    ".cfi_startproc",
    "endbr64",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbx, 0",
    "mov rbx, rdi",             // rbx: the thread's block, kept across the syscall
    "push qword ptr [rbx + 8]", // the mark of the call that a handler of the application interrupted
    ".cfi_adjust_cfa_offset 8",
    "mov qword ptr [rbx + 8], rsp", // this call is open
    "mov rax, rsi",                 // the number, then the arguments in the kernel's registers
    "mov rdi, rdx",
    "mov rsi, rcx",
    "mov rdx, r8",
    "mov r10, r9",
    "mov r8, qword ptr [rsp + 24]",
    "mov r9, qword ptr [rsp + 32]",
    "eintr_call_begin:",
    "cmp dword ptr [rbx], 0", // armed?
    "jne eintr_call_cancelled",
    "syscall",
    "eintr_call_end:",
    "pop qword ptr [rbx + 8]", // closed: the mark before
    ".cfi_adjust_cfa_offset -8",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore rbx",
    "ret",
    ".cfi_adjust_cfa_offset 16",
    ".cfi_rel_offset rbx, 8",
    "eintr_call_cancelled:",
    "movabs rax, 0x8000000000000000", // CANCELLED: no result of the kernel's
    "jmp eintr_call_end",
    ".cfi_endproc",
    "eintr_call_limit:",
    ".size eintr_call, . - eintr_call",
    ".popsection",
);

// struct { isize value; usize abandoned; } eintr_abandon(word rdi, slot rsi, mask rdx, f rcx, arg r8)
//
// From `begin` to `returned`, and in all that is called between, the handler may put the stack
// pointer back to what the slot holds and the counter to `cancelled` (S8). Kept for the caller, as
// any callee must: rbx, rbp, r12 to r15, the control bits of the x87 and SSE units, the direction
// flag, and the shadow stack's pointer, where the processor has one. The frame, at rsp:
//
// 0 the slot before, 8 mask, 16 mxcsr, 20 x87 control word, 24 shadow stack pointer, 32 slot
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
    "endbr64",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbp, 0",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbx, 0",
    "push r12",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset r12, 0",
    "push r13",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset r13, 0",
    "push r14",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset r14, 0",
    "push r15",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset r15, 0",
    "sub rsp, 40",
    ".cfi_adjust_cfa_offset 40",
    "mov rax, qword ptr [rsi]", // the slot before
    "mov qword ptr [rsp], rax",
    "mov qword ptr [rsp + 8], rdx",
    "stmxcsr dword ptr [rsp + 16]",
    "fnstcw word ptr [rsp + 20]",
    "xor eax, eax",
    ".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8", // rdsspq rax: nothing, where there is no shadow stack
    "mov qword ptr [rsp + 24], rax",
    "mov qword ptr [rsp + 32], rsi",
    "mov qword ptr [rsi], rsp", // open
    "eintr_abandon_begin:",
    "cmp dword ptr [rdi], 0", // armed?
    "jne eintr_abandon_cancelled",
    "mov rdi, r8",
    "call rcx",
    "eintr_abandon_returned:",
    "xor edx, edx", // not abandoned
    "2:",
    "mov rsi, qword ptr [rsp + 32]",
    "mov rcx, qword ptr [rsp]",
    "mov qword ptr [rsi], rcx", // closed: the slot before
    "add rsp, 40",
    ".cfi_remember_state",
    ".cfi_adjust_cfa_offset -40",
    "pop r15",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore r15",
    "pop r14",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore r14",
    "pop r13",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore r13",
    "pop r12",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore r12",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore rbx",
    "pop rbp",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore rbp",
    "ret",
    ".cfi_restore_state",
    "eintr_abandon_cancelled:",
    "cld",
    "fninit", // what the call had on the x87's stack is gone
    "fldcw word ptr [rsp + 20]",
    "ldmxcsr dword ptr [rsp + 16]",
    "mov rcx, qword ptr [rsp + 24]",
    "test rcx, rcx",
    "jz 4f",
    "xor eax, eax",
    ".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8", // rdsspq rax
    "sub rcx, rax",
    "shr rcx, 3", // so many return addresses were left
    "mov edx, 255",
    "3:",
    "test rcx, rcx",
    "jz 4f",
    "cmp rcx, rdx",
    "cmovb rdx, rcx",
    ".byte 0xf3, 0x48, 0x0f, 0xae, 0xea", // incsspq rdx: 255 of them at most
    "sub rcx, rdx",
    "jmp 3b",
    "4:",
    "xor eax, eax",
    "mov edx, 1", // abandoned
    "jmp 2b",
    ".cfi_endproc",
    "eintr_abandon_limit:",
    ".size eintr_abandon, . - eintr_abandon",
    ".popsection",
);

// isize eintr_raw(nr rdi, a1 rsi, a2 rdx, a3 rcx, a4 r8, a5 r9, a6 [rsp+8]): no test, no errno.
// isize eintr_raw_for_program(the same): elsewhere, so that a sandbox's trap tells whose call it was.
// void eintr_restorer(void): the bytes are those by which unwinders know a signal frame.
global_asm!(
    ".pushsection .text.eintr_stub,\"ax\",@progbits",
    ".hidden eintr_raw, eintr_raw_end, eintr_raw_for_program",
    ".globl eintr_raw, eintr_raw_end, eintr_raw_for_program",
    ".hidden eintr_restorer, eintr_stub_start, eintr_stub_limit",
    ".globl eintr_restorer, eintr_stub_start, eintr_stub_limit",
    ".type eintr_raw,@function",
    ".p2align 4",
    "eintr_stub_start:",
    "eintr_raw:",
    ".cfi_startproc",
    "endbr64",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov r10, r8",
    "mov r8, r9",
    "mov r9, qword ptr [rsp + 8]",
    "syscall",
    "eintr_raw_end:",
    "ret",
    ".cfi_endproc",
    ".size eintr_raw, . - eintr_raw",
    ".p2align 4",
    ".type eintr_raw_for_program,@function",
    "eintr_raw_for_program:",
    ".cfi_startproc",
    "endbr64",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov r10, r8",
    "mov r8, r9",
    "mov r9, qword ptr [rsp + 8]",
    "syscall",
    "ret",
    ".cfi_endproc",
    ".size eintr_raw_for_program, . - eintr_raw_for_program",
    // eintr_run: a stopped syscall is made here. Its registers are in place, but for rcx, which it
    // destroys anyway: there stands where it goes on, behind the instruction that was stopped. That is
    // kept beyond the red zone, for the syscall leaves no register free. Before `end` nothing has
    // happened: the thread may be put back to that instruction (see `put_back`).
    ".p2align 4",
    ".hidden eintr_run, eintr_run_syscall, eintr_run_end, eintr_run_limit",
    ".globl eintr_run, eintr_run_syscall, eintr_run_end, eintr_run_limit",
    ".type eintr_run,@function",
    "eintr_run:",
    ".cfi_startproc",
    ".cfi_def_cfa rsp, 0",
    ".cfi_register rip, rcx",
    "lea rsp, [rsp - 128]", // it leaves the flags alone
    ".cfi_def_cfa_offset 128",
    "push rcx",
    ".cfi_def_cfa_offset 136",
    ".cfi_offset rip, -136",
    "eintr_run_syscall:",
    "syscall",
    "eintr_run_end:",
    "pop rcx",
    ".cfi_def_cfa_offset 128",
    ".cfi_register rip, rcx",
    "lea rsp, [rsp + 128]",
    ".cfi_def_cfa_offset 0",
    ".byte 0x3e, 0xff, 0xe1", // notrack jmp rcx
    ".cfi_endproc",
    "eintr_run_limit:",
    ".size eintr_run, . - eintr_run",
    // isize eintr_set_alternate_stack(stack rdi, top rsi)
    ".p2align 4",
    ".hidden eintr_set_alternate_stack, eintr_with_room",
    ".globl eintr_set_alternate_stack, eintr_with_room",
    ".type eintr_set_alternate_stack,@function",
    "eintr_set_alternate_stack:",
    ".cfi_startproc",
    "endbr64",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbp, 0",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rsi",
    "xor esi, esi",
    "mov eax, 131", // sigaltstack
    "syscall",
    "mov rsp, rbp",
    ".cfi_def_cfa_register rsp",
    "pop rbp",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore rbp",
    "ret",
    ".cfi_endproc",
    ".size eintr_set_alternate_stack, . - eintr_set_alternate_stack",
    // void eintr_with_room(f rdi, arg rsi, size rdx)
    ".p2align 4",
    ".type eintr_with_room,@function",
    "eintr_with_room:",
    ".cfi_startproc",
    "endbr64",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbp, 0",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    ".cfi_offset rbx, -24",
    "push r12",
    ".cfi_offset r12, -32",
    "push r13",
    ".cfi_offset r13, -40",
    "push r14",
    ".cfi_offset r14, -48",
    "mov rbx, rdi",
    "mov r12, rsi",
    "mov r14, rdx",
    "xor edi, edi",
    "mov rsi, r14",
    "mov edx, 3",        // PROT_READ | PROT_WRITE
    "mov r10d, 0x24022", // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK
    "mov r8, -1",
    "xor r9d, r9d",
    "mov eax, 9", // mmap
    "syscall",
    "mov rdi, r12",
    "cmp rax, -4096",
    "ja 2f",
    "mov r13, rax",
    "lea rsp, [rax + r14]",
    "call rbx",
    "lea rsp, [rbp - 32]",
    "mov rdi, r13",
    "mov rsi, r14",
    "mov eax, 11", // munmap
    "syscall",
    "jmp 3f",
    "2:",
    "call rbx",
    "3:",
    "lea rsp, [rbp - 32]",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    ".cfi_restore rbx",
    ".cfi_restore r12",
    ".cfi_restore r13",
    ".cfi_restore r14",
    ".cfi_restore rbp",
    "ret",
    ".cfi_endproc",
    ".size eintr_with_room, . - eintr_with_room",
    // Unwinders look at the byte before the return address too: it must belong to no other
    // function.
    "nop",
    ".p2align 4",
    ".type eintr_restorer,@function",
    "eintr_restorer:",
    ".byte 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00", // mov rax, 15 (rt_sigreturn)
    "syscall",
    ".size eintr_restorer, . - eintr_restorer",
    // The kernel allows the addresses below start + length, and the counter stands behind the
    // instruction by then.
    "nop",
    "eintr_stub_limit:",
    ".popsection",
);

unsafe extern "C" {
    pub(super) fn eintr_restorer();
    static eintr_run: u8;
    static eintr_run_syscall: u8;
    static eintr_run_end: u8;
}

/// Such a call destroys a register, which can say where to go on.
pub(crate) const RUNS_THERE: bool = true;

/// How far below the stack pointer a call that [`run_there`] makes writes.
pub(crate) const RUN_DEPTH: usize = 136;

/// Makes the trapped syscall where the thread stands, by our stub and not by our handler (S24).
/// There must be room below its stack pointer.
pub(crate) fn run_there(context: &mut ucontext_t) {
    let registers = &mut context.uc_mcontext.gregs;
    registers[libc::REG_RCX as usize] = registers[libc::REG_RIP as usize];
    registers[libc::REG_RIP as usize] = &raw const eintr_run as usize as i64;
}

/// The same for a `clone` onto a stack of its own: `RUN_DEPTH` below its top the new thread must find
/// where it goes on.
pub(crate) fn clone_there(context: &mut ucontext_t) {
    context.uc_mcontext.gregs[libc::REG_RSI as usize] -= RUN_DEPTH as i64;
    run_there(context);
}

/// Puts a thread that is about to make a syscall by that stub, or to make it again, back to the
/// instruction at which it was stopped. There it is asked again.
pub(crate) fn put_back(context: &mut ucontext_t) {
    let [start, syscall, end] =
        [&raw const eintr_run, &raw const eintr_run_syscall, &raw const eintr_run_end]
            .map(|label| label as usize);
    let pc = pc(context);
    if !(start..end).contains(&pc) {
        return;
    }
    let sp = sp(context);
    let (depth, behind) = match pc {
        _ if pc == start => (0, None),
        // SAFETY: the stub has pushed it, and that stack is the thread's.
        _ if pc == syscall => (RUN_DEPTH, Some(unsafe { *(sp as *const i64) })),
        _ => (RUN_DEPTH - size_of::<usize>(), None),
    };
    let registers = &mut context.uc_mcontext.gregs;
    let behind = behind.unwrap_or(registers[libc::REG_RCX as usize]);
    registers[libc::REG_RIP as usize] = behind - SYSCALL_INSTRUCTION.len() as i64;
    if registers[libc::REG_RAX as usize] == libc::SYS_clone {
        registers[libc::REG_RSI as usize] += RUN_DEPTH as i64;
    }
    set_sp(context, sp + depth);
}

/// The number of a syscall by that stub which a signal has interrupted, and which is about to be made
/// again. One that was never made looks the same, but for rcx: at the entry the processor puts there
/// where it goes on. (With FRED it does not. Then there is never one.)
pub(crate) fn number_made_again(context: &ucontext_t) -> Option<c_long> {
    let is_before = pc(context) == &raw const eintr_run_syscall as usize;
    let rcx = context.uc_mcontext.gregs[libc::REG_RCX as usize] as usize;
    (is_before && rcx == &raw const eintr_run_end as usize).then(|| number(context))
}

/// Whether it looks as if the kernel had been entered at the instruction at which the context stands: by that
/// register, which code leaves alone for a while.
pub(crate) fn was_entered(context: &ucontext_t) -> bool {
    let rcx = context.uc_mcontext.gregs[libc::REG_RCX as usize] as usize;
    rcx == pc(context).wrapping_add(SYSCALL_INSTRUCTION.len())
}

/// The thread goes on behind such a syscall, with that result.
pub(crate) fn end_run(context: &mut ucontext_t, result: isize) {
    let sp = sp(context);
    // SAFETY: the stub has pushed it, and that stack is the thread's.
    let behind = unsafe { *(sp as *const i64) };
    let registers = &mut context.uc_mcontext.gregs;
    registers[libc::REG_RIP as usize] = behind;
    registers[libc::REG_RCX as usize] = behind;
    set_sp(context, sp + RUN_DEPTH);
    set_result(context, result);
}

pub(crate) fn pc(context: &ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

pub(super) fn set_pc(context: &mut ucontext_t, pc: usize) {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] = pc as i64;
}

pub(super) fn set_sp(context: &mut ucontext_t, sp: usize) {
    context.uc_mcontext.gregs[libc::REG_RSP as usize] = sp as i64;
}

/// The context stands in the trampoline, with its own mark set.
pub(crate) fn mark_before(context: &ucontext_t) -> usize {
    // SAFETY: that mark is the stack pointer, and the one before was pushed there.
    unsafe { *(sp(context) as *const usize) }
}

pub(crate) fn sp(context: &ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RSP as usize] as usize
}

pub(crate) fn registers(context: &ucontext_t) -> Registers {
    let fp = context.uc_mcontext.gregs[libc::REG_RBP as usize] as usize;
    Registers { pc: pc(context), sp: sp(context), fp, link: 0 }
}

/// Where an `rt_sigreturn` at which the context stands finds the mask that it restores: the frame's
/// context begins at the stack pointer.
pub(crate) fn mask_to_restore(context: &ucontext_t) -> usize {
    sp(context) + core::mem::offset_of!(ucontext_t, uc_sigmask)
}

/// Where it finds the alternate stack that it restores.
pub(crate) fn stack_to_restore(context: &ucontext_t) -> usize {
    sp(context) + core::mem::offset_of!(ucontext_t, uc_stack)
}

/// Where it finds the stack pointer that it restores.
pub(crate) fn sp_to_restore(context: &ucontext_t) -> usize {
    let registers = core::mem::offset_of!(ucontext_t, uc_mcontext.gregs);
    sp(context) + registers + libc::REG_RSP as usize * size_of::<usize>()
}

/// Where the address stands that a signal's handler returns to: the kernel's frame begins with it,
/// and then comes the context.
pub(super) fn return_address(context: *const ucontext_t) -> *mut usize {
    (context as usize - size_of::<usize>()) as *mut usize
}

/// Whether the processor keeps return addresses by itself.
pub(super) fn has_shadow_stack() -> bool {
    let mut shadow_stack = 0_usize;
    // rdsspq rax: nothing, where there is none.
    // SAFETY: it changes that register only.
    unsafe {
        core::arch::asm!(
            ".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8",
            inout("rax") shadow_stack,
            options(nomem, nostack, preserves_flags)
        );
    }
    shadow_stack != 0
}

/// Tells what the kernel calls for a handler of ours: the handler.
macro_rules! door {
    ($function:ident, $label:literal, $handler:path) => {
        fn $function() -> usize {
            $handler as *const () as usize
        }
    };
}
pub(crate) use door;

/// The instruction by which a syscall enters the kernel.
pub(crate) const SYSCALL_INSTRUCTION: &[u8] = &[0x0f, 0x05];

/// The number of the syscall that the counter stands at.
pub(crate) fn number(context: &ucontext_t) -> c_long {
    context.uc_mcontext.gregs[libc::REG_RAX as usize]
}

/// The result of the syscall that the counter stands behind.
pub(crate) fn result(context: &ucontext_t) -> isize {
    context.uc_mcontext.gregs[libc::REG_RAX as usize] as isize
}

/// Whether a syscall's number is still there when it has returned.
pub(crate) const KEEPS_NUMBER: bool = false;

/// The number of the syscall that the counter stands behind: its register holds the result now.
pub(crate) fn number_behind(_context: &ucontext_t) -> Option<c_long> {
    None
}

/// Steps over the syscall instruction.
pub(super) fn step_over(context: &mut ucontext_t) {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] += SYSCALL_INSTRUCTION.len() as i64;
}

/// `AUDIT_ARCH_X86_64`: the syscall numbers are this architecture's, not those of a 32-bit
/// `int 0x80`.
pub(crate) const AUDIT_ARCH: u32 = 0xc000_003e;

/// The arguments of a syscall.
pub(crate) fn arguments(context: &ucontext_t) -> [usize; 6] {
    let registers = &context.uc_mcontext.gregs;
    [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8, libc::REG_R9]
        .map(|register| registers[register as usize] as usize)
}

/// Gives a syscall a result.
pub(crate) fn set_result(context: &mut ucontext_t, result: isize) {
    context.uc_mcontext.gregs[libc::REG_RAX as usize] = result as i64;
}

/// Makes the trapped syscall once more. The counter stands behind its instruction.
pub(crate) fn retry(context: &mut ucontext_t) {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] -= SYSCALL_INSTRUCTION.len() as i64;
}

// _Bool eintr_on_valgrind(void): valgrind's client request RUNNING_ON_VALGRIND (0x1001). The
// rotations add up to nothing on a processor; valgrind knows them by sight.
global_asm!(
    ".pushsection .text.eintr_on_valgrind,\"ax\",@progbits",
    ".hidden eintr_on_valgrind",
    ".globl eintr_on_valgrind",
    ".type eintr_on_valgrind,@function",
    "eintr_on_valgrind:",
    ".cfi_startproc",
    "endbr64",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset rbx, 0",
    "sub rsp, 48", // the request and its five arguments
    ".cfi_adjust_cfa_offset 48",
    "mov qword ptr [rsp], 0x1001",
    "mov rax, rsp",
    "xor edx, edx", // the answer where there is no valgrind
    "rol rdi, 3",
    "rol rdi, 13",
    "rol rdi, 61",
    "rol rdi, 51",
    "xchg rbx, rbx",
    "mov eax, edx",
    "add rsp, 48",
    ".cfi_adjust_cfa_offset -48",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    ".cfi_endproc",
    ".size eintr_on_valgrind, . - eintr_on_valgrind",
    ".popsection",
);

unsafe extern "C" {
    pub(super) fn eintr_on_valgrind() -> u32;
}
