//! Whether a library is mapped into this process, asked from within a handler.
//!
//! # Safety
//!
//! The kernel reads a path and writes into a place of ours.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{AtomicMoment, Moment, syscall};

/// How long it is believed that a library is not there: the look is a long one.
const BELIEVED: Duration = Duration::from_millis(100);

/// A library that may be mapped or not. One that is stays.
pub(crate) struct Library {
    /// What is in its path, beginning with the only slash in it: "/libc.so".
    name: &'static [u8],
    is_there: AtomicBool,
    looked_at: AtomicMoment,
}

impl Library {
    pub(crate) const fn new(name: &'static [u8]) -> Self {
        let looked_at = AtomicMoment::new(Moment::LONG_AGO);
        Self { name, is_there: AtomicBool::new(false), looked_at }
    }

    /// Whether it is mapped.
    pub(crate) fn is_mapped(&self, now: Moment) -> bool {
        if !self.is_there.load(Relaxed) && now.since(self.looked_at.get()) > BELIEVED {
            self.looked_at.set(now);
            self.is_there.store(is_mapped(self.name), Relaxed);
        }
        self.is_there.load(Relaxed)
    }
}

/// Looks through the paths of what is mapped. (Rejected: `dl_iterate_phdr`, which takes the loader's
/// lock; and to look where a task begins, which comes before many a library.)
fn is_mapped(name: &[u8]) -> bool {
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
    let path = c"/proc/self/maps".as_ptr() as usize;
    // SAFETY: the kernel reads a path.
    let opened = unsafe { syscall(libc::SYS_openat, [libc::AT_FDCWD as usize, path, flags]) };
    let Ok(fd) = opened else { return false };
    let mut chunk = [0_u8; 1024];
    let mut matched = 0;
    let found = loop {
        let arguments = [fd, chunk.as_mut_ptr() as usize, chunk.len()];
        // SAFETY: the kernel writes at most so much.
        let read = match unsafe { syscall(libc::SYS_read, arguments) } {
            Err(libc::EINTR) => continue,
            Err(_) | Ok(0) => break false,
            Ok(read) => read,
        };
        let ends = |byte: &u8| {
            matched = match *byte {
                byte if byte == name[matched] => matched + 1,
                byte => usize::from(byte == name[0]),
            };
            matched == name.len()
        };
        if chunk[..read].iter().any(ends) {
            break true;
        }
    };
    // SAFETY: the descriptor is ours.
    let _ = unsafe { syscall(libc::SYS_close, [fd]) };
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_is_found_and_nothing_else() {
        let program = std::env::current_exe().unwrap();
        let name = format!("/{}", program.file_name().unwrap().to_str().unwrap());
        assert!(is_mapped(name.as_bytes()));
        assert!(!is_mapped(format!("{name}-another").as_bytes()));
    }
}
