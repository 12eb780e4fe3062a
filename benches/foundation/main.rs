//! What the foundation costs, beside what the same costs without us.
//!
//! A figure alone says more about the machine than about the code, so everything here is a ratio:
//! each way of doing a thing runs in turns with the others, in one process, a fraction of a
//! millisecond to each (see [`eintr_benches::contest`]). The table at the end has the ratios and
//! their limits. A benchmark is no test: a ratio above its limit is marked, and fails nothing.
//!
//! `cargo bench -p eintr-benches --bench foundation` runs all; a name after `--` chooses, as
//! criterion does.

mod call;
mod checkpoint;
mod context;
mod many;
mod memory;
mod stuck;
mod wakeup;

fn main() {
    eintr_benches::run(
        &[checkpoint::bench, call::bench, context::bench, wakeup::bench, many::bench],
        &[memory::measure],
    );
}
