//! Where there is nothing to unwind a stack by.

use std::ffi::c_void;

unsafe extern "C" {
    fn _Unwind_FindEnclosingFunction(pc: *const c_void) -> *const c_void;
}

/// Whether the code there has no tables, as musl's libc.a has none, so that no stack is told beyond it.
pub fn has_none(code: usize) -> bool {
    // SAFETY: it is asked what is there, and nothing is run.
    cfg!(target_env = "musl")
        && unsafe { _Unwind_FindEnclosingFunction(code as *const c_void) }.is_null()
}
