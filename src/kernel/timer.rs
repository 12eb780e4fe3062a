//! A kernel timer that signals one thread (`timer_create` with `SIGEV_THREAD_ID`).
//!
//! It may be created and set from a handler, and finds room for its signal where others do not: that
//! was allocated with it.
//!
//! # Safety
//!
//! Each block hands the kernel structures of its own. A number stands in one `KernelTimer` only, so
//! what is deleted is that timer.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use libc::{c_int, itimerspec, timespec};

use super::clock::{Moment, timespec_of};
use super::raw::syscall;

/// A timer, or none yet: the kernel's number of it, plus one.
pub(crate) struct KernelTimer(AtomicI32);

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
        Self(AtomicI32::new(0))
    }

    fn id(&self) -> Option<usize> {
        self.0.load(Relaxed).checked_sub(1).and_then(|id| id.try_into().ok())
    }

    pub(crate) fn exists(&self) -> bool {
        self.id().is_some()
    }

    /// Makes one that sends that signal, with that value, to the thread of that id, unless there is
    /// one; whether there is one now. (The kernel refuses one at the limit on queued signals.)
    pub(crate) fn ensure(&self, tid: i32, signal: c_int, value: usize) -> bool {
        self.exists() || create(tid, signal, value).is_some_and(|id| self.keep(id))
    }

    fn keep(&self, id: i32) -> bool {
        // A handler of this thread's may have made one meanwhile.
        if self.0.compare_exchange(0, id + 1, Relaxed, Relaxed).is_err() {
            delete(id as usize);
        }
        true
    }

    /// Has it fire after that time, once. False if there is none.
    pub(crate) fn set_in(&self, time: Duration) -> bool {
        self.set(0, timespec_of(time), Duration::ZERO)
    }

    /// Has it fire at that moment, and again at that interval, if that is not zero. False if there
    /// is none.
    pub(crate) fn set_at(&self, moment: Moment, interval: Duration) -> bool {
        // A time of zero would stop it.
        let moment = moment.max(Moment::LONG_AGO);
        self.set(libc::TIMER_ABSTIME, moment.timespec(), interval)
    }

    /// Has it not fire.
    pub(crate) fn stop(&self) {
        self.set_in(Duration::ZERO);
    }

    fn set(&self, flags: c_int, it_value: timespec, interval: Duration) -> bool {
        let Some(id) = self.id() else { return false };
        let setting = itimerspec { it_interval: timespec_of(interval), it_value };
        let arguments = [id, flags as usize, &raw const setting as usize, 0];
        // SAFETY: the kernel reads the setting.
        let _ = unsafe { syscall(libc::SYS_timer_settime, arguments) };
        true
    }

    /// Deletes it, if there is one.
    pub(crate) fn delete(&self) {
        if let Some(id) = self.id() {
            delete(id);
        }
        self.forget();
    }

    /// Forgets it: a child of a fork has none, and its number may be another's there (S6).
    pub(crate) fn forget(&self) {
        self.0.store(0, Relaxed);
    }
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
