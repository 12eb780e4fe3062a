//! The state machines: words, who changes them, who sleeps on them. No values, no `unsafe`, and
//! over [`primitives`](crate::kernel::primitives) only, so that loom can check them.

mod condvar;
mod event;
mod held;
mod mutex;
mod rwlock;
mod sleepers;
mod token;
mod wait;

pub(crate) use condvar::RawCondvar;
pub(crate) use event::RawEvent;
pub(crate) use held::Held;
pub(crate) use mutex::RawMutex;
pub(crate) use rwlock::RawRwLock;
pub(crate) use sleepers::Sleepers;
pub(crate) use token::Token;
pub(crate) use wait::{How, Slept};
