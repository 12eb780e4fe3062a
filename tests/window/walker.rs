//! A traced thread on its way from one mark to the next.

use std::collections::HashMap;
use std::rc::Rc;

use nix::sys::signal::Signal;

use crate::symbols::Place;
use crate::tracer::{Event, Pace, Traced};

/// What a thread has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
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
    pub fn is_last(self) -> bool {
        matches!(self, Point::Asleep | Point::End | Point::Nowhere)
    }
}

/// A point that a thread comes through.
pub struct Stop {
    pub point: Point,
    pub place: Option<Place>,
    /// How often it was in that place before.
    earlier: usize,
}

impl Stop {
    pub fn is_in(&self, function: &str) -> bool {
        let name = self.place.as_ref().map_or("", |place| &place.name);
        name.split('+').next() == Some(function)
    }
}

/// So many instructions are quicker made by steps than a breakpoint is hit again and again.
const NEAR: usize = 16;

/// A thread on its way.
pub struct Walker {
    pub thread: Rc<Traced>,
    event: Event,
    /// It has left the mark that it began at.
    begun: bool,
    /// Whether a sleep is a point of its way. (Some calls sleep for a moment though their result is
    /// there.)
    pub may_sleep: bool,
    /// It is let through the system's page for the clock. Its code begins anew whenever that is written meanwhile: on a busy
    /// machine nobody comes through by steps.
    pub leaps_clock: bool,
}

impl Walker {
    /// At the next mark. It runs, and may be given a late shot of its timer on its way there.
    pub fn at_mark(thread: Rc<Traced>) -> Self {
        let mut walker = Self {
            thread,
            event: Event::Asleep,
            begun: false,
            may_sleep: false,
            leaps_clock: false,
        };
        while walker.point() != Point::End {
            assert_ne!(walker.point(), Point::Nowhere, "died in preparation of a trial");
            walker.advance(Pace::Run);
        }
        walker.begin();
        walker
    }

    /// Where it stands its way begins.
    pub fn begin(&mut self) {
        self.begun = false;
    }

    /// Lets it go on until it sleeps, or has come to the next mark.
    pub fn run(&mut self) {
        while !self.point().is_last() {
            self.advance(Pace::Run);
        }
    }

    /// All points from here on; or to where it enters that function.
    pub fn route(&mut self, pace: Pace, until: Option<&str>) -> Vec<Stop> {
        let mut route: Vec<Stop> = Vec::new();
        let mut visits: HashMap<Option<Place>, usize> = HashMap::new();
        loop {
            let mut stop = self.stop();
            // Where it stands at first, a breakpoint is hit or not: better none.
            let start = if route.is_empty() { usize::MAX / 4 } else { 0 };
            let visits = visits.entry(stop.place.clone()).or_insert(start);
            stop.earlier = *visits;
            *visits += 1;
            let name = stop.place.as_ref().map_or("", |place| &place.name);
            let is_there = until.is_some_and(|function| name.contains(function));
            route.push(stop);
            if is_there || self.point().is_last() {
                return route;
            }
            self.advance(pace);
        }
    }

    /// Brings it to a point of its route, by a leap or by steps; whether it has come there.
    pub fn go_to(&mut self, pace: Pace, route: &[Stop], index: usize, leap: bool) -> bool {
        if leap {
            return self.leap(pace, route, index);
        }
        self.walk(pace, route, index);
        true
    }

    /// Brings it to a point of its route: by a breakpoint there or shortly before, which is much
    /// faster than by steps. Whether it has come there; if not, it is somewhere else.
    pub fn leap(&mut self, pace: Pace, route: &[Stop], index: usize) -> bool {
        let goal = &route[index];
        let nearest =
            |from: usize| (from..=index).min_by_key(|i| 2 * route[*i].earlier + index - i);
        match (goal.point, nearest(index.saturating_sub(NEAR))) {
            (Point::Asleep | Point::End, _) => self.run(),
            (Point::Instruction, Some(leap)) if leap > 0 => {
                if !self.run_to(&route[leap]) {
                    return false;
                }
                self.walk(pace, &route[leap..], index - leap);
            }
            _ if index <= NEAR => self.walk(pace, route, index),
            _ => return false,
        }
        self.point() == goal.point && self.thread.place() == goal.place
    }

    /// Lets it run on to an instruction, by a breakpoint.
    fn run_to(&mut self, stop: &Stop) -> bool {
        if stop.place.is_none() || !self.thread.set_breakpoint(stop.place.as_ref()) {
            return false;
        }
        for earlier in (0..=stop.earlier).rev() {
            while !self.point().is_last() {
                self.advance(Pace::Run);
                if self.point() == Point::Instruction {
                    break;
                }
            }
            self.thread.set_breakpoint(None);
            // Off its place, lest the breakpoint be hit there once more.
            if earlier > 0 && !self.point().is_last() {
                self.advance(Pace::Instruction);
                self.thread.set_breakpoint(stop.place.as_ref());
            }
        }
        true
    }

    /// Brings it there by steps; or to the end, where it has come to that before.
    pub fn walk(&mut self, pace: Pace, route: &[Stop], index: usize) {
        for _ in &route[..index] {
            if !self.point().is_last() {
                self.advance(pace);
            }
        }
    }

    pub fn stop(&self) -> Stop {
        Stop { point: self.point(), place: self.thread.place(), earlier: 0 }
    }

    pub fn point(&self) -> Point {
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
    pub fn advance(&mut self, pace: Pace) {
        let is_step = pace == Pace::Instruction && self.point() == Point::Instruction;
        if is_step && self.thread.stop_behind_exclusive() {
            self.resume(Pace::Run);
            self.wait();
            self.thread.set_breakpoint(None);
            return;
        }
        self.resume(pace);
        self.wait();
        let is_stepped = pace == Pace::Instruction && self.point() == Point::Instruction;
        let behind = (self.leaps_clock && is_stepped).then(|| self.thread.behind_clock()).flatten();
        if behind.is_some_and(|place| self.thread.set_breakpoint(Some(&place))) {
            self.resume(Pace::Run);
            self.wait();
            self.thread.set_breakpoint(None);
        }
    }

    /// Lets it go on, with the signal that it was stopped for.
    fn resume(&mut self, pace: Pace) {
        match self.event {
            Event::Stop(Signal::SIGTRAP | Signal::SIGSTOP) | Event::Door => {
                self.thread.go(pace, None);
            }
            Event::Stop(signal) => self.thread.go(pace, Some(signal)),
            Event::Asleep | Event::Gone(_) => {}
        }
        self.begun = true;
    }

    /// As [`advance`](Self::advance), without the signal that it was stopped for.
    pub fn advance_without_signal(&mut self) {
        self.thread.go(Pace::Run, None);
        self.wait();
    }

    fn wait(&mut self) {
        self.event = if self.may_sleep { self.thread.wait() } else { self.thread.wait_for_stop() };
    }
}
