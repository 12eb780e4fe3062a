//! Moving to another signal, where the program has put something else in the place of our handler (S21).
//!
//! A requester looks before it sends, and a deadline before its timer is set. They note what they find, let
//! go of their locks, and come here. We choose another signal, install our handler, and only then say
//! which it is. Then each thread is told, under its signal lock: its timers are made anew, what was announced may
//! be announced again, and who is armed is signalled. A thread that makes itself a timer meanwhile looks
//! once more which signal it is, after it has made it.
//!
//! What is pending by then, what a timer sends before anybody has looked, and the moment between a look
//! and the sending, are limits: whoever has the signal then gets it.
//!
//! (Rejected: to take the signal back. The program has said what it wants of it. And to call the
//! stranger's handler, to see whether it leads to ours: that may do anything.)

use std::fs;
use std::sync::{Mutex, PoisonError};

use super::install;
use crate::kernel::{Set, signals};
use crate::signal::ours;
use crate::thread::{all_threads, fork_gate, target};

static MOVING: Mutex<()> = Mutex::new(());

/// Moves, unless somebody has done so meanwhile, or there is nowhere to go; whether our handler is in
/// force now. With no lock of ours held.
pub(crate) fn move_away() -> bool {
    let free = free();
    let gate = fork_gate::gate();
    let moving = MOVING.lock().unwrap_or_else(PoisonError::into_inner);
    let is_done = ours::in_force().is_ok();
    let has_moved = !is_done && free.iter().any(|number| install::set_instead(*number));
    drop((moving, gate));
    if has_moved {
        // Those that come later come to the new one.
        for record in all_threads::records() {
            let gate = fork_gate::gate();
            record.thread_under_signal_lock(target::move_over);
            drop(gate);
        }
    }
    is_done || has_moved
}

/// Signals that nobody uses: they have the default action, and no thread blocks them. A thread that
/// blocks all of them says nothing about any one (our helpers do). The kernel shows what a thread waits
/// for, by `sigwait`, as open there; but who waits so has other threads block it as well.
fn free() -> Vec<i32> {
    let unused: Vec<_> =
        install::free_signals(0).filter(|number| !ours::was_ever(*number)).collect();
    let all: Set = unused.iter().map(|number| signals::bit(*number)).sum();
    let says = |blocked: &Set| all & !blocked != 0;
    let masks = blocked_by_threads().into_iter().chain([signals::mask()]);
    let blocked = masks.filter(says).fold(0, |all, set| all | set);
    unused.into_iter().filter(|number| blocked & signals::bit(*number) == 0).collect()
}

fn blocked_by_threads() -> Vec<Set> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let status = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).ok();
    threads.flatten().filter_map(status).filter_map(|status| blocked_in(&status)).collect()
}

fn blocked_in(status: &str) -> Option<Set> {
    let set = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
    Set::from_str_radix(set.trim(), 16).ok()
}
