//! A kernel timer that signals one thread (`timer_create` with `SIGEV_THREAD_ID`).
//!
//! It may be created and set from a handler, and finds room for its signal where others do not: that
//! was allocated with it.
//!
//! # Safety
//!
//! Each block hands the kernel structures of its own. A number stands in one `KernelTimer` only, and
//! is deleted by whoever takes it out of there, so what is deleted is that timer.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use libc::{c_int, itimerspec, timespec};

use super::{Moment, syscall, timespec_of};

/// A timer, or none yet: the signal that it sends, above the kernel's number of it, plus one.
pub(crate) struct KernelTimer(AtomicU64);

/// The kernel's `struct sigevent`.
#[repr(C)]
struct Event {
    value: usize,
    signal: c_int,
    notify: c_int,
    tid: i32,
    _rest: [i32; 11],
}

const _: () = assert!(size_of::<Event>() == 64);

impl KernelTimer {
    pub(crate) const fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    fn id(&self) -> Option<usize> {
        id_in(self.0.load(Relaxed))
    }

    pub(crate) fn exists(&self) -> bool {
        self.id().is_some()
    }

    /// Makes one that sends that signal, with that value, to the thread of that id, unless there is
    /// one; whether there is one now. (The kernel refuses one at the limit on queued signals.) One that
    /// sends another signal is replaced, and the new one is set for what that was set for.
    pub(crate) fn ensure(&self, tid: i32, signal: c_int, value: usize) -> bool {
        loop {
            let before = self.0.load(SeqCst);
            if id_in(before).is_some() && before >> 32 == signal as u64 {
                return true;
            }
            let Some(id) = create(tid, signal, value) else { return false };
            let after = (signal as u64) << 32 | (id as u64 + 1);
            if self.0.compare_exchange(before, after, SeqCst, SeqCst).is_err() {
                // A handler of this thread's has made one meanwhile, or whoever replaces it.
                delete(id as usize);
                continue;
            }
            if let Some(old) = id_in(before) {
                hand_on(old, id as usize);
                delete(old);
            }
            return true;
        }
    }

    /// It fires after that time, once. False if there is none, by now.
    pub(crate) fn set_in(&self, time: Duration) -> bool {
        self.set(0, timespec_of(time), Duration::ZERO)
    }

    /// It fires at that moment, and again at that interval, if that is not zero. False if there
    /// is none, by now.
    pub(crate) fn set_at(&self, moment: Moment, interval: Duration) -> bool {
        // A time of zero would stop it.
        let moment = moment.max(Moment::LONG_AGO);
        self.set(libc::TIMER_ABSTIME, moment.timespec(), interval)
    }

    /// It does not fire any more.
    pub(crate) fn stop(&self) {
        self.set_in(Duration::ZERO);
    }

    fn set(&self, flags: c_int, it_value: timespec, interval: Duration) -> bool {
        let setting = itimerspec { it_interval: timespec_of(interval), it_value };
        loop {
            let Some(id) = self.id() else { return false };
            let is_set = settime(id, flags, &setting).is_some();
            // It may have been replaced, and what it was set for looked at before.
            if self.id() == Some(id) {
                if !is_set {
                    // Refused by a sandbox: as if there were none.
                    self.delete();
                }
                return is_set;
            }
        }
    }

    /// Deletes it, if there is one.
    pub(crate) fn delete(&self) {
        if let Some(id) = id_in(self.0.swap(0, Relaxed)) {
            delete(id);
        }
    }

    /// Forgets it: a child of a fork has none, and its number may be another's there (S6).
    pub(crate) fn forget(&self) {
        self.0.store(0, Relaxed);
    }
}

fn id_in(timer: u64) -> Option<usize> {
    (timer as u32).checked_sub(1).map(|id| id as usize)
}

/// Sets one timer for what another one is set for, unless somebody has set it already.
fn hand_on(from: usize, to: usize) {
    // SAFETY: a time is made of numbers.
    let mut setting: itimerspec = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the setting.
    let _ = unsafe { syscall(libc::SYS_timer_gettime, [from, &raw mut setting as usize]) };
    let stands =
        |setting: &itimerspec| setting.it_value.tv_sec != 0 || setting.it_value.tv_nsec != 0;
    if stands(&setting) {
        if let Some(own) = settime(to, 0, &setting).filter(stands) {
            settime(to, 0, &own);
        }
    }
}

/// What it was set for; none if it cannot be set.
fn settime(id: usize, flags: c_int, setting: &itimerspec) -> Option<itimerspec> {
    // SAFETY: as above.
    let mut old: itimerspec = unsafe { std::mem::zeroed() };
    let arguments = [id, flags as usize, &raw const *setting as usize, &raw mut old as usize];
    // SAFETY: the kernel reads one setting and writes the other.
    unsafe { syscall(libc::SYS_timer_settime, arguments) }.ok().map(|_| old)
}

fn create(tid: i32, signal: c_int, value: usize) -> Option<i32> {
    let event = Event { value, signal, notify: libc::SIGEV_THREAD_ID, tid, _rest: [0; 11] };
    let mut id: i32 = 0;
    let clock = libc::CLOCK_MONOTONIC as usize;
    let arguments = [clock, &raw const event as usize, &raw mut id as usize];
    // SAFETY: the kernel reads the event and writes the number.
    unsafe { syscall(libc::SYS_timer_create, arguments) }.ok()?;
    Some(id)
}

fn delete(id: usize) {
    // SAFETY: no pointers.
    let _ = unsafe { syscall(libc::SYS_timer_delete, [id]) };
}
