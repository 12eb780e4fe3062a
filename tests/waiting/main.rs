//! Does a wait end: at its deadline, and for other threads?

mod deadline;
mod sync;
