//! Is the surface what the documents say?
//!
//! The names and types, the header, the table of syscalls; each call has its documentation and its place in
//! the tests. And what stops at the border to C.

#[cfg(feature = "capi")]
mod border;
mod documented;
mod header;
mod surface;
mod table;
