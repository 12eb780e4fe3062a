//! What a thread has begun and not ended: tasks, masks, timeouts, reach.
//!
//! In the order in which it began, and to be ended in the other. What is still open when the thread
//! ends is ended then, innermost first.

use std::cell::RefCell;

use super::hooks::Hook;
use super::{Errno, handles};
use crate::deadline::open;
use crate::mask::Mask;
use crate::reach::{Reach, ReachLoops};
use crate::task::Running;

/// What is open. It ends where it is dropped.
pub(super) enum Open {
    Task(#[expect(dead_code, reason = "dropped")] Running),
    Mask(#[expect(dead_code, reason = "dropped")] Mask),
    Timeout(open::Open, open::Limit),
    Reach(#[expect(dead_code, reason = "dropped")] (Reach, ReachLoops)),
    Hook(#[expect(dead_code, reason = "dropped")] Hook),
}

struct Stack(Vec<(u64, Open)>);

impl Drop for Stack {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

thread_local! {
    static STACK: RefCell<Stack> = const { RefCell::new(Stack(Vec::new())) };
}

/// On a thread that is past its end, or in a signal handler that interrupted us.
const NOT_HERE: Errno = Errno(libc::EBUSY);

fn with_stack<T>(f: impl FnOnce(&mut Vec<(u64, Open)>) -> Result<T, Errno>) -> Result<T, Errno> {
    STACK
        .try_with(|stack| f(&mut stack.try_borrow_mut().map_err(|_| NOT_HERE)?.0))
        .unwrap_or(Err(NOT_HERE))
}

/// Begins something, under a number that is given or a fresh one.
pub(super) fn begin(
    id: Option<u64>,
    open: impl FnOnce() -> Result<Open, Errno>,
) -> Result<u64, Errno> {
    // Before it begins: afterwards it could not be undone without being noticed.
    with_stack(|stack| {
        stack.reserve(1);
        Ok(())
    })?;
    let (id, open) = (id.unwrap_or_else(handles::fresh), open()?);
    with_stack(|stack| {
        stack.push((id, open));
        Ok(id)
    })
}

/// Takes the innermost off the stack, for its end. EINVAL if that number stands for nothing of the
/// kind on this thread, EBUSY if something that began later is still open.
pub(super) fn end(id: u64, wanted: fn(&Open) -> bool) -> Result<Open, Errno> {
    with_stack(|stack| {
        let place = stack.iter().rposition(|(other, open)| *other == id && wanted(open));
        match place.ok_or(Errno(libc::EINVAL))? {
            place if place + 1 < stack.len() => Err(Errno(libc::EBUSY)),
            _ => stack.pop().map(|(_, open)| open).ok_or(Errno(libc::EINVAL)),
        }
    })
}
