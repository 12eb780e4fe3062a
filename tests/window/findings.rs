//! What all trials of a call in one circumstance found.

use std::fmt::{self, Display};

use crate::target::Verdict;
use crate::walker::{Point, Stop};

/// One trial: where the target stood when it was asked, or its requester, and what became of the call.
pub struct Trial {
    pub stop: Stop,
    pub verdict: Verdict,
}

impl Trial {
    fn place(&self) -> &str {
        self.stop.place.as_ref().map_or("an unknown place", |place| &place.name)
    }
}

/// What all trials of a call in one circumstance found.
pub struct Findings {
    pub title: String,
    /// Whether the result was there before the call.
    pub ready: bool,
    /// Whether it came or went at those points.
    pub turns: bool,
    pub trials: Vec<Trial>,
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
        if !self.ready && !self.turns {
            let interrupted = self.count(|verdict| *verdict == Verdict::Interrupted);
            assert_eq!(interrupted, self.trials.len(), "{self}");
        }
    }

    /// With the result there it was returned, wherever it was asked. (But for a trial in which the
    /// machine let all the time pass that there is for that.)
    pub fn assert_done_if_ready(&self) {
        if self.ready && !self.turns {
            let returned = self.count(|verdict| *verdict == Verdict::Returned);
            assert!(returned * 10 >= self.trials.len() * 9, "{self}");
        }
    }

    /// Where it came or went at those points, it was there in time, and it was not.
    pub fn assert_turned(&self) {
        let both = [Verdict::Interrupted, Verdict::Returned];
        let counts = both.map(|either| self.count(|verdict| *verdict == either));
        assert!(!self.turns || counts.iter().all(|count| *count > 0), "{self}");
    }

    /// It can be told where an interrupt comes too late: with nothing ready, nowhere, down to the
    /// sleep; with the result there, from one point on.
    pub fn assert_exact(&self) {
        self.assert_interrupted_unless_ready();
        let verdicts: Vec<_> = self.runs().into_iter().map(|run| &run[0].verdict).collect();
        let last = self.last().stop.point;
        if self.ready {
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
}

impl Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |point| self.trials.iter().filter(|trial| trial.stop.point == point).count();
        let inside = self.trials.iter().filter(|trial| trial.stop.is_in("eintr_call")).count();
        write!(f, "{}: {} points", self.title, self.trials.len())?;
        write!(f, " ({} instructions, {inside} points in the trampoline", of(Point::Instruction))?;
        for (point, name) in [(Point::Door, "at the door"), (Point::Asleep, "asleep")] {
            if of(point) > 0 {
                write!(f, ", {} {name}", of(point))?;
            }
        }
        writeln!(f, ")")?;
        let mut index = 0;
        for (number, run) in self.runs().into_iter().enumerate() {
            let (end, to) = (index + run.len() - 1, run[run.len() - 1].place());
            if number < 50 || run[0].verdict.is_failure() {
                writeln!(f, "    {index:4} to {end:4}: {} to {to}", run[0])?;
            }
            index += run.len();
        }
        Ok(())
    }
}

impl Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from {:?} at {}", self.verdict, self.stop.point, self.place())
    }
}
