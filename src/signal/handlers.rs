//! The masks of all handlers of the process: SIGSYS is taken out of them (S2).
//!
//! Another thread may install a handler with a full mask at any time, so this is done again and again.
//! One look at all of them takes a third of what an interrupt takes without. So who asks looks after it
//! has told the thread, and until then that has its signals wait: see `dispatch::begin`.
//!
//! # Safety
//!
//! What is installed was there before, but for its mask.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use libc::c_int;

use crate::kernel::{AtomicMoment, Moment, signals};

static LOOKED_AT: AtomicMoment = AtomicMoment::new(Moment::LONG_AGO);

/// How long a look is good for: not long, since a handler that is installed meanwhile can end the
/// process, and long enough for a thousand threads to be asked at once. (Where such a handler has been
/// seen, that is too long: a thread that installs one itself, and is asked then, would die of it at once.)
const GOOD_FOR: Duration = Duration::from_millis(1);

/// How long the quickest look has taken, in nanoseconds; 0 if there was none yet.
static TAKES: AtomicU64 = AtomicU64::new(0);

/// A handler of the program's has had SIGSYS in its mask, so the next one will: dispatch begins after a look
/// that is no older.
static HAVE_HELD_IT: AtomicBool = AtomicBool::new(false);

/// To be called where a handler of the program's has SIGSYS in its mask.
pub(crate) fn note_mask_with_sigsys() {
    HAVE_HELD_IT.store(true, Relaxed);
}

/// Whether dispatch may begin without a look.
pub(crate) fn are_open(now: Moment) -> bool {
    is_recent(now) && !HAVE_HELD_IT.load(Relaxed)
}

fn is_recent(now: Moment) -> bool {
    now.since(LOOKED_AT.get()) < GOOD_FOR
}

/// Looks at them, unless that has just been done. Async-signal-safe.
pub(crate) fn open_all(now: Moment) {
    if !is_recent(now) {
        look(now);
    }
}

/// The same before dispatch begins.
pub(crate) fn open_to_begin(now: Moment) {
    if !are_open(now) {
        look(now);
    }
}

fn look(now: Moment) {
    // Ours among them: another handler may stand before it.
    let has_none = [libc::SIGKILL, libc::SIGSTOP, libc::SIGSYS];
    (1..=64).filter(|number| !has_none.contains(number)).for_each(open_mask);
    let end = Moment::now_in_handler();
    LOOKED_AT.set(end);
    // One that was preempted tells nothing.
    let taken = end.since(now).as_nanos() as u64;
    let quickest = TAKES.load(Relaxed);
    if quickest == 0 || taken < quickest {
        TAKES.store(taken, Relaxed);
    }
}

/// How long a look takes.
pub(crate) fn look_takes() -> Duration {
    const AT_MOST: u64 = 20_000;
    Duration::from_nanos(TAKES.load(Relaxed).min(AT_MOST))
}

/// Takes SIGSYS out of the mask of a signal's handler.
fn open_mask(number: c_int) {
    let Ok(mut wanted) = signals::action(number) else { return };
    if wanted.mask & signals::bit(libc::SIGSYS) == 0 || !wanted.is_caught() {
        return;
    }
    note_mask_with_sigsys();
    let mut expected = wanted;
    loop {
        let open = wanted.without(signals::bit(libc::SIGSYS));
        // SAFETY: a disposition that was there, but for its mask.
        match unsafe { signals::set_action(number, &open) } {
            // Another thread has set one since we looked, and we have undone that: theirs is to
            // stand.
            Ok(before) if before != expected => (wanted, expected) = (before, open),
            _ => return,
        }
    }
}
