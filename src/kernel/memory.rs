//! Reading this process's own memory by address, where nothing may be there.
//!
//! Through the kernel, which says so where a look would be a SIGSEGV, and which reads another
//! thread's stack or what another thread is about to unmap as if another process did.
//!
//! # Safety
//!
//! The one block hands the kernel an address to read from, at which nothing need be.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::raw::syscall;
use super::{descriptor, signals};
use crate::arch;

/// Reads what lies there; whether all of it was there.
pub(crate) fn read(address: usize, into: &mut [u8]) -> bool {
    descriptor::read(address, into.as_mut_ptr().cast(), into.len()) || read_by_file(address, into)
}

/// Whether the kernel does it by `process_vm_readv`.
pub(crate) fn is_read_by_kernel() -> bool {
    let [there, mut here] = [1_usize, 0];
    descriptor::read(&raw const there as usize, (&raw mut here).cast(), size_of_val(&here))
}

/// Where a sandbox, or an emulator, has no `process_vm_readv`.
fn read_by_file(address: usize, into: &mut [u8]) -> bool {
    let memory = File::open("/proc/self/mem");
    memory.is_ok_and(|memory| memory.read_exact_at(into, address as u64).is_ok())
}

/// Reads a string that ends with a zero, or the beginning of one.
pub(crate) fn read_string(address: usize) -> Option<String> {
    let mut bytes = [0; 256];
    // Behind a string's end there may be nothing.
    let length = [256, 64, 16].into_iter().find(|length| read(address, &mut bytes[..*length]))?;
    let text = bytes[..length].split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Whether the word at or around an address can be read: by the kernel, which reads a set there
/// before it finds fault with what to do. (valgrind complains aloud about that, and is asked
/// otherwise.)
pub(crate) fn is_readable(address: usize) -> bool {
    let address = address & !(signals::SET_SIZE - 1);
    if arch::on_valgrind() {
        return descriptor::peek::<1>(address).is_some();
    }
    // SAFETY: the kernel reads a set, if one is there, and changes nothing.
    let asked =
        unsafe { syscall(libc::SYS_rt_sigprocmask, [usize::MAX, address, 0, signals::SET_SIZE]) };
    asked == Err(libc::EINVAL)
}
