//! `eintr::sync`: waiting for other threads.
//!
//! The tests work like this: [`cases`] lists every interruptible wait, each with what lets it go
//! on. [`points`] asks each at every point in time. The other modules are about what is particular
//! to one type, and [`std_program`] is a program that is compiled twice, with std's types and with
//! ours, and must do the same.

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod channels;
mod condvars;
mod locks;
mod others;
mod points;
mod roads;
mod std_program;
mod types;

use common::wait_until_on_futex as wait_until_asleep;
