//! Syscalls that wait for events, each beside the records that the kernel reads and writes.

pub(crate) mod epoll;
pub(crate) mod poll;
pub(crate) mod select;
pub(crate) mod signals;
pub(crate) mod uring;
