//! Syscalls that wait for events, each beside the records that the kernel reads and writes.
//!
//! # Safety
//!
//! Each block hands the kernel records, sets and times that are borrowed, or the block's own, for
//! the length of the call.

pub(crate) mod epoll;
pub(crate) mod events;
pub(crate) mod poll;
pub(crate) mod select;
pub(crate) mod signals;
pub(crate) mod uring;
