//! Our signal: which it is, whose a signal is, and who was there before us.

pub(crate) mod handlers;
pub(crate) mod ours;
pub(crate) mod pending;
pub(crate) mod previous;
pub(crate) mod siginfo;

pub(crate) use ours::Unsendable;
pub(crate) use previous::Previous;
pub(crate) use siginfo::Sender;
