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
    let mut polled = libc::pollfd { fd: to, events: libc::POLLOUT, revents: 0 };
    let bytes = [super::io::BYTE; 4096];
    // SAFETY: one descriptor, and the bytes.
    unsafe {
        match libc::poll(&mut polled, 1, 0) {
            1 => libc::write(to, bytes.as_ptr().cast(), count),
            _ => 0,
        }
    }
}
