//! What the traits of this module are implemented with.

use crate::kernel::RawAddress;

/// An address as the kernel returned it. It has no name outside, so that nobody else can implement
/// the traits that take it.
#[derive(Debug)]
pub struct Returned(pub(super) RawAddress);
