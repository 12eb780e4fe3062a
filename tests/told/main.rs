//! Is what is told of tasks true?
//!
//! By reports, dumps and cures; to observers, to the console, and to other crates.

#[cfg(feature = "console")]
mod console;
mod cures;
#[cfg(feature = "serde")]
mod data;
mod dump;
mod observed;
mod reports;
#[cfg(feature = "tracing")]
mod to_tracing;
mod told;
