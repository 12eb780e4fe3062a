//! What C holds by a number.
//!
//! # Safety
//!
//! The caller vouches for the texts that it hands over: null, or a C string.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libc::c_int;

use super::Errno;
use crate::room::Room;
use crate::termination::Registration;
use crate::thread::{Gate, fork_gate};
use crate::{Interrupter, Task};

/// What a number stands for.
pub(super) enum Held {
    /// A task that has not begun.
    Task(Task),
    Interrupter(Interrupter),
    Registration(#[expect(dead_code, reason = "dropped")] Box<Registration>),
}

/// In the order of their numbers.
static TABLE: Mutex<Table> = Mutex::new(Table(Vec::new()));
static LAST: AtomicU64 = AtomicU64::new(0);

struct Table(Vec<(u64, Held)>);

impl Table {
    fn find(&self, id: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(number, _)| *number)
    }

    fn get(&self, id: u64) -> Option<&Held> {
        self.find(id).ok().map(|index| &self.0[index].1)
    }
}

/// A number that was never given out. 0 is none.
pub(super) fn fresh() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The gate proves that no fork can see it locked.
fn locked(_gate: &Gate) -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives something a number.
pub(super) fn keep(held: Held) -> u64 {
    let id = fresh();
    let mut held = Some((id, held));
    fork_gate::with_room(|gate, room: &mut Room<_>| {
        let mut table = locked(gate);
        room.for_one_more(&mut table.0)?;
        // Others have got numbers since, but few.
        if let (Err(index), Some(held)) = (table.find(id), held.take()) {
            table.0.insert(index, held);
        }
        Ok(id)
    })
}

/// Takes it out, if it is what is wanted.
pub(super) fn take(id: u64, wanted: fn(&Held) -> bool) -> Result<Held, Errno> {
    let gate = fork_gate::gate();
    let mut table = locked(&gate);
    let index = table.find(id).ok().filter(|index| wanted(&table.0[*index].1));
    index.map(|index| table.0.remove(index).1).ok_or(Errno(libc::EINVAL))
}

/// The interrupter of that number, or of a task that has not begun.
pub(super) fn interrupter(id: u64) -> Result<Interrupter, Errno> {
    look(id, |held| match held {
        Held::Interrupter(interrupter) => Some(interrupter.clone()),
        _ => None,
    })
}

/// Looks at a task that has not begun.
pub(super) fn task(id: u64) -> Result<Interrupter, Errno> {
    look(id, |held| match held {
        Held::Task(task) => Some(task.interrupter()),
        _ => None,
    })
}

fn look(id: u64, look: impl FnOnce(&Held) -> Option<Interrupter>) -> Result<Interrupter, Errno> {
    let gate = fork_gate::gate();
    locked(&gate).get(id).and_then(look).ok_or(Errno(libc::EINVAL))
}

/// Milliseconds; -1 is for ever.
pub(super) fn limit(milliseconds: c_int) -> Result<Duration, Errno> {
    if milliseconds < -1 { Err(Errno(libc::EINVAL)) } else { Ok(as_poll(milliseconds)) }
}

/// Milliseconds as poll has them: any negative number is for ever.
pub(super) fn as_poll(milliseconds: c_int) -> Duration {
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
