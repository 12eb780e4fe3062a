//! Timeouts that no signal starts anew (S7).

use std::time::Duration;

use crate::kernel::Moment;
use crate::thread::Stop;

/// When a call gives up; a time that the clock cannot tell is never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(Moment);

impl Limit {
    /// So long from now; none is never.
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        Self(timeout.map_or(Moment::NEVER, Moment::in_time))
    }

    /// What is left of the time, for each attempt anew; none is for ever.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        (self.0 != Moment::NEVER).then(|| self.0.since(Moment::now()))
    }

    /// For a call that is timed by the wall clock: where that was set forward, the time is not up
    /// yet, and the call is to go on as after a stray signal.
    pub(crate) fn unless_early(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Errno(libc::ETIMEDOUT) if self.remaining() != Some(Duration::ZERO) => {
                Stop::Errno(libc::EINTR)
            }
            stop => stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clock_cannot_tell_is_for_ever() {
        assert_eq!(Limit::new(None).remaining(), None);
        assert_eq!(Limit::new(Some(Duration::MAX)).remaining(), None);
        assert_eq!(Limit::new(Some(Duration::ZERO)).remaining(), Some(Duration::ZERO));
    }

    #[test]
    fn a_time_that_is_up_too_early_is_a_stray_signal() {
        let [timed_out, interrupted] = [libc::ETIMEDOUT, libc::EINTR].map(Stop::Errno);
        let long = Limit::new(Some(Duration::from_secs(3600)));
        assert_eq!(long.unless_early(timed_out), interrupted);
        assert_eq!(long.unless_early(Stop::Errno(libc::EBADF)), Stop::Errno(libc::EBADF));
        assert_eq!(Limit::new(Some(Duration::ZERO)).unless_early(timed_out), timed_out);
    }
}
