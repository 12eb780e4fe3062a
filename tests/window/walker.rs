//! A traced thread on its way from one mark to the next.

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
}

/// A thread on its way.
pub struct Walker {
    pub thread: Rc<Traced>,
    event: Event,
    /// It has left the mark that it began at.
    begun: bool,
}

impl Walker {
    /// At the next mark. It may still sleep for want of something to do, and be given a late shot of its timer.
    pub fn at_mark(thread: Rc<Traced>) -> Self {
        let mut walker = Self { thread, event: Event::Asleep, begun: false };
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

    /// All points from here on.
    pub fn route(&mut self, pace: Pace) -> Vec<Stop> {
        let mut route = vec![self.stop()];
        while !self.point().is_last() {
            self.advance(pace);
            route.push(self.stop());
        }
        route
    }

    /// Brings it to a point of its route, by a leap or by steps; whether it has come there.
    pub fn go_to(&mut self, pace: Pace, route: &[Stop], index: usize, leap: bool) -> bool {
        if leap { self.leap(route, index) } else { self.walk(pace, route, index) }
    }

    /// Brings it to a point of its route: by a breakpoint, for that is much faster than by steps. Whether it has come there;
    /// if not, it is somewhere else.
    pub fn leap(&mut self, route: &[Stop], index: usize) -> bool {
        let Stop { point, place: Some(place) } = &route[index] else { return false };
        match point {
            _ if index == 0 => return true,
            Point::Asleep | Point::End => {
                self.run();
            }
            Point::Instruction if route[0].place.as_ref() != Some(place) => {
                let earlier =
                    route[..index].iter().filter(|stop| stop.place.as_ref() == Some(place));
                if !self.thread.set_breakpoint(Some(place)) {
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
                self.thread.set_breakpoint(None);
            }
            _ => return false,
        }
        self.point() == *point && self.thread.place().as_ref() == Some(place)
    }

    /// Brings it there by steps; or to the end, where it has come to that before.
    pub fn walk(&mut self, pace: Pace, route: &[Stop], index: usize) -> bool {
        for _ in &route[..index] {
            if !self.point().is_last() {
                self.advance(pace);
            }
        }
        true
    }

    pub fn stop(&self) -> Stop {
        Stop { point: self.point(), place: self.thread.place() }
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
        self.resume(pace);
        self.event = self.thread.wait();
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
        self.event = self.thread.wait();
    }
}
