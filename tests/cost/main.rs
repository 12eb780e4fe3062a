//! What does it cost: which syscalls, how much memory, which descriptors and threads?

mod alone;
mod idle;
mod same_syscalls;
