//! The syscall in which a thread was found.

/// The syscall in which a thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) number: i64,
    pub(super) arguments: [usize; 6],
    pub(super) pc: usize,
}
