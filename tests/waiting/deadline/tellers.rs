//! Who tells `TimedOut`.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, Instant};

use eintr::{Interrupted, Reason, TimedOut, timeout, timeout_at, within};
use test_support::watched;

use super::{HOUR, SHORT, Told, raise_when_armed, raised, wait_until_armed};

#[test]
fn an_error_becomes_timed_out() {
    watched("an error becomes timed out", || {
        assert_eq!(timeout(SHORT, raise_when_armed), Err(Told::TimedOut));
    });
}

#[test]
fn an_ok_stays_ok() {
    watched("an ok stays ok", || {
        let late = timeout(SHORT, || {
            assert_eq!(raise_when_armed(), Err(Told::Deadline));
            Ok::<_, Told>(42)
        });
        assert_eq!(late, Ok(42));
    });
}

#[test]
fn an_error_of_ones_own_stays_however_late() {
    watched("an own error stays", || {
        let late = timeout(SHORT, || {
            wait_until_armed();
            Err::<(), _>(Told::Own)
        });
        assert_eq!(late, Err(Told::Own), "nothing was raised");
    });
}

/// What was raised and swallowed was raised.
#[test]
fn an_error_after_a_swallowed_one_becomes_timed_out() {
    watched("a swallowed error", || {
        let late = timeout(SHORT, || {
            assert_eq!(raise_when_armed(), Err(Told::Deadline));
            Err::<(), _>(Told::Own)
        });
        assert_eq!(late, Err(Told::TimedOut));
    });
}

#[test]
fn an_error_in_time_stays() {
    assert_eq!(timeout(HOUR, || Err::<(), _>(Told::Own)), Err(Told::Own));
}

#[test]
fn the_inner_one_tells_if_it_alone_has_passed() {
    watched("the inner one tells", || {
        let outer = timeout(HOUR, || {
            assert_eq!(timeout(SHORT, raise_when_armed), Err(Told::TimedOut));
            assert_eq!(raised(), None, "the inner one has ended");
            Err::<(), _>(Told::Own)
        });
        assert_eq!(outer, Err(Told::Own));
    });
}

#[test]
fn the_outer_one_tells_if_it_alone_has_passed() {
    watched("the outer one tells", || {
        let outer = timeout(SHORT, || {
            let inner = timeout(HOUR, raise_when_armed);
            assert_eq!(inner, Err(Told::Deadline));
            inner
        });
        assert_eq!(outer, Err(Told::TimedOut));
    });
}

#[test]
fn the_outer_one_tells_if_both_have_passed() {
    watched("both have passed", || {
        let deadline = Instant::now() + SHORT;
        let outer = timeout_at(deadline, || {
            let inner = timeout_at(deadline, raise_when_armed);
            assert_eq!(inner, Err(Told::Deadline), "an outer cause stands");
            inner
        });
        assert_eq!(outer, Err(Told::TimedOut));
    });
}

/// The inner one was raised, and does not tell because the outer one stands by then. So the outer
/// one tells.
#[test]
fn the_outer_one_tells_if_it_passes_before_the_inner_one_ends() {
    watched("the outer one passes later", || {
        let later = Instant::now() + 3 * SHORT;
        let mut inner_was_first = true;
        let outer = timeout_at(later, || {
            let inner = timeout(Duration::ZERO, || {
                let raised = raise_when_armed();
                // A loaded machine may take longer than that to come here; then this is the case
                // above.
                inner_was_first = Instant::now() < later;
                while Instant::now() < later {
                    std::hint::spin_loop();
                }
                raised
            });
            assert_eq!(inner, Err(Told::Deadline));
            inner
        });
        assert_eq!(outer, Err(Told::TimedOut), "the inner one was raised: {inner_was_first}");
        assert_eq!(raised(), None);
    });
}

/// It passes later still: the inner one has told.
#[test]
fn an_outer_one_leaves_what_an_inner_one_has_told() {
    watched("the inner one has told", || {
        let outer = timeout(SHORT, || {
            let inner = timeout(Duration::ZERO, || Err::<(), _>(raised().unwrap()));
            wait_until_armed();
            inner.map_err(|told| if told == Told::TimedOut { Told::Own } else { told })
        });
        assert!(matches!(outer, Err(Told::Own | Told::TimedOut)), "{outer:?}");
    });
}

#[test]
fn what_is_raised_is_a_deadline() {
    let raised = within(Duration::ZERO, || eintr::checkpoint().unwrap_err()).value;
    assert!(matches!(raised.reason(), Reason::Deadline));
    assert_eq!(raised.to_string(), "deadline passed");
    assert!(raised.source().is_none());
    let error = io::Error::from(raised);
    assert_ne!(error.kind(), io::ErrorKind::Interrupted);
    assert!(matches!(Interrupted::of(&error).unwrap().reason(), Reason::Deadline));
}

#[test]
fn timed_out_becomes_other_errors() {
    let fails = |_: &()| -> Result<(), Interrupted> { eintr::checkpoint() };
    let as_io = timeout(Duration::ZERO, || -> io::Result<()> { Ok(fails(&())?) }).unwrap_err();
    assert_eq!(as_io.kind(), io::ErrorKind::TimedOut);
    assert_eq!(as_io.to_string(), "timed out");
    assert!(as_io.get_ref().unwrap().is::<TimedOut>());
    assert!(Interrupted::of(&as_io).is_none());

    let ours = timeout(Duration::ZERO, || -> Result<(), eintr::Error> { Ok(fails(&())?) });
    let ours = ours.unwrap_err();
    assert!(ours.interrupted().is_none());
    assert!(matches!(&ours, eintr::Error::Io(e) if e.kind() == io::ErrorKind::TimedOut));
    assert_eq!(io::Error::from(ours).kind(), io::ErrorKind::TimedOut);

    let any = timeout(Duration::ZERO, || -> anyhow::Result<()> { Ok(fails(&())?) }).unwrap_err();
    assert!(any.is::<TimedOut>());

    let boxed = timeout(Duration::ZERO, || -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(fails(&())?)
    });
    assert!(boxed.unwrap_err().is::<TimedOut>());
}
