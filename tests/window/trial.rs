//! The trials of a call in one circumstance: one for each point of a thread's way.

use crate::findings::{Findings, Trial};
use crate::rows::Row;
use crate::share::Share;
use crate::target::{Target, Verdict};
use crate::tracer::{Pace, Tracee};
use crate::variants::{self, Variant};
use crate::walker::Stop;

/// Asks the target at every point of its way through the call; and says what these were.
pub fn exhaust(
    row: &'static Row,
    variant: &'static Variant,
    undisturbed: &[Stop],
) -> (Findings, Vec<Stop>) {
    let title = format!("{}, {}", row.name, variant.name);
    let (mut tracee, route) = test_support::watched(&title, || {
        let mut tracee = Tracee::start();
        let route = route(&mut tracee, row, variant, undisturbed);
        (tracee, route)
    });
    // At the door there are but few.
    let share = if variant.pace == Pace::Door { Share::WHOLE } else { Share::asked() };
    let trials = each_point(&title, &route, share, |index, leap| {
        let mut target = Target::begin(&mut tracee, row, variant);
        target.disturb(undisturbed);
        let there = target.walker.go_to(variant.pace, &route, index, leap);
        let stop = target.walker.stop();
        let verdict = target.judged();
        recover(&mut tracee, &verdict);
        there.then_some(Trial { stop, verdict })
    });
    (Findings { title, ready: variant.ready, turns: variant.turns, trials }, route)
}

/// All points of the target's way: from the first mark, or from the application's signal, to the
/// sleep or the second mark.
fn route(
    tracee: &mut Tracee,
    row: &'static Row,
    variant: &'static Variant,
    undisturbed: &[Stop],
) -> Vec<Stop> {
    let mut target = Target::begin(tracee, row, variant);
    target.disturb(undisturbed);
    let route = target.walker.route(variant.pace, None);
    let verdict = target.judged();
    recover(tracee, &verdict);
    route
}

/// Has the target make the whole call while its requester stands at a point of its own way through
/// `interrupt`: for every point.
pub fn exhaust_requester(row: &'static Row) -> Findings {
    let title = format!("{}, its requester stopped on the way", row.name);
    let variant = &variants::ALL[0];
    let (mut tracee, route) = test_support::watched(&title, || {
        let mut tracee = Tracee::start();
        tracee.trace_director();
        let mut target = Target::begin(&mut tracee, row, variant);
        let mut requester = target.requester();
        // What it does once it has told the target takes some ten thousand instructions more.
        let route = requester.route(Pace::Instruction, Some("open_to_begin"));
        target.judged_after(requester);
        (tracee, route)
    });
    let trials = each_point(&title, &route, Share::asked(), |index, leap| {
        let mut target = Target::begin(&mut tracee, row, variant);
        let mut requester = target.requester();
        let there = requester.go_to(Pace::Instruction, &route, index, leap);
        let stop = requester.stop();
        target.walker.run();
        let verdict = target.judged_after(requester);
        if recover(&mut tracee, &verdict) {
            tracee.trace_director();
        }
        there.then_some(Trial { stop, verdict })
    });
    Findings { title, ready: false, turns: false, trials }
}

/// A trial for each point of a share of a route. `attempt` is told to go there by a leap or by steps, and says
/// what came of it if it came there. The leap is much faster; it may lead elsewhere, for what it
/// leaps over (the clock's code) is not always the same.
fn each_point(
    title: &str,
    route: &[Stop],
    share: Share,
    mut attempt: impl FnMut(usize, bool) -> Option<Trial>,
) -> Vec<Trial> {
    let mut trial = |index| {
        let mut by = [true, true, true, false].into_iter();
        by.find_map(|leap| attempt(index, leap)).expect("by steps one comes to some point")
    };
    // What is told by where the outcome turns is told in each share: of the first point, the last, and the trampoline's.
    let is_in_each =
        |point: usize| point == 0 || point + 1 == route.len() || route[point].is_in("eintr_call");
    let chosen = |point: &usize| share.has(*point) || is_in_each(*point);
    let points: Vec<_> = (0..route.len()).filter(chosen).collect();
    let mut trials = Vec::new();
    for some in points.chunks(WATCHED) {
        let name = format!("{title}, points {} to {}", some[0], some[some.len() - 1]);
        let all = || some.iter().map(|index| trial(*index)).collect::<Vec<_>>();
        trials.extend(test_support::watched(&name, all));
    }
    trials
}

/// So many trials have the time of a test.
const WATCHED: usize = 64;

/// A target that did not come back is given up for a new one.
fn recover(tracee: &mut Tracee, verdict: &Verdict) -> bool {
    let gone = matches!(verdict, Verdict::Lost | Verdict::Died(_));
    if gone {
        *tracee = Tracee::start();
    }
    gone
}
