//! Reading this process's own memory by address, where nothing may be there.
//!
//! Through the kernel, which says so where a look would be a SIGSEGV, and which reads another
//! thread's stack or what another thread is about to unmap as if another process did.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{arch, ask};

/// Reads what lies there; whether all of it was there.
pub(crate) fn read(address: usize, into: &mut [u8]) -> bool {
    ask::read(address, into.as_mut_ptr().cast(), into.len()) || read_by_file(address, into)
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

/// Whether a program counter stands in a call of our own.
pub(crate) fn is_own_call(pc: usize) -> bool {
    arch::is_in_trampoline(pc)
}
