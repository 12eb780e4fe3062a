//! The target in one trial.

use std::time::{Duration, Instant};

use test_support::LIMIT;

use crate::rows::{self, Kind, Row};
use crate::tracer::{Pace, Tracee};
use crate::variants::{self, Handler, Variant, When};
use crate::walker::{Point, Stop, Walker};

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was interrupted, and did nothing.
    Interrupted,
    /// It returned its result.
    Returned,
    /// It came back with something that is not true.
    Wrong(String),
    /// It did not come back.
    Lost,
    /// The process died.
    Died(String),
}

impl Verdict {
    /// Whether this is never right, wherever the interrupt came.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Verdict::Interrupted | Verdict::Returned)
    }
}

/// More than the first pause of a thread's timer.
const TIMER: Duration = Duration::from_millis(2);

/// The target, on its way through the call.
pub struct Target<'a> {
    tracee: &'a mut Tracee,
    row: &'static Row,
    variant: &'static Variant,
    pub walker: Walker,
}

impl<'a> Target<'a> {
    /// At the first mark.
    pub fn begin(tracee: &'a mut Tracee, row: &'static Row, variant: &'static Variant) -> Self {
        let index = rows::ALL.iter().position(|other| std::ptr::eq(other, row)).unwrap();
        let index_of_variant = variants::ALL.iter().position(|other| std::ptr::eq(other, variant));
        tracee.tell(&format!("run {index} {}", index_of_variant.unwrap()));
        let mut walker = Walker::at_mark(tracee.target.clone());
        // One that was asked sleeps in pauses only: they are no ends of its way.
        walker.may_sleep = !variant.ready && !variant.turns;
        if variant.turns {
            tracee.ask();
        }
        Self { tracee, row, variant, walker }
    }

    /// Brings it to where the application's signal is to find it, and sends that.
    pub fn disturb(&mut self, undisturbed: &[Stop]) {
        let Some((signal, when)) = self.variant.signal else { return };
        match when {
            When::Asleep => {
                self.walker.run();
                self.walker.thread.disturb(signal);
                while self.walker.point() == Point::Asleep {
                    self.walker.advance(Pace::Run);
                }
                if self.variant.handler == Handler::TakesARequest {
                    self.walker.run();
                    // The mark is the handler's.
                    self.walker.begin();
                }
            }
            When::Before(instructions) => {
                let index = undisturbed.len() - 1 - instructions;
                if !self.walker.leap(Pace::Instruction, undisturbed, index) {
                    self.walker.walk(Pace::Instruction, undisturbed, index);
                }
                self.walker.thread.disturb(signal);
            }
        }
    }

    /// Its requester, at the mark before `interrupt`.
    pub fn requester(&mut self) -> Walker {
        self.tracee.tell("ask between marks");
        let director = self.tracee.director.clone().expect("the director is traced");
        let mut requester = Walker::at_mark(director);
        requester.leaps_clock = true;
        requester
    }

    /// Asks it, and hears what becomes of it.
    pub fn judged(self) -> Verdict {
        if self.walker.point() == Point::Nowhere {
            return Verdict::Died("before it was asked".to_owned());
        }
        match self.variant.turns {
            true => {
                let arrived = Instant::now();
                // So long as its timer takes: the shot comes wherever it stands.
                while self.row.kind == Kind::Polled && arrived.elapsed() < TIMER {
                    std::hint::spin_loop();
                }
                self.tracee.turn();
            }
            false => self.tracee.ask(),
        }
        self.finish()
    }

    /// Lets its requester come to its second mark, and hears what becomes of it.
    pub fn judged_after(mut self, mut requester: Walker) -> Verdict {
        // The one may hold a lock that the other waits for.
        requester.may_sleep = true;
        while requester.point() != Point::End {
            requester.advance(Pace::Run);
            if self.walker.point() != Point::End {
                self.advance();
            }
        }
        requester.thread.go(Pace::Run, None);
        self.tracee.hear_asked();
        self.finish()
    }

    /// It has been asked. Lets it run to the second mark, and hears what became of the call.
    fn finish(mut self) -> Verdict {
        self.walker.may_sleep = true;
        let asked = Instant::now();
        let mut asleep_since = None;
        while self.walker.point() != Point::End {
            if self.is_woken_by_timer() && self.walker.thread.syscall() == Some(self.row.sleeps_in)
            {
                return Verdict::Lost;
            }
            self.advance();
            match self.walker.point() {
                Point::Nowhere => return Verdict::Died("in the call".to_owned()),
                Point::Asleep if !self.walker.thread.has_pending_signal() => {
                    let since = *asleep_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.patience() {
                        return Verdict::Lost;
                    }
                }
                _ => asleep_since = None,
            }
            if asked.elapsed() > LIMIT / 4 {
                return Verdict::Lost;
            }
        }
        self.walker.thread.go(Pace::Run, None);
        match self.tracee.outcome().as_deref() {
            Some("interrupted") => Verdict::Interrupted,
            Some("returned") => Verdict::Returned,
            Some(wrong) => Verdict::Wrong(wrong.to_owned()),
            None => Verdict::Died("after the call".to_owned()),
        }
    }

    /// Lets it run on, without the shots of its repeat timer.
    fn advance(&mut self) {
        if self.is_woken_by_timer() {
            self.walker.advance_without_signal();
        } else {
            self.walker.advance(Pace::Run);
        }
    }

    /// Whether it is about to be given a shot of its repeat timer, which own calls and reached ones
    /// do without.
    fn is_woken_by_timer(&self) -> bool {
        let stopped = matches!(self.walker.point(), Point::Signal(_));
        stopped
            && matches!(self.row.kind, Kind::Own | Kind::Reached)
            && self.walker.thread.is_from_timer()
    }

    /// How long it may sleep, with nothing pending to wake it, before it counts as lost.
    fn patience(&self) -> Duration {
        match self.row.kind {
            Kind::Own | Kind::Reached => Duration::from_millis(100),
            Kind::Naive => Duration::from_millis(10),
            // Its timer wakes it, the first time after 1 ms.
            Kind::Plain | Kind::Polled | Kind::Unfailing => LIMIT / 4,
        }
    }
}
