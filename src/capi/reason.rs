//! Reasons: a code and a text.
//!
//! # Safety
//!
//! The caller vouches for the place that a reason is written to.

#![allow(unsafe_code)]

use std::ffi::c_char;
use std::fmt;

use libc::c_int;

use crate::{Interrupted, Reason};

/// What a C program says for a reason.
#[derive(Debug)]
pub(super) struct CodeAndText {
    pub(super) code: c_int,
    pub(super) text: Option<String>,
}

impl fmt::Display for CodeAndText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => write!(f, "code {}", self.code),
        }
    }
}

impl std::error::Error for CodeAndText {}

const TEXT: usize = 248;

/// `struct eintr_reason`
#[repr(C)]
pub struct CReason {
    kind: c_int,
    code: c_int,
    text: [c_char; TEXT],
}

const _: () = assert!(size_of::<CReason>() == 256);

/// `EINTR_REQUESTED` ...
const REQUESTED: c_int = 1;
const DEADLINE: c_int = 2;
const SIGNAL: c_int = 3;
const CUSTOM: c_int = 4;

impl CReason {
    fn of(interrupted: &Interrupted) -> Self {
        let own = interrupted.downcast_ref::<CodeAndText>();
        let (kind, code) = match interrupted.reason() {
            Reason::Requested => (REQUESTED, 0),
            Reason::Deadline => (DEADLINE, 0),
            Reason::Signal(signal) => (SIGNAL, *signal),
            Reason::Custom(_) => (CUSTOM, own.map_or(0, |own| own.code)),
        };
        let text = match (interrupted.reason(), own) {
            (_, Some(own)) => own.text.clone().unwrap_or_default(),
            (Reason::Custom(error), None) => error.to_string(),
            _ => interrupted.to_string(),
        };
        let mut reason = Self { kind, code, text: [0; TEXT] };
        for (to, from) in reason.text.iter_mut().zip(shortened(&text).bytes()) {
            *to = from as c_char;
        }
        reason
    }

    /// Tells a caller who wants to know.
    ///
    /// # Safety
    ///
    /// `out` is null or room for a reason.
    pub(super) unsafe fn write_to(interrupted: &Interrupted, out: *mut Self) {
        if !out.is_null() {
            // SAFETY: the caller's promise.
            unsafe { out.write(Self::of(interrupted)) };
        }
    }
}

/// What there is room for, with the zero after it; no character is cut.
fn shortened(text: &str) -> &str {
    let mut end = text.len().min(TEXT - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
