//! What a thread does, as data.

use std::time::Duration;

use crate::kinds::{self, Row};
use crate::seed::Random;

#[derive(Debug, Clone)]
pub enum Operation {
    /// Something that begins, has a body, and ends.
    Stretch(Stretch, Body),
    /// Threads, each with what it does.
    Threads(Threads, Vec<Body>),
    Call(Call),
}

#[derive(Debug, Clone)]
pub struct Body {
    /// Whether it is left when it is interrupted, as by `?`.
    pub leaves: bool,
    pub operations: Vec<Operation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    No,
    Before,
    /// As soon as /proc says that the thread sleeps.
    WhileBlocked,
}

#[derive(Debug, Clone, Copy)]
pub enum Stretch {
    Task {
        root: bool,
        reach: bool,
        asked: Asked,
    },
    Timeout(Duration),
    Within(Duration),
    Cleanup(Duration),
    CleanupOnDrop(Duration),
    Mask,
    Reach,
    WithoutReach,
    Hook,
    /// Again and again, until it is interrupted; but not for ever.
    Loop,
    /// All signals are blocked.
    Blocked,
}

#[derive(Debug, Clone, Copy)]
pub enum Threads {
    Scope,
    TryScope,
    Spawned,
    /// Joined after they were all asked.
    Group,
}

/// Whose call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    Own,
    Std,
    C,
}

/// How a call finds what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Ready,
    NotReady,
    /// While the call waits, or before.
    Becomes,
    /// It is ready, and somebody else takes it.
    Taken,
}

pub const STATES: [State; 4] = [State::Ready, State::NotReady, State::Becomes, State::Taken];

/// What was drawn to end a call. What stands around it may end it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    No,
    AskedBefore,
    AskedWhileBlocked,
    Deadline,
}

pub const CAUSES: [Cause; 4] =
    [Cause::No, Cause::AskedBefore, Cause::AskedWhileBlocked, Cause::Deadline];

#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub row: &'static Row,
    pub whose: Whose,
    pub state: State,
    /// Whether what it is about is the thread's own, so that nobody else makes it ready or takes it.
    pub alone: bool,
    /// Taken modulo what there is.
    pub number: usize,
    pub length: usize,
    pub time: Duration,
    pub reach: bool,
    pub cause: Cause,
}

/// Where an operation stands.
#[derive(Clone, Copy)]
struct Place {
    depth: u32,
    /// Whether somebody can end a wait: a task that is asked in the end, or a deadline.
    may_wait: bool,
    /// Whether that is so of a plain call that is made again after EINTR.
    reach: bool,
    /// Whether our signal does not come in.
    blocked: bool,
    cause: Cause,
}

/// What a thread does that is not managed.
pub fn thread(random: &mut Random) -> Vec<Operation> {
    let place = Place { depth: 0, may_wait: false, reach: true, blocked: false, cause: Cause::No };
    (0..20).map(|_| operation(random, place)).collect()
}

fn body(random: &mut Random, place: Place) -> Body {
    let place = Place { depth: place.depth + 1, ..place };
    let leaves = random.one_in(2);
    let count = 1 + random.below(6);
    Body { leaves, operations: (0..count).map(|_| operation(random, place)).collect() }
}

fn operation(random: &mut Random, place: Place) -> Operation {
    // Most of what stands at the bottom is a task.
    let chance = if place.depth == 0 { 8 } else { 3 };
    if place.depth >= 4 || random.below(10) >= chance {
        return point(random, place);
    }
    if random.one_in(12) {
        return threads(random, place);
    }
    let stretch = stretch(random);
    Operation::Stretch(stretch, body(random, inside(place, stretch)))
}

/// A call, and what ends it.
fn point(random: &mut Random, place: Place) -> Operation {
    let cause = CAUSES[random.below(4) as usize];
    let reach = random.one_in(2);
    let limit = Duration::from_micros(random.below(2_000));
    let task = |asked| Stretch::Task { root: false, reach, asked };
    let around = match cause {
        Cause::No => return Operation::Call(call(random, Place { cause, ..place })),
        Cause::AskedBefore => vec![task(Asked::Before)],
        Cause::AskedWhileBlocked => vec![task(Asked::WhileBlocked)],
        Cause::Deadline if reach => vec![Stretch::Reach, Stretch::Timeout(limit)],
        Cause::Deadline => vec![Stretch::WithoutReach, Stretch::Timeout(limit)],
    };
    let place =
        around.iter().fold(Place { cause, ..place }, |place, around| inside(place, *around));
    let call = Operation::Call(call(random, place));
    around.into_iter().rev().fold(call, |operation, around| {
        Operation::Stretch(around, Body { leaves: true, operations: vec![operation] })
    })
}

fn inside(place: Place, stretch: Stretch) -> Place {
    match stretch {
        Stretch::Task { reach, .. } => Place { may_wait: true, reach, ..place },
        Stretch::Timeout(_)
        | Stretch::Within(_)
        | Stretch::Cleanup(_)
        | Stretch::CleanupOnDrop(_) => Place { may_wait: true, ..place },
        Stretch::Mask => Place { may_wait: false, ..place },
        Stretch::Reach => Place { reach: true, ..place },
        Stretch::WithoutReach => Place { reach: false, ..place },
        Stretch::Blocked => Place { blocked: true, ..place },
        Stretch::Hook | Stretch::Loop => place,
    }
}

fn stretch(random: &mut Random) -> Stretch {
    let limit = Duration::from_micros(random.below(5_000));
    match random.below(17) {
        0..5 => Stretch::Task {
            root: random.one_in(4),
            reach: !random.one_in(4),
            asked: if random.one_in(8) { Asked::Before } else { Asked::No },
        },
        5 | 6 => Stretch::Timeout(limit),
        7 => Stretch::Within(limit),
        8 => Stretch::Cleanup(limit),
        9 | 10 => Stretch::Mask,
        11 => Stretch::Reach,
        12 => Stretch::WithoutReach,
        13 => Stretch::CleanupOnDrop(limit),
        14 => Stretch::Loop,
        15 => Stretch::Blocked,
        _ => Stretch::Hook,
    }
}

fn threads(random: &mut Random, place: Place) -> Operation {
    // Not many: each may have some of its own.
    let place = Place { depth: place.depth + 1, ..place };
    let free = Place { may_wait: true, reach: true, ..place };
    let (how, inside) = match random.below(4) {
        0 => (Threads::Scope, place),
        1 => (Threads::TryScope, place),
        2 => (Threads::Spawned, free),
        _ => (Threads::Group, free),
    };
    let count = 1 + random.below(3);
    Operation::Threads(how, (0..count).map(|_| body(random, inside)).collect())
}

fn call(random: &mut Random, place: Place) -> Call {
    let row = kinds::drawn(random);
    let whose = row.whose().nth(random.below(row.whose().count() as u64) as usize);
    let whose = whose.expect("each row has somebody's call");
    let ended = row.ended.contains(&whose)
        && place.may_wait
        && !place.blocked
        && (whose != Whose::Std || place.reach);
    let drawn = STATES[random.below(4) as usize];
    Call {
        row,
        whose,
        // What may wait for ever is made where it is ended.
        state: match drawn {
            State::NotReady if !ended => State::Becomes,
            State::Taken if !ended => State::Ready,
            drawn => drawn,
        },
        alone: !ended || random.one_in(2),
        number: random.below(1 << 16) as usize,
        length: 1 + random.below(6_000) as usize,
        time: Duration::from_micros(random.below(300)),
        reach: place.reach,
        cause: place.cause,
    }
}
