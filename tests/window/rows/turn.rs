//! What another thread does to a call's object while the target stands at an instruction: it brings
//! what the call waits for, or takes it away.

use std::os::fd::RawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};

type Turn = Box<dyn Fn() -> isize + Send>;

static TURN: Mutex<Option<Turn>> = Mutex::new(None);
static BY: AtomicIsize = AtomicIsize::new(0);

/// The case's turn is that. It tells by how much there is more then, or less.
pub fn is(turn: impl Fn() -> isize + Send + 'static) {
    *TURN.lock().unwrap() = Some(Box::new(turn));
    BY.store(0, SeqCst);
}

/// Of a byte that is in a pipe or socket, or comes into it.
pub fn is_of_a_byte(ready: bool, from: RawFd, to: RawFd) {
    is(move || if ready { -take(from, 1) } else { write(to, 1) });
}

/// Makes the turn, on another thread than the target.
pub fn make() {
    let turn = TURN.lock().unwrap();
    BY.store(turn.as_ref().expect("the case has a turn")(), SeqCst);
}

/// Lets go of what it was about.
pub fn is_over() {
    *TURN.lock().unwrap() = None;
}

/// By how much there is more since, or less.
pub fn by() -> isize {
    BY.load(SeqCst)
}

/// Reads as many bytes as there are, at most so many. The target stands still: nobody is quicker.
pub fn take(from: RawFd, most: usize) -> isize {
    let mut there = 0;
    let mut bytes = [0_u8; 4096];
    // SAFETY: the kernel writes a number, then at most so many bytes.
    unsafe {
        assert_eq!(libc::ioctl(from, libc::FIONREAD, &mut there), 0);
        match there {
            0 => 0,
            there => libc::read(from, bytes.as_mut_ptr().cast(), most.min(there as usize)),
        }
    }
}

/// Writes so many bytes, if there is room.
pub fn write(to: RawFd, count: usize) -> isize {
    let bytes = [super::io::BYTE; 4096];
    // SAFETY: the bytes.
    let write = || unsafe { libc::write(to, bytes.as_ptr().cast(), count) };
    if is_ready(to, libc::POLLOUT) { write() } else { 0 }
}

pub fn is_ready(fd: RawFd, events: i16) -> bool {
    let mut polled = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one descriptor.
    unsafe { libc::poll(&mut polled, 1, 0) == 1 }
}
