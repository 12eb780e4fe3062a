//! Does a program end as its service manager and its operator expect?

mod daemon;
mod service_manager;
mod termination;
