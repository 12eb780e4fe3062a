//! This process's id, remembered where no other process finds it.
//!
//! A request needs it, and asking the kernel is a tenth of what sending a signal costs. An ordinary
//! variable would be copied into a child: a fork's could be told, but that of a raw `clone` would
//! signal its parent's thread (S6). So it stands on a page of its own, which the kernel empties in
//! whatever process gets a copy of it. (A child of vfork gets no copy: it shares the page and the
//! tasks, and a request of its is one to its parent's threads.)
//!
//! # Safety
//!
//! The page is ours, is never given back, and holds one number, of which any value is valid.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::{raw, syscall};

static PAGE: AtomicPtr<AtomicI32> = AtomicPtr::new(std::ptr::null_mut());

const SIZE: usize = size_of::<AtomicI32>();

/// Makes the page. Where the kernel has no such page (before 4.14, or emulated), it will be asked
/// each time.
pub(crate) fn prepare() {
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    // SAFETY: a new mapping, wherever there is room.
    let page = unsafe { syscall(libc::SYS_mmap, [0, SIZE, protection, flags, usize::MAX, 0]) };
    let Ok(page) = page else { return };
    let advice = libc::MADV_WIPEONFORK as usize;
    // SAFETY: the page that was just mapped.
    match unsafe { syscall(libc::SYS_madvise, [page, SIZE, advice]) } {
        Ok(_) => {
            PAGE.store(page as *mut AtomicI32, Ordering::Release);
            remember();
        }
        // SAFETY: as above; nobody else knows of it.
        Err(_) => drop(unsafe { syscall(libc::SYS_munmap, [page, SIZE]) }),
    }
}

/// Remembers the id. To be called at the start, and in the child of a fork.
pub(crate) fn remember() {
    if let Some(remembered) = page() {
        remembered.store(raw::getpid(), Ordering::Relaxed);
    }
}

/// The id of the process whose memory this is. Async-signal-safe.
pub(crate) fn get() -> i32 {
    // Empty is not filled here: this may be the child of a vfork.
    let remembered = page().map(|page| page.load(Ordering::Relaxed)).filter(|pid| *pid != 0);
    remembered.unwrap_or_else(raw::getpid)
}

fn page() -> Option<&'static AtomicI32> {
    // SAFETY: null, or the page.
    unsafe { PAGE.load(Ordering::Acquire).as_ref() }
}
