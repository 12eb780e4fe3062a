//! What is read and written in a saved context, where the kernel has stopped a syscall.
//!
//! A filter's trap saves the context as Syscall User Dispatch does: the counter stands behind the
//! instruction, and the registers are those of before. So what only dispatch asks of a machine is
//! tried also where no kernel has that yet.
//!
//! # Safety
//!
//! A child process gets the filter, and only makes syscalls.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use libc::{c_void, siginfo_t, sock_filter, ucontext_t};

use super::*;
use crate::kernel::signals::{self, Action};

/// One that nobody makes.
const STOPPED: c_long = libc::SYS_lookup_dcookie;
const RESULT: isize = 42;
const CANNOT_FILTER: c_int = 77;
static TRAPS: AtomicUsize = AtomicUsize::new(0);

/// Asks the first time again, and tells a result the second.
unsafe extern "C" fn on_trap(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands a context, which is the handler's until it returns.
    let context = unsafe { &mut *context.cast::<ucontext_t>() };
    // SAFETY: and a siginfo, which has the counter, the number and the machine in its third word and fourth.
    let [address, told] = unsafe { info.cast::<[usize; 2]>().add(1).read() };
    let is_told = told == STOPPED as usize | (AUDIT_ARCH as usize) << 32 && address == pc(context);
    let as_asked = number(context) == STOPPED && arguments(context) == [1, 2, 3, 4, 5, 6];
    match TRAPS.fetch_add(1, Relaxed) {
        _ if !as_asked || !is_told || !trapped_in_raw(context) => set_result(context, -1),
        0 => retry(context),
        _ => set_result(context, RESULT),
    }
}
door!(trap_door, "eintr_test_trap", on_trap);

/// Makes each syscall that was stopped in its own place, as asked.
unsafe extern "C" fn on_each(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: as above.
    let context = unsafe { &mut *context.cast::<ucontext_t>() };
    TRAPS.fetch_add(1, Relaxed);
    if number(context) == libc::SYS_rt_sigreturn {
        // SAFETY: the frame that is about to be restored.
        let frame = unsafe { &mut *(FRAME.load(Relaxed) as *mut ucontext_t) };
        let places = [mask_to_restore(context), stack_to_restore(context)];
        let are_right =
            places == [&raw const frame.uc_sigmask as usize, &raw const frame.uc_stack as usize];
        // SAFETY: a place in that frame.
        if are_right && unsafe { *(sp_to_restore(context) as *const usize) } == sp(frame) {
            *signals::saved_mask(frame) |= signals::bit(libc::SIGWINCH);
        }
        return go_to_restorer(context);
    }
    let [a1, a2, a3, a4, a5, a6] = arguments(context);
    // SAFETY: the child's own.
    let result = unsafe { eintr_raw_for_program(number(context), a1, a2, a3, a4, a5, a6) };
    set_result(context, result);
    MASKS.fetch_or(signals::mask() as usize, Relaxed);
}
door!(each_door, "eintr_test_each", on_each);

/// What was blocked in that handler.
static MASKS: AtomicUsize = AtomicUsize::new(0);
static FRAME: AtomicUsize = AtomicUsize::new(0);

/// A handler of the program's, which returns by the restorer that libc or the kernel has for it.
extern "C" fn on_signal(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    FRAME.store(context as usize, Relaxed);
}

fn statement(code: u32, jt: u8, jf: u8, k: usize) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k: k as u32 }
}

/// In a child that has that filter and that handler of SIGSYS.
fn in_child(filter: &mut [sock_filter], handler: usize, run: fn() -> bool) {
    // SAFETY: the child makes syscalls and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: the filter lives through the call, and the handler is what it is said to be.
        unsafe {
            libc::alarm(60);
            let flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            signals::set_action(libc::SIGSYS, &Action::new(handler, flags, 0)).unwrap();
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let mode = libc::SECCOMP_MODE_FILTER;
            let has_filter = libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) == 0;
            libc::_exit(if has_filter { run().into() } else { CANNOT_FILTER });
        }
    }
    let mut status = -1;
    // SAFETY: the status is a variable of ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == CANNOT_FILTER {
        eprintln!("skipped: a filter cannot be had here");
    } else {
        assert!(libc::WIFEXITED(status), "{status}");
        assert_eq!(libc::WEXITSTATUS(status), 1);
    }
}

#[test]
fn a_trapped_syscall_is_read_asked_again_and_answered() {
    let answer = libc::BPF_RET | libc::BPF_K;
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0), // the number
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, STOPPED as usize),
        statement(answer, 0, 0, libc::SECCOMP_RET_TRAP as usize),
        statement(answer, 0, 0, libc::SECCOMP_RET_ALLOW as usize),
    ];
    in_child(&mut filter, trap_door(), || {
        // SAFETY: no such syscall is made.
        let result = unsafe { eintr_raw(STOPPED, 1, 2, 3, 4, 5, 6) };
        result == RESULT && TRAPS.load(Relaxed) == 2
    });
}

/// All are trapped but those of the stub, as with dispatch: also the return of a handler of the program's
/// (it comes where the kill is made), which restores what we have written into its frame.
#[test]
fn what_is_stopped_outside_of_the_stub_is_made_inside() {
    let (start, length) = stub();
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump = |what: u32, jt, jf, k| statement(libc::BPF_JMP | libc::BPF_K | what, jt, jf, k);
    let answer = libc::BPF_RET | libc::BPF_K;
    // (A stub across a border of 4 GiB would be trapped, and so be seen.)
    let mut filter = [
        statement(load, 0, 0, 0), // the number
        jump(libc::BPF_JEQ, 5, 0, libc::SYS_exit_group as usize),
        statement(load, 0, 0, 12), // the counter's upper half
        jump(libc::BPF_JEQ, 0, 4, start >> 32),
        statement(load, 0, 0, 8), // and its lower one
        jump(libc::BPF_JGE, 0, 2, start & 0xffff_ffff),
        jump(libc::BPF_JGE, 1, 0, (start + length) & 0xffff_ffff),
        statement(answer, 0, 0, libc::SECCOMP_RET_ALLOW as usize),
        statement(answer, 0, 0, libc::SECCOMP_RET_TRAP as usize),
    ];
    in_child(&mut filter, each_door(), || {
        // SAFETY: the handler is what it is said to be, and memory is the child's own.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            let is_set = libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) == 0;
            let is_raised = libc::raise(libc::SIGUSR1) == 0;
            let name = libc::getpid() as isize == eintr_raw(libc::SYS_getpid, 0, 0, 0, 0, 0, 0);
            let fails = libc::close(-512) == -1;
            let is_marked = MASKS.load(Relaxed) & signals::bit(libc::SIGWINCH) as usize != 0;
            let stopped = TRAPS.load(Relaxed);
            is_set && is_raised && name && fails && is_marked && stopped > 3
        }
    });
}

static IS_OURS: AtomicBool = AtomicBool::new(false);
static RETURNS_TO: AtomicUsize = AtomicUsize::new(0);

/// Sees who has called it, and how it returns; and returns as was seen the first time.
unsafe extern "C" fn on_return(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let context = context.cast::<ucontext_t>();
    // SAFETY: the kernel's context.
    unsafe {
        IS_OURS.store(is_frame_of_ours(context), Relaxed);
        match RETURNS_TO.load(Relaxed) {
            0 => RETURNS_TO.store(*machine::return_address(context), Relaxed),
            before => return_through(context, before),
        }
    }
}
door!(return_door, "eintr_test_return", on_return);

/// One of the program's, which came after ours and calls it.
unsafe extern "C" fn on_return_before(number: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: a handler with its arguments.
    unsafe {
        let ours: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
            std::mem::transmute(return_door());
        ours(number, info, context);
    }
}

#[test]
fn a_handler_knows_who_has_called_it_and_returns_through_anothers_restorer() {
    const SIGNAL: c_int = libc::SIGURG;
    let raise = || {
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::raise(SIGNAL) }, 0);
        IS_OURS.swap(false, Relaxed)
    };
    let set = |handler: usize| {
        let mut action = libc::sigaction {
            sa_sigaction: handler,
            sa_flags: libc::SA_SIGINFO,
            // SAFETY: a set.
            ..unsafe { std::mem::zeroed() }
        };
        // SAFETY: the handlers are what they are said to be.
        assert_eq!(unsafe { libc::sigaction(SIGNAL, &raw mut action, std::ptr::null_mut()) }, 0);
    };
    // By libc's, or the kernel's; on riscv64 the door does not care.
    set(return_door());
    assert_eq!(raise(), cfg!(target_arch = "riscv64"));
    assert_ne!(RETURNS_TO.load(Relaxed), 0);
    // By ours, and by the one that was seen.
    // SAFETY: as above.
    unsafe { signals::set_action(SIGNAL, &Action::new(return_door(), libc::SA_SIGINFO, 0)) }
        .unwrap();
    assert!(raise());
    set(on_return_before as *const () as usize);
    assert!(!raise());
}
