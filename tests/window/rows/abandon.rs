//! A call that is left: the result that is in hand stands, and no instruction is left at which it
//! goes on for ever.

use std::cell::Cell;
use std::ffi::c_void;
use std::rc::Rc;

use super::{Case, equal};

struct Work {
    ready: bool,
    ended: Cell<bool>,
}

/// Sleeps again and again, whatever comes; or returns.
unsafe extern "C" fn work(argument: *mut c_void) -> isize {
    // SAFETY: the case keeps it for as long as the call runs.
    let work = unsafe { &*argument.cast::<Work>() };
    loop {
        if work.ready {
            work.ended.set(true);
            return 5;
        }
        let time = libc::timespec { tv_sec: i64::MAX, tv_nsec: 0 };
        // SAFETY: the kernel reads the time, which is borrowed.
        unsafe { libc::nanosleep(&time, std::ptr::null_mut()) };
    }
}

pub fn call(ready: bool) -> Case {
    let told = Rc::new(Work { ready, ended: Cell::new(false) });
    let asked = told.clone();
    Case {
        call: Box::new(move || {
            let argument = Rc::as_ptr(&told).cast_mut().cast();
            // SAFETY: `work` has nothing to undo.
            let left = unsafe { eintr::abandon(work, argument) };
            Ok(left.map(|value| value as u64)?)
        }),
        intact: Box::new(move |result| {
            equal("the result", result.unwrap_or(5), 5)?;
            equal("its end", asked.ended.get() || result.is_none(), true)
        }),
    }
}
