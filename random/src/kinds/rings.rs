//! io_uring: operations that do nothing, and are complete at once. Where the kernel gives no ring, nothing is done.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::State::{Becomes, Ready};
use crate::operation::Whose::{C, Own};
use crate::plant::planted;
use crate::worker::{Readiness, Worker};
use crate::wrong;

pub const ROWS: &[Row] = &[row("io_uring_enter", &[Own, C], &[], wait)];

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

/// And twice as many completions.
const ENTRIES: u32 = 4;
const PAGE: usize = 4096;
/// `IORING_OFF_SQ_RING`. Both queues lie there.
const QUEUES: i64 = 0;
/// `IORING_OFF_SQES`. Entries that are all zero are those of an operation that does nothing.
const ENTRIES_AT: i64 = 0x1000_0000;
const IORING_ENTER_GETEVENTS: u32 = 1;

pub struct Ring {
    fd: OwnedFd,
    parameters: Parameters,
    queues: Page,
    _entries: Page,
    /// How many operations were submitted, and how many completions consumed.
    counts: Mutex<[u32; 2]>,
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
    /// None where there are none, or no more.
    pub fn new() -> Option<Arc<Self>> {
        let mut parameters = Parameters::default();
        // SAFETY: the kernel writes its parameters, of that size. The descriptor is new.
        let fd = unsafe {
            let fd = libc::syscall(libc::SYS_io_uring_setup, ENTRIES, &raw mut parameters);
            OwnedFd::from_raw_fd(i32::try_from(fd).ok().filter(|fd| *fd >= 0)?)
        };
        let (queues, _entries) = (Page::map(&fd, QUEUES).ok()?, Page::map(&fd, ENTRIES_AT).ok()?);
        Some(Arc::new(Self { fd, parameters, queues, _entries, counts: Mutex::default() }))
    }

    /// Submits, and waits for completions.
    fn enter(&self, submitted: u32, completions: u32) -> isize {
        let (fd, flags) = (self.fd.as_raw_fd(), IORING_ENTER_GETEVENTS * completions);
        // SAFETY: no pointers.
        unsafe {
            libc::syscall(libc::SYS_io_uring_enter, fd, submitted, completions, flags, 0, 0)
                as isize
        }
    }

    /// Takes what is complete, and tells how much it was.
    fn consume(&self) -> u32 {
        let mut counts = self.counts.lock().expect("nobody panics");
        let Offsets { head, tail, .. } = self.parameters.completion;
        let (head, tail) = (self.queues.word(head), self.queues.word(tail));
        let count = tail.load(SeqCst).wrapping_sub(head.load(SeqCst));
        head.fetch_add(count, SeqCst);
        counts[1] += count;
        count
    }

    fn balance(&self) {
        self.consume();
        let [submitted, consumed] = *self.counts.lock().expect("nobody panics");
        if submitted != consumed {
            wrong(format_args!("io_uring: {submitted} operations, {consumed} completions"));
        }
    }
}

impl Readiness for Arc<Ring> {
    fn ready(&self) {
        let mut counts = self.counts.lock().expect("nobody panics");
        if counts[0] - counts[1] >= ENTRIES {
            return;
        }
        let Offsets { tail, mask, array, .. } = self.parameters.submission;
        let word = |offset| self.queues.word(offset);
        let number = word(tail).load(SeqCst);
        let place = number & word(mask).load(SeqCst);
        word(array + 4 * place).store(place, SeqCst);
        word(tail).store(number.wrapping_add(1), SeqCst);
        if self.enter(1, 0) != 1 {
            wrong(format_args!("io_uring: {}", io::Error::last_os_error()));
        }
        counts[0] += 1;
    }

    fn unready(&self) {
        self.consume();
    }
}

fn wait(worker: &Worker, call: &Call) -> Done {
    let Some(ring) = worker.ring() else { return Ok(()) };
    worker.meets(call, ring.clone(), || match call.whose {
        Own => worker.own(eintr::event::io_uring_wait(&ring.fd, 1)),
        _ => worker.c_once(ring.enter(0, 1)).map(drop),
    })?;
    let seen = if planted("completion", call.number) {
        ring.counts.lock().expect("nobody panics")[0] += 1;
        1
    } else {
        ring.consume()
    };
    if seen == 0 && matches!(call.state, Ready | Becomes) {
        wrong("io_uring: a wait for a completion has ended without one");
    }
    ring.balance();
    Ok(())
}
