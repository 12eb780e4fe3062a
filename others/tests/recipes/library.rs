//! A library in C, if this machine has it.

use std::ffi::{CStr, c_void};

use super::skipped;

/// Never closed: it may have threads.
#[derive(Clone, Copy)]
pub struct Library(*mut c_void);

// SAFETY: dlsym may be called by any thread.
unsafe impl Send for Library {}

impl Library {
    pub fn open(name: &CStr) -> Option<Self> {
        // SAFETY: a library that is made to be loaded.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() {
            skipped(&name.to_string_lossy(), "not on this machine");
            return None;
        }
        Some(Self(handle))
    }

    /// A function of it.
    ///
    /// # Safety
    ///
    /// It has that type, a pointer to a function.
    pub unsafe fn function<F: Copy>(self, name: &CStr) -> F {
        // SAFETY: the library stays open.
        let symbol = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!symbol.is_null(), "{name:?}");
        assert_eq!(size_of::<F>(), size_of_val(&symbol));
        // SAFETY: as promised, and it is of the same size.
        unsafe { std::mem::transmute_copy(&symbol) }
    }
}

/// A pointer that is handed to another thread, as the library allows.
#[derive(Clone, Copy)]
pub struct Handle(pub *mut c_void);

// SAFETY: for what the library says that any thread may do.
unsafe impl Send for Handle {}

impl Handle {
    pub fn get(self) -> *mut c_void {
        self.0
    }
}
