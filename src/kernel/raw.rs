//! Syscalls as they are, without errno and without a test, for handlers and for what libc does not
//! offer.
//!
//! # Safety
//!
//! The caller vouches for the syscall: its number, and the memory that its arguments point to.

#![allow(unsafe_code)]

use libc::c_long;

use crate::arch;

/// Makes a syscall; a negative result is an error number.
///
/// # Safety
///
/// As the syscall's own: pointers among the arguments must be valid for what the kernel does to
/// them.
pub(crate) unsafe fn syscall<const N: usize>(nr: c_long, args: [usize; N]) -> Result<usize, i32> {
    let arg = |i: usize| args.get(i).copied().unwrap_or(0);
    // SAFETY: the caller's promise, unchanged.
    let result = unsafe { arch::eintr_raw(nr, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    if result < 0 { Err(-result as i32) } else { Ok(result as usize) }
}

/// Makes a syscall that the program has asked for. The kernel's result.
///
/// # Safety
///
/// As [`syscall`].
pub(crate) unsafe fn syscall_for_program(
    nr: c_long,
    [a1, a2, a3, a4, a5, a6]: [usize; 6],
) -> isize {
    // SAFETY: the caller's promise, unchanged.
    unsafe { arch::eintr_raw_for_program(nr, a1, a2, a3, a4, a5, a6) }
}

/// The calling thread's id, from the kernel: no cache of libc's, so it is true in a child of any
/// fork.
pub(crate) fn gettid() -> i32 {
    // SAFETY: no arguments.
    unsafe { syscall(libc::SYS_gettid, []) }.unwrap_or(0) as i32
}

/// The calling process's id, from the kernel.
pub(crate) fn getpid() -> i32 {
    // SAFETY: no arguments.
    unsafe { syscall(libc::SYS_getpid, []) }.unwrap_or(0) as i32
}

/// Where a value lies that the kernel reads; null for none.
pub(crate) fn address_of<T>(value: &Option<T>) -> usize {
    value.as_ref().map_or(0, |value| &raw const *value as usize)
}
