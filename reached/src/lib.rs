//! Calls that know nothing of interrupts, each with what it gets stuck in: for the program that
//! measures how they come back, and for the tests that look at how each ends.

mod c;
mod crates;
pub mod naive;
mod own;
mod resolver;
pub mod scene;
mod std_calls;
mod waits;

use scene::Case;

/// All of them.
pub const CASES: [&[Case]; 5] =
    [own::CASES, std_calls::CASES, crates::CASES, c::CASES, waits::CASES];
