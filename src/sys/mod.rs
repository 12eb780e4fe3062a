//! The machine room: the trampoline, the handler, the signal, the syscalls.
//!
//! # Safety
//!
//! This folder holds all `unsafe` code. Each file says at its head what it relies on, and each
//! block why it may.

#![allow(unsafe_code)]

pub(crate) mod abandon;
mod alternate_stack;
mod answer;
mod arch;
mod ask;
mod believed_mask;
pub(crate) mod block;
pub(crate) mod call;
mod chain;
pub(crate) mod clock;
mod deadline_timer;
pub(crate) mod deadlines;
pub(crate) mod dispatch;
pub(crate) mod event;
pub(crate) mod flags;
pub(crate) mod fork;
pub(crate) mod fs;
pub(crate) mod futex;
pub(crate) mod futex_road;
mod goodbye;
mod handler;
mod helper;
pub(crate) mod hooked;
pub(crate) mod install;
pub(crate) mod io;
pub(crate) mod ipc;
mod keeper;
pub(crate) mod locks;
pub(crate) mod memory;
pub(crate) mod net;
mod pid;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod reason;
pub(crate) mod roll;
pub(crate) mod scoped;
mod second_best;
pub(crate) mod signal;
pub(crate) mod snapshot;
mod stack_copy;
pub(crate) mod terminal;
pub(crate) mod thread;
pub(crate) mod time;
mod timer;
mod trap;
pub(crate) mod waiting;
