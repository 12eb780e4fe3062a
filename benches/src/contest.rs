//! Several ways of doing one thing, timed in turns.
//!
//! Criterion times one function after the other, seconds apart. On a virtual machine of two cores
//! that others use as well, a second is long: the clock rate, the neighbours and the host change,
//! and a ratio of 1.02 drowns. So each function that criterion sees here runs all ways in turns, a
//! chunk at a time, and returns the time of its own. A chunk is longer than a look at the clock by
//! some thousand times, and shorter than a slice of the scheduler's: what disturbs it disturbs few
//! chunks, or all ways alike.
//!
//! A ratio is the median of the ratios within a turn. (Rejected: the ratio of the medians. When the
//! machine changes its pace halfway, as it does several times a run, each median falls into one
//! pace or the other; the ratio jumped by a quarter.)

use std::time::Duration;

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;

/// A way of doing it: its name, and what does it so many times and returns the time taken.
pub struct Way<'a>(pub &'static str, pub &'a mut dyn FnMut(u64) -> Duration);

/// What was measured of one way, turn by turn, in nanoseconds.
pub type Samples = Vec<f64>;

/// Times the ways in turns; none if nothing was timed, as under `--test`.
pub fn hold<const N: usize>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    chunk: u64,
    mut ways: [Way<'_>; N],
) -> Option<[Samples; N]> {
    let mut samples = [const { Vec::new() }; N];
    for shown in 0..N {
        group.bench_function(ways[shown].0, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut time = Duration::ZERO;
                let mut left = iterations;
                for turn in 0.. {
                    let times = left.min(chunk);
                    for way in (0..N).map(|way| (way + turn) % N) {
                        let took = (ways[way].1)(times);
                        if way == shown {
                            time += took;
                        }
                        if times == chunk {
                            samples[way].push(took.as_nanos() as f64 / times as f64);
                        }
                    }
                    left -= times;
                    if left == 0 {
                        break;
                    }
                }
                time
            });
        });
    }
    let enough = samples.iter().all(|samples| samples.len() > 1);
    enough.then_some(samples)
}

/// The median.
pub fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The median of the ratios within a turn.
pub fn ratio(ours: &[f64], reference: &[f64]) -> f64 {
    let ratios: Vec<_> =
        ours.iter().zip(reference).map(|(ours, reference)| ours / reference).collect();
    median(&ratios)
}
