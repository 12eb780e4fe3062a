//! Do our own calls do what the man page says, and feel an interrupt?
//!
//! At every point in time, with results that are there already, with bad input, and where the call is
//! made of several steps.

mod bad_input;
mod commands;
mod event_calls;
mod fs_calls;
mod io_calls;
mod ipc_calls;
mod net_calls;
mod points;
mod process_calls;
mod run_calls;
mod terminal_calls;
