//! The C surface, as `include/eintr.h` documents it.
//!
//! A C program has no destructors and no borrow checker, so what Rust leaves to them is checked
//! here: everything that outlives a call is a number, looked up in a table, and never given out
//! twice; what is begun and ended is on a stack of the thread's. A number that stands for nothing
//! any more, or for something else, is an error. (Rejected: pointers. A handle that is used after
//! it was freed would be a crash, or worse, another one's.)
//!
//! Each function passes [`border`](border::border): an error becomes -1 or 0 with errno, a panic an error, and a
//! success leaves errno as it was.
//!
//! # Pointers
//!
//! The caller vouches for its pointers, as it does towards any C library: null is an error where it
//! means nothing, and whatever else does not point to what the header says is not found out, unless
//! the kernel finds it.

#![allow(unreachable_pub, reason = "they are reached by their exported names")]

mod abandon;
mod border;
mod calls;
mod handles;
mod hooks;
mod inspect;
mod raise;
mod reason;
mod requester;
mod scopes;
mod sync;
mod tasks;
mod tsan;

use border::{Errno, border, done};
use handles::Held;
use reason::CReason;
use scopes::Open;
