//! The machine room: the trampoline, the handler, the signal, the syscalls.
//!
//! # Safety
//!
//! This folder holds all `unsafe` code. Each file says at its head what it relies on, and each block why it may.

#![allow(unsafe_code)]

mod arch;
pub(crate) mod block;
pub(crate) mod call;
mod chain;
pub(crate) mod clock;
mod deadline_timer;
pub(crate) mod deadlines;
pub(crate) mod fork;
pub(crate) mod futex;
mod handler;
pub(crate) mod install;
pub(crate) mod io;
mod keeper;
mod raw;
mod signal;
pub(crate) mod thread;
pub(crate) mod time;
mod timer;
mod waiting;
