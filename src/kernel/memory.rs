//! Reading this process's own memory by address, where nothing may be there.
//!
//! Through the kernel, which says so where a look would be a SIGSEGV, and which reads another
//! thread's stack or what another thread is about to unmap as if another process did.
//!
//! # Safety
//!
//! The kernel is handed addresses to read from and to write to, at which nothing need be; what it reads
//! into is ours, and as large. Where a sandbox forbids that, what the interrupted code has handed to the
//! kernel is looked at by us, once the kernel has said that it is there.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{raw, signals, syscall};
use crate::arch;

/// Reads what the interrupted code's pointer points to; none where nothing is.
pub(crate) fn peek<const N: usize>(address: usize) -> Option<[usize; N]> {
    let mut words = [0_usize; N];
    look(address, words.as_mut_ptr().cast(), size_of_val(&words)).then_some(words)
}

/// Reads so much of what the interrupted code's pointer points to into a place of ours; whether all of
/// it was there.
pub(crate) fn look(address: usize, into: *mut libc::c_void, length: usize) -> bool {
    match copy_by_kernel(address, into, length) {
        Ok(copied) => copied == length,
        Err(libc::EFAULT) => false,
        Err(_) => look_after_asking(address, into.cast(), length),
    }
}

/// The same in a sandbox that does not let the kernel (S27). These are two steps: who unmaps what another
/// thread's syscall is given may see a SIGSEGV there, in place of its EFAULT.
#[cold]
fn look_after_asking(address: usize, into: *mut u8, length: usize) -> bool {
    const PAGE: usize = 4096;
    let Some(end) = address.checked_add(length) else { return false };
    let pages = (address & !(PAGE - 1)..end).step_by(PAGE);
    let is_there = pages.map(|page| page.max(address)).all(is_readable);
    if is_there {
        for i in 0..length {
            // SAFETY: it can be read, as the kernel has just said; ours is as large.
            unsafe { *into.add(i) = ((address + i) as *const u8).read_volatile() };
        }
    }
    is_there
}

/// Reads so much into a place of ours, in one step; whether all of it was there.
pub(crate) fn copy(address: usize, into: *mut libc::c_void, length: usize) -> bool {
    copy_by_kernel(address, into, length) == Ok(length)
}

fn copy_by_kernel(address: usize, into: *mut libc::c_void, length: usize) -> Result<usize, i32> {
    let local = libc::iovec { iov_base: into, iov_len: length };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: length };
    let [local, remote] = [&raw const local, &raw const remote].map(|iovec| iovec as usize);
    let arguments = [raw::getpid() as usize, local, 1, remote, 1, 0];
    // SAFETY: the kernel reads the one place, if it is there, and writes the other, which is ours
    // and as large.
    unsafe { syscall(libc::SYS_process_vm_readv, arguments) }
}

/// Writes to where the interrupted code's pointer points; whether anything is there.
pub(crate) fn poke<const N: usize>(address: usize, words: &[usize; N]) -> bool {
    write(address, words)
}

/// The same.
pub(crate) fn write(address: usize, words: &[usize]) -> bool {
    let length = size_of_val(words);
    let local = libc::iovec { iov_base: words.as_ptr().cast_mut().cast(), iov_len: length };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: length };
    let [local, remote] = [&raw const local, &raw const remote].map(|iovec| iovec as usize);
    let arguments = [raw::getpid() as usize, local, 1, remote, 1, 0];
    // SAFETY: the kernel reads ours and writes the other, if it is there, as the syscall would
    // have.
    match unsafe { syscall(libc::SYS_process_vm_writev, arguments) } {
        Ok(written) => written == length,
        Err(libc::EFAULT) => false,
        Err(_) => poke_after_asking(address, words),
    }
}

/// The same in a sandbox that does not let the kernel: it tells by writing a mask there.
#[cold]
fn poke_after_asking(address: usize, words: &[usize]) -> bool {
    let takes_mask = |address: usize| {
        let arguments = [libc::SIG_BLOCK as usize, 0, address, signals::SET_SIZE];
        // SAFETY: the kernel writes a set, if there is a place, where more is written next.
        address != 0 && unsafe { syscall(libc::SYS_rt_sigprocmask, arguments) }.is_ok()
    };
    let place = address as *mut usize;
    let is_there = (0..words.len()).all(|i| takes_mask(place.wrapping_add(i) as usize));
    if is_there {
        for (i, word) in words.iter().enumerate() {
            // SAFETY: the kernel has just written there, and the syscall would have.
            unsafe { place.add(i).write_unaligned(*word) };
        }
    }
    is_there
}

/// Reads what lies there; whether all of it was there.
pub(crate) fn read(address: usize, into: &mut [u8]) -> bool {
    copy(address, into.as_mut_ptr().cast(), into.len()) || read_by_file(address, into)
}

/// Whether the kernel does it by `process_vm_readv`.
pub(crate) fn is_read_by_kernel() -> bool {
    let [there, mut here] = [1_usize, 0];
    copy(&raw const there as usize, (&raw mut here).cast(), size_of_val(&here))
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
        let mut word = 0_usize;
        return copy(address, (&raw mut word).cast(), size_of_val(&word));
    }
    // SAFETY: the kernel reads a set, if one is there, and changes nothing.
    let asked =
        unsafe { syscall(libc::SYS_rt_sigprocmask, [usize::MAX, address, 0, signals::SET_SIZE]) };
    asked == Err(libc::EINVAL)
}
