//! What C holds by a number.
//!
//! # Safety
//!
//! The caller answers for the texts that it hands over: null, or a C string.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use libc::c_int;

use super::border::Errno;
use crate::interrupter::Interrupter;
use crate::sys::fork;
use crate::task::Task;
use crate::termination::Registration;

/// What a number stands for.
pub(super) enum Held {
    /// A task that has not begun.
    Task(Task),
    Interrupter(Interrupter),
    Registration(#[expect(dead_code, reason = "dropped")] Registration),
}

static HELD: Mutex<BTreeMap<u64, Held>> = Mutex::new(BTreeMap::new());
static LAST: AtomicU64 = AtomicU64::new(0);

/// A number that was never given out. 0 is none.
pub(super) fn fresh() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Looks at the table; no fork sees it locked. What is taken out is to be dropped outside.
fn with_table<T>(f: impl FnOnce(&mut BTreeMap<u64, Held>) -> T) -> T {
    let _gate = fork::gate();
    f(&mut HELD.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Gives something a number.
pub(super) fn keep(held: Held) -> u64 {
    let id = fresh();
    with_table(|table| table.insert(id, held));
    id
}

/// Takes it out, if it is what is wanted.
pub(super) fn take(id: u64, wanted: fn(&Held) -> bool) -> Result<Held, Errno> {
    with_table(|table| table.get(&id).is_some_and(wanted).then(|| table.remove(&id))?)
        .ok_or(Errno(libc::EINVAL))
}

/// The interrupter of that number, or of a task that has not begun.
pub(super) fn interrupter(id: u64) -> Result<Interrupter, Errno> {
    with_table(|table| match table.get(&id) {
        Some(Held::Interrupter(interrupter)) => Some(interrupter.clone()),
        _ => None,
    })
    .ok_or(Errno(libc::EINVAL))
}

/// Looks at a task that has not begun.
pub(super) fn task(id: u64) -> Result<Interrupter, Errno> {
    with_table(|table| match table.get(&id) {
        Some(Held::Task(task)) => Some(task.interrupter()),
        _ => None,
    })
    .ok_or(Errno(libc::EINVAL))
}

/// Milliseconds as poll has them; a negative number is for ever.
pub(super) fn limit(milliseconds: c_int) -> Duration {
    u64::try_from(milliseconds).map_or(Duration::MAX, Duration::from_millis)
}

/// A text of C's; none for null.
///
/// # Safety
///
/// Null, or a string that ends with a null byte.
pub(super) unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
