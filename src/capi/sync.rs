//! Semaphores, condition variables and joins that can be interrupted.
//!
//! (Rejected: to take libc's own. Its semaphores are woken by nobody but `sem_post`, and a condition variable of its by a
//! hook that would have to hold the caller's mutex, which the requester may hold itself.)
//!
//! # Safety
//!
//! An exported function relies on what `eintr.h` says of its pointers: null is an error, and else they lead to an
//! object that stays there meanwhile. The words are C's `uint32_t`, which only these functions touch.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use libc::{pthread_mutex_t, timespec};

use super::calls::span;
use super::{Errno, done, handles, tsan};
use crate::entry::futex_wait;
use crate::kernel::{Moment, futex};
use crate::thread::Stop;
use crate::{checkpoint, complete};

/// `eintr_sem`, `eintr_cond`
#[repr(transparent)]
pub struct Word(AtomicU32);

/// A word of the caller's.
///
/// # Safety
///
/// Null, or one.
unsafe fn word<'a>(word: *const Word) -> Result<&'a AtomicU32, Errno> {
    // SAFETY: the caller's promise.
    unsafe { word.as_ref() }.map(|word| &word.0).ok_or(Errno(libc::EFAULT))
}

/// Sleeps while the word is that, until then.
fn sleep(word: &AtomicU32, seen: u32, until: Moment) -> Result<(), Errno> {
    Ok(complete(|| match futex_wait::wait_until(word, seen, until) {
        Err(Stop::Errno(libc::EAGAIN)) => Ok(()),
        slept => slept,
    })?)
}

/// # Safety
///
/// Null, or a time.
unsafe fn end(timeout: *const timespec) -> Result<Moment, Errno> {
    // SAFETY: the caller's promise.
    Ok(unsafe { span(timeout) }?.map_or(Moment::NEVER, Moment::in_time))
}

fn take(semaphore: &AtomicU32) -> bool {
    semaphore.fetch_update(Acquire, Relaxed, |value| value.checked_sub(1)).is_ok()
}

/// sem_wait(3), with a limit.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sem_wait(semaphore: *mut Word, timeout: *const timespec) -> c_int {
    done(|| {
        // SAFETY: the caller's promise.
        let (semaphore, until) = unsafe { (word(semaphore)?, end(timeout)?) };
        checkpoint()?;
        while !take(semaphore) {
            sleep(semaphore, 0, until)?;
        }
        Ok(())
    })
}

/// sem_trywait(3)
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sem_trywait(semaphore: *mut Word) -> c_int {
    // SAFETY: the caller's promise.
    done(|| take(unsafe { word(semaphore) }?).then_some(()).ok_or(Errno(libc::EAGAIN)))
}

/// sem_post(3). Once it has counted, it only wakes an address: whoever was waited for may be gone.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sem_post(semaphore: *mut Word) -> c_int {
    done(|| {
        // SAFETY: the caller's promise.
        let semaphore = unsafe { word(semaphore) }?;
        let posted = semaphore.fetch_update(AcqRel, Relaxed, |value| value.checked_add(1));
        posted.map_err(|_| Errno(libc::EOVERFLOW))?;
        futex::wake(semaphore, 1);
        Ok(())
    })
}

fn numbered(number: c_int) -> Result<(), Errno> {
    if number == 0 { Ok(()) } else { Err(Errno(number)) }
}

/// pthread_cond_wait(3), with a limit.
///
/// # Safety
///
/// See the module; the mutex is one that this thread has locked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_cond_wait(
    condition: *mut Word,
    mutex: *mut pthread_mutex_t,
    timeout: *const timespec,
) -> c_int {
    done(|| {
        // SAFETY: the caller's promise.
        let (condition, until) = unsafe { (word(condition)?, end(timeout)?) };
        if mutex.is_null() {
            return Err(Errno(libc::EFAULT));
        }
        checkpoint()?;
        // Under the mutex: what is signalled from here on is seen.
        let seen = condition.load(Relaxed);
        // SAFETY: the caller's promise.
        numbered(unsafe { libc::pthread_mutex_unlock(mutex) })?;
        let slept = sleep(condition, seen, until);
        // SAFETY: as above.
        numbered(unsafe { libc::pthread_mutex_lock(mutex) })?;
        slept
    })
}

/// pthread_cond_signal(3)
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_cond_signal(condition: *mut Word) -> c_int {
    // SAFETY: the caller's promise.
    done(|| unsafe { wake(condition, 1) })
}

/// pthread_cond_broadcast(3)
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_cond_broadcast(condition: *mut Word) -> c_int {
    // SAFETY: the caller's promise.
    done(|| unsafe { wake(condition, i32::MAX as u32) })
}

/// # Safety
///
/// See the module.
unsafe fn wake(condition: *mut Word, count: u32) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let condition = unsafe { word(condition) }?;
    condition.fetch_add(1, Relaxed);
    futex::wake(condition, count);
    Ok(())
}

/// Waits until the task has ended.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_join(interrupter: u64) -> c_int {
    done(|| {
        handles::interrupter(interrupter)?.wait_finished_interruptible()?;
        tsan::has_ended();
        Ok(())
    })
}
