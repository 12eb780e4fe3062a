//! Tasks, masks, timeouts, reach: what begins and ends.
//!
//! # Safety
//!
//! An exported function relies on what `eintr.h` says of its pointers: null, or good for what is
//! read there.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_uint};

use libc::c_int;

use super::{Errno, Held, Open, border, done, handles, scopes, tsan};
use crate::deadline::open::{self, Limit};
use crate::deadline::{self, standing};
use crate::entry::install;
use crate::mask::Mask;
use crate::reach::{Reach, ReachLoops};
use crate::{Task, is_interrupted};

/// `EINTR_ROOT`
const ROOT: c_uint = 1;
/// `EINTR_NO_REACH`
const NO_REACH: c_uint = 2;

/// Makes a task.
///
/// # Safety
///
/// `name` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_task_new(name: *const c_char, flags: c_uint) -> u64 {
    border(0, || {
        if flags & !(ROOT | NO_REACH) != 0 {
            return Err(Errno(libc::EINVAL));
        }
        // Where in C is not known.
        let task = if flags & ROOT != 0 { Task::root_made_at(None) } else { Task::made_at(None) };
        let task = task.reach(flags & NO_REACH == 0);
        // SAFETY: the caller's promise.
        let task = match unsafe { handles::text(name) } {
            Some(name) => task.name(name),
            None => task,
        };
        Ok(handles::keep(Held::Task(task)))
    })
}

/// An interrupter of a task that has not begun.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_task_interrupter(task: u64) -> u64 {
    border(0, || Ok(handles::keep(Held::Interrupter(handles::task(task)?))))
}

/// Begins a task on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_task_begin(task: u64) -> c_int {
    done(|| {
        let Held::Task(made) = handles::take(task, is_task)? else { unreachable!() };
        scopes::begin(Some(task), || Ok(Open::Task(made.begin())))
    })
}

/// Ends it.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_task_end(task: u64) -> c_int {
    tsan::ends();
    done(|| scopes::end(task, |open| matches!(open, Open::Task(_))))
}

/// Gives up a task that has not begun.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_task_free(task: u64) -> c_int {
    done(|| handles::take(task, is_task))
}

fn is_task(held: &Held) -> bool {
    matches!(held, Held::Task(_))
}

/// Begins a mask.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_mask_begin() -> u64 {
    border(0, || scopes::begin(None, || Ok(Open::Mask(Mask::begin()))))
}

/// Ends it.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_mask_end(mask: u64) -> c_int {
    done(|| scopes::end(mask, |open| matches!(open, Open::Mask(_))))
}

/// Begins a deadline.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_timeout_begin(milliseconds: c_int) -> u64 {
    border(0, || {
        let limit = Limit::after(handles::limit(milliseconds)?);
        install::ensure();
        scopes::begin(None, || Ok(Open::Timeout(open::Open::begin(limit)?, limit)))
    })
}

/// `EINTR_IN_TIME` ...
const IN_TIME: c_int = 0;
const EXPIRED: c_int = 1;
const CUT_SHORT: c_int = 2;

/// Ends it; whether it is what ended its body.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_timeout_end(timeout: u64) -> c_int {
    border(-1, || {
        let ended = scopes::end(timeout, |open| matches!(open, Open::Timeout(..)))?;
        let Open::Timeout(timeout, limit) = ended else { unreachable!() };
        if timeout.end() {
            if !is_interrupted() {
                return Ok(CUT_SHORT);
            }
            // A cause outside of it stands: the error is passed on in the name of that.
            standing::mark_raised();
        }
        Ok(if limit.has_passed() { EXPIRED } else { IN_TIME })
    })
}

/// What is left of the first deadline, for poll: rounded up, -1 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_remaining() -> c_int {
    border(-1, || {
        Ok(deadline::remaining().map_or(-1, |left| {
            c_int::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
        }))
    })
}

/// Turns reach on or off.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_reach_begin(on: c_int) -> u64 {
    let begin = || Ok(Open::Reach((Reach::set(on != 0), ReachLoops::set(on == 2))));
    border(0, || match on {
        0..=2 => scopes::begin(None, begin),
        _ => Err(Errno(libc::EINVAL)),
    })
}

/// As it was before.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_reach_end(reach: u64) -> c_int {
    done(|| scopes::end(reach, |open| matches!(open, Open::Reach(_))))
}
