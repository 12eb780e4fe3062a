//! One trial, and all trials of a call in one circumstance.

use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::common::LIMIT;
use crate::rows::{self, Kind, Row};
use crate::symbols::Place;
use crate::tracer::{Event, Pace, Tracee};
use crate::variants::{self, Handler, Variant, When};

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

/// Where the target was when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// Between two instructions.
    Instruction,
    /// At the kernel's door.
    Door,
    /// About to be given a signal.
    Signal(Signal),
    /// Asleep in the kernel: there is no point after this one.
    Asleep,
    /// At the second mark: there is no point after this one either.
    End,
    /// Dead.
    Nowhere,
}

impl Point {
    fn is_last(self) -> bool {
        matches!(self, Point::Asleep | Point::End | Point::Nowhere)
    }
}

/// Tries every point of a call in one circumstance.
pub fn exhaust(row: &'static Row, variant: &'static Variant) -> Findings {
    let mut lab = Lab { tracee: Tracee::start(), row };
    let undisturbed = match variant.signal {
        Some((_, When::Before(_))) => lab.route(&variants::ALL[0], &[]),
        _ => Vec::new(),
    };
    let route = lab.route(variant, &undisturbed);
    let trials = (0..route.len()).map(|index| lab.trial(variant, &undisturbed, &route, index));
    let trials = trials.collect();
    Findings { row, variant, trials }
}

/// A point that the target comes through.
struct Stop {
    point: Point,
    place: Option<Place>,
}

/// What the trials of a call are made in.
struct Lab {
    tracee: Tracee,
    row: &'static Row,
}

impl Lab {
    /// All points, from the first mark, or from the application's signal, to the sleep or the second mark.
    fn route(&mut self, variant: &'static Variant, undisturbed: &[Stop]) -> Vec<Stop> {
        let mut target = Target::begin(&mut self.tracee, self.row, variant);
        target.disturb(undisturbed);
        let mut route = vec![target.stop()];
        while !target.point().is_last() {
            target.advance(variant.pace);
            route.push(target.stop());
        }
        let verdict = target.judged();
        self.recover(&verdict);
        route
    }

    /// Lets the target make the call, and asks it at one point of its route.
    fn trial(
        &mut self,
        variant: &'static Variant,
        undisturbed: &[Stop],
        route: &[Stop],
        index: usize,
    ) -> Trial {
        for leap in [true, false] {
            let mut target = Target::begin(&mut self.tracee, self.row, variant);
            target.disturb(undisturbed);
            let there = if leap { target.leap(route, index) } else { target.walk(route, index) };
            let Stop { point, place } = target.stop();
            let verdict = target.judged();
            self.recover(&verdict);
            if there {
                return Trial { point, place, verdict };
            }
        }
        unreachable!("by walking one comes to some point")
    }

    /// A target that did not come back is given up.
    fn recover(&mut self, verdict: &Verdict) {
        if matches!(verdict, Verdict::Lost | Verdict::Died(_)) {
            self.tracee = Tracee::start();
        }
    }
}

/// The target in one trial.
struct Target<'a> {
    tracee: &'a mut Tracee,
    row: &'static Row,
    variant: &'static Variant,
    event: Event,
    /// It has left the first mark.
    begun: bool,
}

impl<'a> Target<'a> {
    /// At the first mark.
    fn begin(tracee: &'a mut Tracee, row: &'static Row, variant: &'static Variant) -> Self {
        let index = rows::ALL.iter().position(|other| std::ptr::eq(other, row)).unwrap();
        let index_of_variant = variants::ALL.iter().position(|other| std::ptr::eq(other, variant));
        tracee.tell(&format!("run {index} {}", index_of_variant.unwrap()));
        let mut target = Self { tracee, row, variant, event: Event::Asleep, begun: false };
        // It may still sleep for want of a trial, and be given a late shot of its timer.
        while target.event != Event::Stop(Signal::SIGSTOP) {
            target.advance(Pace::Run);
            assert_ne!(target.point(), Point::Nowhere, "died in preparation of a trial");
        }
        target.begun = false;
        target
    }

    /// Brings it to where the application's signal is to find it, and sends that.
    fn disturb(&mut self, undisturbed: &[Stop]) {
        match self.variant.signal {
            None => {}
            Some((signal, When::Asleep)) => {
                while !self.point().is_last() {
                    self.advance(Pace::Run);
                }
                self.tracee.disturb(signal);
                while self.point() == Point::Asleep {
                    self.advance(Pace::Run);
                }
                if self.variant.handler == Handler::TakesARequest {
                    while self.point() != Point::End {
                        self.advance(Pace::Run);
                    }
                    // The mark is the handler's.
                    self.begun = false;
                }
            }
            Some((signal, When::Before(instructions))) => {
                let index = undisturbed.len() - 1 - instructions;
                if !self.leap(undisturbed, index) {
                    self.walk(undisturbed, index);
                }
                self.tracee.disturb(signal);
            }
        }
    }

    /// Brings it to a point of its route: by a breakpoint, for that is much faster than by steps. Whether it has come there;
    /// if not, it is somewhere else.
    fn leap(&mut self, route: &[Stop], index: usize) -> bool {
        let Stop { point, place: Some(place) } = &route[index] else { return false };
        match point {
            _ if index == 0 => return true,
            Point::Asleep | Point::End => {
                while !self.point().is_last() {
                    self.advance(Pace::Run);
                }
            }
            Point::Instruction if route[0].place.as_ref() != Some(place) => {
                let earlier =
                    route[..index].iter().filter(|stop| stop.place.as_ref() == Some(place));
                if !self.tracee.set_breakpoint(Some(place)) {
                    return false;
                }
                for _ in 0..=earlier.count() {
                    while !self.point().is_last() {
                        self.advance(Pace::Run);
                        if self.point() == Point::Instruction {
                            break;
                        }
                    }
                }
                self.tracee.set_breakpoint(None);
            }
            _ => return false,
        }
        self.point() == *point && self.tracee.place().as_ref() == Some(place)
    }

    /// Brings it there by steps; or to the end, where it has come to that before.
    fn walk(&mut self, route: &[Stop], index: usize) -> bool {
        for _ in &route[..index] {
            if !self.point().is_last() {
                self.advance(self.variant.pace);
            }
        }
        true
    }

    /// Asks it, and hears what becomes of it.
    fn judged(self) -> Verdict {
        if self.point() == Point::Nowhere {
            return Verdict::Died(format!("{:?} before it was asked", self.event));
        }
        self.tracee.ask();
        self.finish()
    }

    fn stop(&self) -> Stop {
        Stop { point: self.point(), place: self.tracee.place() }
    }

    fn point(&self) -> Point {
        match self.event {
            Event::Stop(Signal::SIGTRAP) => Point::Instruction,
            Event::Stop(Signal::SIGSTOP) if self.begun => Point::End,
            Event::Stop(Signal::SIGSTOP) => Point::Instruction,
            Event::Stop(signal) => Point::Signal(signal),
            Event::Door => Point::Door,
            Event::Asleep => Point::Asleep,
            Event::Gone(_) => Point::Nowhere,
        }
    }

    /// Lets it go on to its next point.
    fn advance(&mut self, pace: Pace) {
        self.resume(pace);
        self.event = self.tracee.wait();
    }

    /// Lets it go on, with the signal that it was stopped for.
    fn resume(&mut self, pace: Pace) {
        match self.event {
            Event::Stop(Signal::SIGTRAP | Signal::SIGSTOP) | Event::Door => {
                self.tracee.go(pace, None);
            }
            Event::Stop(signal) => self.tracee.go(pace, Some(signal)),
            Event::Asleep | Event::Gone(_) => {}
        }
        self.begun = true;
    }

    /// It has been asked. Lets it run to the second mark, and hears what became of the call.
    fn finish(mut self) -> Verdict {
        let asked = Instant::now();
        let mut asleep_since = None;
        while self.point() != Point::End {
            if self.point() == Point::Nowhere {
                return Verdict::Died(format!("{:?}", self.event));
            }
            if self.is_woken_by_timer() {
                if self.tracee.syscall() == Some(self.row.sleeps_in) {
                    return Verdict::Lost;
                }
                self.tracee.go(Pace::Run, None);
                self.event = self.tracee.wait();
                continue;
            }
            self.advance(Pace::Run);
            if self.event == Event::Asleep && !self.tracee.has_pending_signal() {
                let since = *asleep_since.get_or_insert_with(Instant::now);
                if since.elapsed() > self.patience() {
                    return Verdict::Lost;
                }
            } else if self.event != Event::Asleep {
                asleep_since = None;
            }
            if asked.elapsed() > LIMIT / 4 {
                return Verdict::Lost;
            }
        }
        self.tracee.go(Pace::Run, None);
        match self.tracee.outcome().as_deref() {
            Some("interrupted") => Verdict::Interrupted,
            Some("returned") => Verdict::Returned,
            Some(wrong) => Verdict::Wrong(wrong.to_owned()),
            None => Verdict::Died("after the call".to_owned()),
        }
    }

    /// Whether it is about to be given a shot of its repeat timer, which own calls do without.
    fn is_woken_by_timer(&self) -> bool {
        let stopped = matches!(self.point(), Point::Signal(_));
        stopped && self.row.kind == Kind::Own && self.tracee.is_from_timer()
    }

    /// How long it may sleep, with nothing pending to wake it, before it counts as lost.
    fn patience(&self) -> Duration {
        match self.row.kind {
            Kind::Own => Duration::from_millis(100),
            Kind::Naive => Duration::from_millis(10),
            // Its timer wakes it, the first time after 1 ms.
            Kind::Plain => LIMIT / 4,
        }
    }
}

struct Trial {
    point: Point,
    place: Option<Place>,
    verdict: Verdict,
}

impl Trial {
    fn place(&self) -> &str {
        self.place.as_ref().map_or("an unknown place", |place| &place.name)
    }

    fn is_in(&self, function: &str) -> bool {
        self.place().split('+').next() == Some(function)
    }
}

/// What all trials of a call in one circumstance found.
pub struct Findings {
    row: &'static Row,
    variant: &'static Variant,
    trials: Vec<Trial>,
}

impl Findings {
    /// How many trials came to that.
    pub fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.trials.iter().filter(|trial| is(&trial.verdict)).count()
    }

    fn last(&self) -> &Trial {
        self.trials.last().expect("there is always a trial")
    }

    /// It came back from everywhere, and what it said was true.
    pub fn assert_no_failure(&self) {
        let failed = self.count(Verdict::is_failure);
        assert_eq!(failed, 0, "{self}");
    }

    /// With nothing ready, it was interrupted wherever it was asked.
    pub fn assert_interrupted_unless_ready(&self) {
        if !self.variant.ready {
            let interrupted = self.count(|verdict| *verdict == Verdict::Interrupted);
            assert_eq!(interrupted, self.trials.len(), "{self}");
        }
    }

    /// It can be told where an interrupt comes too late: with nothing ready, nowhere, down to the sleep; with the result there, from
    /// one point on.
    pub fn assert_exact(&self) {
        self.assert_interrupted_unless_ready();
        let verdicts: Vec<_> = self.runs().into_iter().map(|run| &run[0].verdict).collect();
        let last = self.last().point;
        if self.variant.ready {
            assert_eq!(verdicts, [&Verdict::Interrupted, &Verdict::Returned], "{self}");
            assert_eq!(last, Point::End, "{self}");
        } else {
            assert_eq!(last, Point::Asleep, "{self}");
        }
    }

    /// Stretches of trials that came to the same.
    fn runs(&self) -> Vec<&[Trial]> {
        self.trials.chunk_by(|a, b| a.verdict == b.verdict).collect()
    }

    fn title(&self) -> String {
        format!("{}, {}", self.row.name, self.variant.name)
    }
}

impl Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |point| self.trials.iter().filter(|trial| trial.point == point).count();
        let inside = self.trials.iter().filter(|trial| trial.is_in("eintr_call")).count();
        write!(f, "{}: {} points", self.title(), self.trials.len())?;
        write!(f, " ({} instructions, {inside} points in the trampoline", of(Point::Instruction))?;
        for (point, name) in [(Point::Door, "at the door"), (Point::Asleep, "asleep")] {
            if of(point) > 0 {
                write!(f, ", {} {name}", of(point))?;
            }
        }
        writeln!(f, ")")?;
        let mut index = 0;
        for run in self.runs().into_iter().take(50) {
            let last = run.len() - 1;
            writeln!(
                f,
                "    {:4} to {:4}: {} to {}",
                index,
                index + last,
                run[0],
                run[last].place()
            )?;
            index += run.len();
        }
        Ok(())
    }
}

impl Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from {:?} at {}", self.verdict, self.point, self.place())
    }
}
