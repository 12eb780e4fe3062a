//! The futex call, and what stands on it.

use std::rc::Rc;
use std::sync::atomic::AtomicU32;

use eintr::sync::{Event, FutexWait, channel};

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

/// A channel with a message, or without.
pub fn channel_recv(ready: bool) -> Case {
    let (sender, receiver) = channel();
    if ready {
        sender.send(7).unwrap();
    }
    let receiver = Rc::new(receiver);
    let waited_for = receiver.clone();
    Case {
        call: Box::new(move || Ok(waited_for.recv_interruptible()?.unwrap_or(0))),
        intact: Box::new(move |result| {
            let sender = sender;
            drop(sender);
            let left = receiver.try_iter().count();
            equal("messages", left + usize::from(result == Some(7)), ready.into())
        }),
    }
}
