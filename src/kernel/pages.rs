//! A file's contents for a short time, on pages that the system has back at once. (An allocator keeps what is freed, and
//! the greater it was the longer. Rejected: the file itself, mapped: a look behind its end, once it has been cut, is a SIGBUS.)
//!
//! # Safety
//!
//! The pages are ours from their making to their end, and as many as are told.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::ops::Deref;

use super::syscall;

pub(crate) struct Pages {
    address: usize,
    length: usize,
}

impl Pages {
    /// The file's, all of them; none if it is empty, or it or memory is not to be had.
    pub(crate) fn of(file: &mut File) -> Option<Self> {
        let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
        let arguments = [0, length, protection, flags, usize::MAX, 0];
        // SAFETY: a new mapping, wherever there is room.
        let address = unsafe { syscall(libc::SYS_mmap, arguments) }.ok()?;
        let pages = Self { address, length };
        // SAFETY: as many bytes, all zero, which nobody else knows of yet.
        let bytes = unsafe { std::slice::from_raw_parts_mut(address as *mut u8, length) };
        file.read_exact(bytes).is_ok().then_some(pages)
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as many bytes, which nobody changes any more.
        unsafe { std::slice::from_raw_parts(self.address as *const u8, self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing borrows it any more.
        let _ = unsafe { syscall(libc::SYS_munmap, [self.address, self.length]) };
    }
}
