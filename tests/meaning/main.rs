//! What does an interrupt mean to a program?
//!
//! Which task, thread, scope or group feels it, and until when; what its reason says; what masks and
//! hooks make of it; and that nobody else notices.

mod abandon;
mod backoff;
mod context;
mod delivery;
mod group;
mod hook;
mod hooks_first;
mod interrupted;
mod meaning;
mod moving;
mod reasons;
mod scope;
mod user_code;
