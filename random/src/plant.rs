//! Faults on purpose: `EINTR_PLANT` names one, and its balance must find it.

use std::sync::OnceLock;

/// Whether this fault is to be made, this time. Not each time: most of what goes on is right.
pub fn planted(fault: &str, number: usize) -> bool {
    static PLANT: OnceLock<String> = OnceLock::new();
    let plant = PLANT.get_or_init(|| std::env::var("EINTR_PLANT").unwrap_or_default());
    plant == fault && number % 4 == 0
}
