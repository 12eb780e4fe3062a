//! Our signal: which it is, and who was there before us.

pub(crate) mod ours;
pub(crate) mod previous;
