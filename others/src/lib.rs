//! Nothing: this package is its tests, and the crates of others that they need.
