//! A panic stops at the border to C: it becomes an error number.

use std::error::Error;
use std::ffi::{c_int, c_void};
use std::{fmt, io, ptr};

unsafe extern "C" {
    fn eintr_why(reason: *mut c_void) -> c_int;
    fn eintr_checkpoint() -> c_int;
}

/// A reason that cannot be told.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("this panic is the test's");
    }
}

impl Error for Unspeakable {}

fn errno() -> Option<i32> {
    io::Error::last_os_error().raw_os_error()
}

#[test]
fn a_panic_is_an_error_number() {
    let (task, interrupter) = eintr::task();
    interrupter.interrupt_with(Unspeakable);
    task.run(|| {
        let mut room = [0_u8; 256];
        // SAFETY: there is room for a reason.
        assert_eq!(unsafe { eintr_why(room.as_mut_ptr().cast()) }, -1);
        assert_eq!(errno(), Some(libc::ENOTRECOVERABLE));
        // Nothing is locked or half done.
        // SAFETY: nobody wants to know.
        assert_eq!(unsafe { eintr_why(ptr::null_mut()) }, 1);
        // SAFETY: no arguments.
        assert_eq!(unsafe { eintr_checkpoint() }, -1);
        assert_eq!(errno(), Some(libc::ECANCELED));
    });
}
