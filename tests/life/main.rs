//! Does all go on, whatever becomes of threads and processes?
//!
//! Threads that begin and end, forks, exec, children; the choice of our signal, those who had it before, and
//! sandboxes that refuse what we ask the kernel for.

mod chain;
mod children;
mod exec;
mod fork;
mod install;
mod lifecycle;
mod sandboxes;
