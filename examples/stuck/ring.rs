//! An io_uring, as small as one can be that completes something.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// The kernel's `struct io_uring_params`, and of its offsets those that are used here.
#[repr(C)]
#[derive(Default)]
struct Parameters {
    head: [u32; 10],
    submission: Offsets,
    completion: Offsets,
}

#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    _rest: [u32; 3],
    /// Of the array of indices, in the queue of submissions.
    array: u32,
    _more: [u32; 3],
}

const _: () = assert!(size_of::<Parameters>() == 120);

const ENTRIES: u32 = 4;
const PAGE: usize = 4096;
/// `IORING_OFF_SQ_RING`.
const SUBMISSIONS: i64 = 0;
/// `IORING_OFF_SQES`. Entries that are all zero are those of an operation that does nothing.
const ENTRIES_AT: i64 = 0x1000_0000;

/// A ring, whose operations do nothing and complete at once.
pub struct Ring {
    fd: OwnedFd,
    offsets: Offsets,
    completed: Offsets,
    submissions: Page,
    _entries: Page,
    submitting: Mutex<()>,
}

/// A page that the kernel shares.
struct Page(*mut u8);

// SAFETY: what is written there is written by one thread at a time, or atomic.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    fn map(fd: &OwnedFd, offset: i64) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let (flags, fd) = (libc::MAP_SHARED | libc::MAP_POPULATE, fd.as_raw_fd());
        // SAFETY: a new mapping, wherever there is room.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, fd, offset) };
        if page == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self(page.cast()))
        }
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        assert!(offset as usize <= PAGE - 4 && offset % 4 == 0);
        // SAFETY: inside the page, which lives as long as `self`.
        unsafe { AtomicU32::from_ptr(self.0.add(offset as usize).cast()) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped in `map`, and borrowed no more.
        unsafe { libc::munmap(self.0.cast(), PAGE) };
    }
}

impl Ring {
    pub fn new() -> io::Result<Self> {
        let mut parameters = Parameters::default();
        // SAFETY: the kernel writes its parameters, of that size.
        let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, &raw mut parameters) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let submissions = Page::map(&fd, SUBMISSIONS)?;
        let _entries = Page::map(&fd, ENTRIES_AT)?;
        let [offsets, completed] = [parameters.submission, parameters.completion];
        Ok(Self { fd, offsets, completed, submissions, _entries, submitting: Mutex::new(()) })
    }

    /// Has one operation done.
    pub fn complete_one(&self) {
        let _alone = self.submitting.lock().unwrap();
        let word = |offset| self.submissions.word(offset);
        let tail = word(self.offsets.tail).load(Ordering::Relaxed);
        let place = tail & word(self.offsets.mask).load(Ordering::Relaxed);
        word(self.offsets.array + 4 * place).store(place, Ordering::Relaxed);
        word(self.offsets.tail).store(tail.wrapping_add(1), Ordering::Release);
        // SAFETY: no pointers.
        let submitted =
            unsafe { libc::syscall(libc::SYS_io_uring_enter, self.fd.as_raw_fd(), 1, 0, 0, 0, 0) };
        assert_eq!(submitted, 1);
    }

    /// Takes a completion, if there is one.
    #[allow(dead_code, reason = "the window test takes some")]
    pub fn take_one(&self) -> bool {
        let [head, tail] = [self.completed.head, self.completed.tail];
        let [head, tail] = [head, tail].map(|offset| self.submissions.word(offset));
        let is_there = tail.load(Ordering::Acquire) != head.load(Ordering::Relaxed);
        if is_there {
            head.fetch_add(1, Ordering::Release);
        }
        is_there
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
