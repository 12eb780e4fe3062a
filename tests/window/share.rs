//! A share of the trials, for a machine on which all of them take too long for one run.

/// Of so many shares, which together are the whole, that one.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    number: usize,
    of: usize,
}

impl Share {
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// What `EINTR_WINDOW_SHARE` says, as in `3/16`: the third of sixteen.
    pub fn asked() -> Self {
        std::env::var("EINTR_WINDOW_SHARE").map_or(Self::WHOLE, |share| {
            let (number, of) = share.split_once('/').expect("a share is written as in 3/16");
            let [number, of] = [number, of].map(|digits| digits.parse().expect("a number"));
            assert!((1..=of).contains(&number), "there is no share {share}");
            Self { number, of }
        })
    }

    /// The points of a way that has so many. Its first and its last are in each share: what is promised of a call's begin and its
    /// end is looked at wherever it is made.
    pub fn of(self, points: usize) -> impl Iterator<Item = usize> {
        let is_end = move |point| point == 0 || point + 1 == points;
        (0..points).filter(move |point| point % self.of + 1 == self.number || is_end(*point))
    }
}

#[test]
fn the_shares_are_the_whole() {
    for of in 1..9 {
        for points in 0..30 {
            let shares = (1..=of).flat_map(|number| Share { number, of }.of(points));
            let mut all: Vec<_> = shares.collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all, Vec::from_iter(0..points), "{points} points in {of} shares");
        }
    }
    let second: Vec<_> = Share { number: 2, of: 4 }.of(11).collect();
    assert_eq!(second, [0, 1, 5, 9, 10]);
}
