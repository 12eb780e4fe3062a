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

    pub fn has(self, point: usize) -> bool {
        point % self.of + 1 == self.number
    }
}

#[test]
fn each_point_is_in_one_share() {
    for of in 1..9 {
        for point in 0..30 {
            let shares = (1..=of).filter(|number| Share { number: *number, of }.has(point));
            assert_eq!(shares.count(), 1, "point {point} of {of} shares");
        }
    }
}
