//! What waiting for other threads costs, beside std's, parking_lot's and crossbeam's.
//!
//! Everything is a ratio, as in the foundation's benchmark: each way of doing a thing runs in turns
//! with the others, in one process, and a ratio is the median of the ratios within a turn. Without
//! criterion: threads that contend are started and joined for each measurement, and that times all
//! it needs in half a minute.
//!
//! `cargo bench -p eintr-benches --bench sync` runs all; a word after `--` chooses the rows that
//! contain it.

mod channels;
mod locks;
mod memory;
mod stuck;
mod turns;

fn main() {
    let mut turns = turns::Turns::from_args();
    locks::uncontended(&mut turns);
    locks::contended(&mut turns);
    channels::ping_pong(&mut turns);
    channels::many_to_one(&mut turns);
    stuck::request_to_return(&mut turns);
    memory::measure(&mut turns);
    println!("\n{}", turns.table());
}
