//! Copying a piece of a stack from within a handler, as far as there is something.
//!
//! Nobody knows where the stack ends, for the interrupted code may run on one of its own, and behind
//! its end may lie what another thread unmaps at this moment. So each page is read by the kernel,
//! in one step with the question whether it is there: by `process_vm_readv`, and where a sandbox or
//! an emulator has none, by a write into a pipe that the reporter empties.
//!
//! # Safety
//!
//! Each syscall is given memory of ours to write to, and an address to read from at which nothing
//! need be.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::ask;
use super::raw::syscall;

/// How the copy comes to the reporter.
pub(super) enum Carrier {
    /// The kernel copies from place to place.
    Kernel,
    Pipe {
        reader: OwnedFd,
        writer: OwnedFd,
    },
    /// There is no way, for want of descriptors.
    Nothing,
}

impl Carrier {
    /// Chosen by the reporter, before the handler runs: a pipe takes two descriptors.
    pub(super) fn choose() -> Self {
        let [there, mut here] = [1_usize, 0];
        let length = size_of_val(&here);
        if ask::read(&raw const there as usize, (&raw mut here).cast(), length) {
            return Self::Kernel;
        }
        let mut ends = [-1; 2];
        let flags = (libc::O_CLOEXEC | libc::O_NONBLOCK) as usize;
        // SAFETY: the kernel writes two descriptors.
        if unsafe { syscall(libc::SYS_pipe2, [ends.as_mut_ptr() as usize, flags]) }.is_err() {
            return Self::Nothing;
        }
        // SAFETY: they are new, and nobody else's.
        let [reader, writer] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        Self::Pipe { reader, writer }
    }

    /// The handler's part: copies what lies there; how much. Async-signal-safe.
    pub(super) fn send(&self, from: usize, into: &mut [u8]) -> usize {
        const PAGE: usize = 4096;
        let mut sent = 0;
        while sent < into.len() {
            let at = from + sent;
            let length = (PAGE - at % PAGE).min(into.len() - sent);
            if !self.send_within_page(at, &mut into[sent..sent + length]) {
                break;
            }
            sent += length;
        }
        sent
    }

    fn send_within_page(&self, from: usize, into: &mut [u8]) -> bool {
        match self {
            Self::Kernel => ask::read(from, into.as_mut_ptr().cast(), into.len()),
            // SAFETY: the kernel reads what is there, or says EFAULT. A piece of a page is
            // written whole or not at all.
            Self::Pipe { writer, .. } => unsafe {
                let arguments = [writer.as_raw_fd() as usize, from, into.len()];
                syscall(libc::SYS_write, arguments) == Ok(into.len())
            },
            Self::Nothing => false,
        }
    }

    /// The reporter's part: takes what was sent; how much.
    pub(super) fn receive(&self, into: &mut [u8]) -> usize {
        let Self::Pipe { reader, .. } = self else { return into.len() };
        let mut received = 0;
        while received < into.len() {
            let rest = &mut into[received..];
            let arguments = [reader.as_raw_fd() as usize, rest.as_mut_ptr() as usize, rest.len()];
            // SAFETY: the kernel writes to ours.
            match unsafe { syscall(libc::SYS_read, arguments) } {
                Ok(0) | Err(_) => break,
                Ok(count) => received += count,
            }
        }
        received
    }
}
