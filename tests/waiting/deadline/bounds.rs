//! No time at all, more time than there is, and panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use eintr::{TimedOut, Within, cleanup, remaining, timeout, timeout_at, within};
use test_support::watched;

use super::{HOUR, SHORT, Told, raised, read_in_vain, wait_until_armed};

#[test]
fn zero_has_passed_before_the_body_begins() {
    let mut ran = false;
    let told = timeout(Duration::ZERO, || {
        ran = true;
        assert!(eintr::is_interrupted());
        assert_eq!(remaining(), Some(Duration::ZERO));
        Err::<(), _>(raised().unwrap())
    });
    assert!(ran);
    assert_eq!(told, Err(Told::TimedOut));
    assert_eq!(timeout(Duration::ZERO, || Ok::<_, TimedOut>(1)), Ok(1));
    assert_eq!(raised(), None);
}

#[test]
fn an_instant_of_the_past_has_passed() {
    let past = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
    let told = timeout_at(past, || Err::<(), _>(raised().unwrap()));
    assert_eq!(told, Err(Told::TimedOut));
    // As far back as there are instants.
    let mut oldest = past;
    for power in (0..64).rev() {
        oldest = oldest.checked_sub(Duration::from_secs(1 << power)).unwrap_or(oldest);
    }
    timeout_at(oldest, || Err::<(), _>(raised().unwrap())).unwrap_err();
}

#[test]
fn an_overflow_is_never() {
    let mut latest = Instant::now();
    for power in (0..64).rev() {
        latest = latest.checked_add(Duration::from_secs(1 << power)).unwrap_or(latest);
    }
    let far = Duration::from_nanos(u64::MAX);
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX), far] {
        let seen = within(limit, || (raised(), remaining()));
        assert_eq!((seen.value, seen.expired), ((None, None), false));
        assert!(!cleanup(limit, || ()).expired);
        assert_eq!(timeout(limit, || Err::<(), _>(Told::Own)), Err(Told::Own));
    }
    timeout_at(latest, || {
        assert_eq!((raised(), remaining()), (None, None));
        Ok::<_, Told>(())
    })
    .unwrap();
}

#[test]
fn inside_of_never_there_is_time() {
    watched("inside of never", || {
        let never = within(Duration::MAX, || within(SHORT, read_in_vain));
        assert!(never.value.expired && !never.expired);
        assert!(never.value.value.is_err());
    });
}

/// The longest that the kernel's clock can tell, from now.
#[test]
fn a_century_is_not_never() {
    let century = Duration::from_secs(100 * 365 * 24 * 3600);
    let left = within(century, remaining).value.unwrap();
    assert!(left <= century && left > century - HOUR);
}

#[test]
fn remaining_is_that_of_the_first() {
    assert_eq!(remaining(), None);
    within(HOUR, || {
        let left = remaining().unwrap();
        assert!(left <= HOUR && left > HOUR / 2);
        within(2 * HOUR, || assert!(remaining().unwrap() <= HOUR));
        within(HOUR / 4, || assert!(remaining().unwrap() <= HOUR / 4));
        assert!(remaining().unwrap() > HOUR / 2);
        within(Duration::ZERO, || assert_eq!(remaining(), Some(Duration::ZERO)));
    });
    assert_eq!(remaining(), None);
}

#[test]
fn expired_is_told_whether_or_not_the_body_noticed() {
    watched("expired", || {
        assert!(matches!(within(HOUR, || 1), Within { value: 1, expired: false, .. }));
        let late = within(SHORT, || {
            wait_until_armed();
            2
        });
        assert!(matches!(late, Within { value: 2, expired: true, cut_short: false, .. }));
        let felt = within(SHORT, || {
            wait_until_armed();
            eintr::checkpoint().is_err()
        });
        assert!(matches!(felt, Within { value: true, expired: true, cut_short: true, .. }));
    });
}

#[test]
fn a_panic_ends_the_deadlines_that_it_leaves() {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        within(HOUR, || {
            within(Duration::ZERO, || {
                cleanup(Duration::ZERO, || {
                    assert!(eintr::is_interrupted());
                    panic!("on purpose");
                })
            })
        })
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert_eq!((raised(), remaining()), (None, None));
    within(Duration::ZERO, || assert_eq!(raised(), Some(Told::Deadline)));
}

/// A destructor that runs while a panic unwinds sees the deadlines that are still there.
#[test]
fn an_outer_deadline_stands_while_a_panic_unwinds() {
    struct Look;
    impl Drop for Look {
        fn drop(&mut self) {
            assert_eq!(raised(), Some(Told::Deadline));
        }
    }
    let panicked = catch_unwind(|| {
        within(Duration::ZERO, || {
            let _look = Look;
            within(HOUR, || panic!("on purpose"));
        })
    });
    assert!(panicked.is_err());
    assert_eq!(raised(), None);
}
