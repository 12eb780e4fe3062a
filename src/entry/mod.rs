//! The doors: where the kernel and libc call us.

pub(crate) mod fork;
pub(crate) mod forward;
pub(crate) mod futex_wait;
pub(crate) mod install;
pub(crate) mod leave;
pub(crate) mod moving;
mod place;
pub(crate) mod signal;
pub(crate) mod sigsys;
pub(crate) mod thread_end;
