//! Hooks: waking what knows nothing of interrupts.
//!
//! # Safety
//!
//! The closure that stands for C's function is borrowed by its registration, which is not told how long: it is taken off
//! before the closure is freed.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use libc::c_int;

use super::{Errno, Open, border, done, scopes};
use crate::Interrupted;
use crate::entry::install;
use crate::hook::list::Registered;

type Wake = unsafe extern "C" fn(*mut c_void);

/// C's function and its argument, in force as a hook until it is dropped.
pub(super) struct Hook {
    registered: Option<Registered>,
    closure: NonNull<dyn FnMut(&Interrupted) + Send>,
}

impl Hook {
    /// The caller of `eintr_hook_begin` vouches for what is called.
    fn begin(wake: Wake, arg: *mut c_void) -> Result<Self, Errno> {
        let arg = arg as usize;
        // SAFETY: the caller's promise.
        let call = move |_: &Interrupted| unsafe { wake(arg as *mut c_void) };
        let closure: Box<dyn FnMut(&Interrupted) + Send> = Box::new(call);
        let mut hook = Self { registered: None, closure: NonNull::from(Box::leak(closure)) };
        // SAFETY: it is this hook's, and used by the registration only.
        hook.registered = Some(Registered::begin(unsafe { hook.closure.as_mut() })?);
        Ok(hook)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        drop(self.registered.take());
        // SAFETY: it came from a box, and nobody calls it any more.
        drop(unsafe { Box::from_raw(self.closure.as_ptr()) });
    }
}

/// Begins a hook.
///
/// # Safety
///
/// `wake` may be called with `arg` on any thread until the hook has ended, and does not unwind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eintr_hook_begin(
    wake: Option<unsafe extern "C" fn(*mut c_void)>,
    arg: *mut c_void,
) -> u64 {
    border(0, || {
        let wake = wake.ok_or(Errno(libc::EINVAL))?;
        install::ensure();
        scopes::begin(None, || Ok(Open::Hook(Hook::begin(wake, arg)?)))
    })
}

/// Ends it: it is not running, and is not called any more.
#[unsafe(no_mangle)]
pub extern "C" fn eintr_hook_end(hook: u64) -> c_int {
    done(|| scopes::end(hook, |open| matches!(open, Open::Hook(_))))
}
