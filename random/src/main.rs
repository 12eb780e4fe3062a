//! `eintr-random [SECONDS]`: rounds for that long, from EINTR_SEED on.

use std::time::{Duration, Instant};

use eintr_random::kinds::{children, signals};
use eintr_random::round::{self, Sum};
use eintr_random::{seed, watch, wrong};

/// After so many rounds, allocators and stacks have what they keep: twenty, or what EINTR_WARM says.
fn warm() -> u64 {
    std::env::var("EINTR_WARM").map_or(20, |warm| warm.parse().expect("EINTR_WARM is a number"))
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(children::INHERITED) {
        let now = children::inheritance(true);
        let right = arguments.next();
        if right.as_ref() != Some(&now) {
            eprintln!("{right:?} was to be inherited, and now it is {now:?}");
            std::process::exit(1);
        }
        return Ok(());
    }
    let seconds = std::env::args().nth(1).map_or(60, |seconds| seconds.parse().expect("seconds"));
    let first = seed::current();
    // Signals of our number that are not ours go on to a handler that was there.
    test_support::signals::share_the_signal();
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut sum, mut mapped, warm) = (Sum::default(), usize::MAX, warm());
    watch::over(|| -> std::io::Result<()> {
        while sum.rounds == 0 || Instant::now() < end {
            sum.add_round(first.wrapping_add(sum.rounds))?;
            if sum.rounds % warm == 0 {
                let now = round::mappings()?;
                // One for each round would be many.
                if now.saturating_sub(mapped) > 64 + sum.rounds as usize / 8 {
                    let rounds = sum.rounds;
                    wrong(format_args!(
                        "{mapped} mappings after {warm} rounds, {now} after {rounds}"
                    ));
                }
                mapped = mapped.min(now);
            }
        }
        Ok(())
    })?;
    let alarms = signals::balance();
    signals::balance_at_the_end();
    let Sum { rounds, bytes, connections, messages, children, requests, raised } = sum;
    let (rows, cells, all) = watch::cells();
    println!(
        "balanced: {rounds} rounds, {} calls, {rows} rows, {cells} of {all} cells",
        watch::calls()
    );
    println!(
        "bytes {bytes}, connections {connections}, messages {messages}, children {children}, alarms {alarms}"
    );
    println!("requests {requests}: raised {raised}, too late {}", requests - raised);
    Ok(())
}
