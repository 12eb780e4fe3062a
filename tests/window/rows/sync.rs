//! The futex call, and what stands on it.

use std::rc::Rc;
use std::sync::atomic::AtomicU32;

use eintr::sync::{Event, FutexWait};

use super::{Case, equal};

/// A word that has changed, or that nobody changes.
pub fn futex_wait(ready: bool) -> Case {
    let word = Rc::new(AtomicU32::new(ready.into()));
    let waited_for = word.clone();
    Case {
        call: Box::new(move || {
            let why = eintr::sync::futex_wait(&waited_for, 0, None)?;
            Ok((why == FutexWait::Changed).into())
        }),
        intact: Box::new(move |result| {
            equal("the word had changed", result.unwrap_or(1), 1)?;
            equal("sleepers left on the word", eintr::sync::futex_wake(&word, u32::MAX), 0)
        }),
    }
}

/// An event that is set, or that nobody sets.
pub fn event_wait(ready: bool) -> Case {
    let event = Event::new();
    if ready {
        event.set();
    }
    Case {
        call: Box::new(move || event.wait_interruptible().map(|()| 0).map_err(Into::into)),
        intact: Box::new(move |result| equal("it was set", ready || result.is_none(), true)),
    }
}
