//! What a thread does, as data.

use std::time::Duration;

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

#[derive(Debug, Clone, Copy)]
pub enum Stretch {
    Task { root: bool, reach: bool, asked_before: bool },
    Timeout(Duration),
    Within(Duration),
    Cleanup(Duration),
    Mask,
    Reach,
    WithoutReach,
    Hook,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Own,
    Std,
}

/// Numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub enum Call {
    /// A write to the thread's own pipe, and a read of what it wrote: neither has to wait.
    ThroughOwnPipe(Whose, usize),
    Read(Whose, usize, usize),
    Write(Whose, usize, usize),
    Poll(Whose, usize, Duration),
    Sleep(Whose, Duration),
    Flock(Whose, usize),
    Accept(Whose),
    Connect(Whose),
    /// A child that ends by itself, or one that does not, and is waited for.
    Wait(Whose, bool),
    Status(bool),
    /// A lock that others have for a moment only; by std's name, or interruptibly.
    Lock {
        interruptibly: bool,
        number: usize,
    },
    StdLock(usize),
    Permit,
    Send,
    Receive,
    Checkpoint,
    Take,
    /// Another task is asked, or one's own.
    Ask(usize),
}

/// Where an operation stands.
#[derive(Clone, Copy)]
struct Place {
    depth: u32,
    /// Whether somebody can end a wait: a task that is asked in the end, or a deadline.
    may_wait: bool,
    /// Whether that is so of a plain call that is made again after EINTR.
    reach: bool,
}

/// What a thread does that is not managed.
pub fn thread(random: &mut Random) -> Vec<Operation> {
    let place = Place { depth: 0, may_wait: false, reach: true };
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
    let chance = if place.depth == 0 { 9 } else { 4 };
    if place.depth >= 4 || random.below(10) >= chance {
        return Operation::Call(call(random, place));
    }
    if random.one_in(12) {
        return threads(random, place);
    }
    let stretch = stretch(random);
    let inside = match stretch {
        Stretch::Task { reach, .. } => Place { may_wait: true, reach, ..place },
        Stretch::Timeout(_) | Stretch::Within(_) | Stretch::Cleanup(_) => {
            Place { may_wait: true, ..place }
        }
        Stretch::Mask => Place { may_wait: false, ..place },
        Stretch::Reach => Place { reach: true, ..place },
        Stretch::WithoutReach => Place { reach: false, ..place },
        Stretch::Hook => place,
    };
    Operation::Stretch(stretch, body(random, inside))
}

fn stretch(random: &mut Random) -> Stretch {
    let limit = Duration::from_micros(random.below(5_000));
    match random.below(14) {
        0..5 => Stretch::Task {
            root: random.one_in(4),
            reach: !random.one_in(4),
            asked_before: random.one_in(8),
        },
        5 | 6 => Stretch::Timeout(limit),
        7 => Stretch::Within(limit),
        8 => Stretch::Cleanup(limit),
        9 | 10 => Stretch::Mask,
        11 => Stretch::Reach,
        12 => Stretch::WithoutReach,
        _ => Stretch::Hook,
    }
}

fn threads(random: &mut Random, place: Place) -> Operation {
    // Not many: each may have some of its own.
    let place = Place { depth: place.depth + 1, ..place };
    let (how, inside) = match random.below(4) {
        0 => (Threads::Scope, place),
        1 => (Threads::TryScope, place),
        2 => (Threads::Spawned, Place { may_wait: true, reach: true, ..place }),
        _ => (Threads::Group, Place { may_wait: true, reach: true, ..place }),
    };
    let count = 1 + random.below(3);
    Operation::Threads(how, (0..count).map(|_| body(random, inside)).collect())
}

fn call(random: &mut Random, place: Place) -> Call {
    let whose = if random.one_in(2) { Whose::Own } else { Whose::Std };
    let number = random.below(1 << 16) as usize;
    let length = 1 + random.below(6_000) as usize;
    let short = Duration::from_micros(random.below(300));
    match random.below(8) {
        0 => return Call::Checkpoint,
        1 => return Call::Take,
        2 => return Call::ThroughOwnPipe(whose, length.min(4_000)),
        3 => return Call::Lock { interruptibly: false, number },
        4 if random.one_in(2) => return Call::StdLock(number),
        4 => return Call::Ask(number),
        _ => {}
    }
    // What may wait for ever is made where it is ended.
    if !place.may_wait || (whose == Whose::Std && !place.reach) {
        return Call::Sleep(whose, short);
    }
    let long = if random.one_in(3) { Duration::from_secs(1_000) } else { short };
    match random.below(16) {
        0 | 1 => Call::Read(whose, number, length),
        2 | 3 => Call::Write(whose, number, length),
        4 => Call::Poll(whose, number, long),
        5 => Call::Sleep(whose, long),
        6 | 7 => Call::Flock(whose, number),
        8 => Call::Accept(whose),
        9 => Call::Connect(whose),
        10 => Call::Wait(whose, random.one_in(2)),
        11 => Call::Status(random.one_in(2)),
        12 => Call::Lock { interruptibly: true, number },
        13 => Call::Permit,
        14 => Call::Send,
        _ => Call::Receive,
    }
}
