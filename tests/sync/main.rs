//! `eintr::sync`: waiting for other threads.
//!
//! The tests work like this: [`cases`] lists every interruptible wait, each with what lets it go on. [`points`] asks each
//! at every point in time. The other modules are about what is particular to one type, and [`std_program`] is a program
//! that is compiled twice, with std's types and with ours, and must do the same.

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

use common::{kernels_number, sleeping_in, wait_until};

/// Waits until a thread of this process sleeps in the futex call, of either kind.
fn wait_until_asleep(tid: i32) {
    const SYS_FUTEX_WAITV: i64 = 449;
    let sleeps = || match sleeping_in(tid) {
        Some(number) => number == kernels_number(libc::SYS_futex) || number == SYS_FUTEX_WAITV,
        None => false,
    };
    wait_until(&format!("thread {tid} sleeps on a futex"), sleeps);
}
