//! Waiting for events and for signals.
//!
//! # Safety
//!
//! Each is as unsafe as the syscall: see [`super`].

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::time::Duration;

use libc::{epoll_event, fd_set, nfds_t, pollfd, siginfo_t, sigset_t, timespec, timeval};

use super::{Errno, border, numbered, signals_less_ours, span};
use crate::calls::Limit;
use crate::calls::event::{epoll, signals::suspend};
use crate::capi::handles::as_poll;
use crate::complete;
use crate::kernel::{SET_SIZE, address_of, timespec_of};
use crate::thread::{Outcome, Stop, call};

/// poll(2)
///
/// # Safety
///
/// As poll.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_poll(fds: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int {
    // SAFETY: the caller's promise.
    border(-1, || unsafe { polled(fds, count, Some(as_poll(timeout)), None) })
}

/// ppoll(2)
///
/// # Safety
///
/// As ppoll.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_ppoll(
    fds: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the caller's promise.
    border(-1, || unsafe { polled(fds, count, span(timeout)?, signals_less_ours(mask)) })
}

/// # Safety
///
/// As poll.
unsafe fn polled(
    fds: *mut pollfd,
    count: nfds_t,
    timeout: Option<Duration>,
    mask: Option<u64>,
) -> Result<c_int, Errno> {
    let limit = Limit::new(timeout);
    Ok(complete(|| {
        let mut left = limit.remaining().map(timespec_of);
        let left = left.as_mut().map_or(0, |left| &raw mut *left as usize);
        let arguments = [fds as usize, count as usize, left, address_of(&mask), SET_SIZE];
        // SAFETY: the caller's promise; the time and the mask are ours.
        unsafe { call(libc::SYS_ppoll, arguments) }
    })? as c_int)
}

/// select(2). As on Linux, the time that is left is written back.
///
/// # Safety
///
/// As select.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_select(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    timeout: *mut timeval,
) -> c_int {
    border(-1, || {
        // SAFETY: the caller's promise.
        let timeout = unsafe { timeout.as_mut() };
        let span = match &timeout {
            None => None,
            Some(time) => match (u64::try_from(time.tv_sec), u64::try_from(time.tv_usec)) {
                (Ok(seconds), Ok(micros)) => {
                    let micros = Duration::from_micros(micros);
                    Some(Duration::from_secs(seconds).saturating_add(micros))
                }
                _ => return Err(Errno(libc::EINVAL)),
            },
        };
        let limit = Limit::new(span);
        // SAFETY: the caller's promise.
        let ready = unsafe { selected(count, [read, write, except], &limit, None) };
        if let (Some(time), Some(left)) = (timeout, limit.remaining()) {
            time.tv_sec = left.as_secs() as libc::time_t;
            time.tv_usec = left.subsec_micros().into();
        }
        ready
    })
}

/// pselect(2)
///
/// # Safety
///
/// As pselect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_pselect(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: the caller's promise.
    border(-1, || unsafe {
        let limit = Limit::new(span(timeout)?);
        selected(count, [read, write, except], &limit, signals_less_ours(mask))
    })
}

/// # Safety
///
/// As pselect.
unsafe fn selected(
    count: c_int,
    sets: [*mut fd_set; 3],
    limit: &Limit,
    mask: Option<u64>,
) -> Result<c_int, Errno> {
    let [read, write, except] = sets.map(|set| set as usize);
    let mask_and_size = [address_of(&mask), SET_SIZE];
    Ok(complete(|| {
        let mut left = limit.remaining().map(timespec_of);
        let left = left.as_mut().map_or(0, |left| &raw mut *left as usize);
        let arguments =
            [count as usize, read, write, except, left, mask_and_size.as_ptr() as usize];
        // SAFETY: the caller's promise; the time and the mask are ours.
        unsafe { call(libc::SYS_pselect6, arguments) }
    })? as c_int)
}

/// epoll_wait(2)
///
/// # Safety
///
/// As epoll_wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_epoll_wait(
    epoll: c_int,
    events: *mut epoll_event,
    count: c_int,
    timeout: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { eintr_epoll_pwait(epoll, events, count, timeout, std::ptr::null()) }
}

/// epoll_pwait(2)
///
/// # Safety
///
/// As epoll_pwait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_epoll_pwait(
    epoll: c_int,
    events: *mut epoll_event,
    count: c_int,
    timeout: c_int,
    mask: *const sigset_t,
) -> c_int {
    border(-1, || {
        // SAFETY: the caller's promise.
        let mask = unsafe { signals_less_ours(mask) };
        let limit = Limit::new(Some(as_poll(timeout)));
        let room = [epoll as usize, events as usize, count as usize];
        // SAFETY: the caller's promise.
        Ok(complete(|| unsafe { epoll::pwait(room, limit.remaining(), mask) })? as c_int)
    })
}

/// epoll_pwait2(2). Before Linux 5.11 the time is rounded up to milliseconds.
///
/// # Safety
///
/// As epoll_pwait2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_epoll_pwait2(
    epoll: c_int,
    events: *mut epoll_event,
    count: c_int,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    border(-1, || {
        // SAFETY: the caller's promise.
        let (mask, limit) = unsafe { (signals_less_ours(mask), Limit::new(span(timeout)?)) };
        let room = [epoll as usize, events as usize, count as usize];
        // SAFETY: the caller's promise.
        Ok(complete(|| unsafe { epoll::pwait2(room, limit.remaining(), mask) })? as c_int)
    })
}

/// pause(2): EINTR after a signal.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_pause() -> c_int {
    suspended(None)
}

/// sigsuspend(2): EINTR after a signal.
///
/// # Safety
///
/// As sigsuspend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sigsuspend(mask: *const sigset_t) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { signals_less_ours(mask) } {
        None => border(-1, || Err(Errno(libc::EFAULT))),
        mask => suspended(mask),
    }
}

fn suspended(mask: Option<u64>) -> c_int {
    border(-1, || {
        complete(|| suspend(mask))?;
        Err(Errno(libc::EINTR))
    })
}

/// sigwaitinfo(2)
///
/// # Safety
///
/// As sigwaitinfo.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sigwaitinfo(set: *const sigset_t, info: *mut siginfo_t) -> c_int {
    // SAFETY: the caller's promise.
    border(-1, || unsafe { signal_waited_for(set, info, None) })
}

/// sigtimedwait(2)
///
/// # Safety
///
/// As sigtimedwait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sigtimedwait(
    set: *const sigset_t,
    info: *mut siginfo_t,
    timeout: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    border(-1, || unsafe { signal_waited_for(set, info, span(timeout)?) })
}

/// sigwait(3): returns the error number.
///
/// # Safety
///
/// As sigwait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_sigwait(set: *const sigset_t, signal: *mut c_int) -> c_int {
    // SAFETY: the caller's promise.
    numbered(|| unsafe {
        let number = signal_waited_for(set, std::ptr::null_mut(), None)?;
        if !signal.is_null() {
            signal.write(number);
        }
        Ok(())
    })
}

/// # Safety
///
/// As sigtimedwait.
unsafe fn signal_waited_for(
    set: *const sigset_t,
    info: *mut siginfo_t,
    timeout: Option<Duration>,
) -> Result<c_int, Errno> {
    let limit = Limit::new(timeout);
    Ok(complete(|| -> Outcome<usize> {
        // Each time: until the first task began, no signal was ours.
        // SAFETY: the caller's promise.
        let set = unsafe { signals_less_ours(set) }.ok_or(Stop::Errno(libc::EFAULT))?;
        let left = limit.remaining().map(timespec_of);
        let arguments = [&raw const set as usize, info as usize, address_of(&left), SET_SIZE];
        // SAFETY: the caller's promise; the set and the time are ours.
        unsafe { call(libc::SYS_rt_sigtimedwait, arguments) }
    })? as c_int)
}
