//! `eintr-random [SECONDS]`: rounds for that long, from EINTR_SEED on.

use std::time::{Duration, Instant};

use eintr_random::round::Sum;
use eintr_random::{seed, watch};

fn main() -> std::io::Result<()> {
    let seconds = std::env::args().nth(1).map_or(60, |seconds| seconds.parse().expect("seconds"));
    let first = seed::current();
    // Signals of our number that are not ours go on to a handler that was there.
    test_support::signals::share_the_signal();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut sum = Sum::default();
    watch::over(|| -> std::io::Result<()> {
        while sum.rounds == 0 || Instant::now() < end {
            sum.add_round(first.wrapping_add(sum.rounds))?;
        }
        Ok(())
    })?;
    let Sum { rounds, bytes, connections, messages, requests, raised } = sum;
    println!("balanced: {rounds} rounds, {} calls", watch::calls());
    println!("bytes {bytes}, connections {connections}, messages {messages}");
    println!("requests {requests}: raised {raised}, too late {}", requests - raised);
    Ok(())
}
