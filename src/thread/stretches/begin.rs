//! Where a stretch begins.

use super::Stretch;
use super::entry::{BY_HELPER, DEADLINE, DECIDES, HOOK, LEAVES_ALONE, MASK, REACHES, TASK, chosen};
use super::list::{Stretches, with};
use crate::kernel::{Moment, Set};
use crate::thread::Block;
use crate::thread::block::{self, Choice};

/// Begins a task, with reach as it says.
pub(crate) fn begin_task(reach: Option<bool>) -> Stretch {
    begin(TASK | said(reach))
}

/// Begins a mask; nothing but that.
pub(crate) fn begin_mask() -> Stretch {
    begin(MASK)
}

/// Notes that a hook was added.
pub(crate) fn begin_hook() -> Stretch {
    begin(HOOK)
}

/// Begins a stretch with reach on or off.
pub(crate) fn begin_reach(on: bool) -> Stretch {
    begin(said(Some(on)))
}

fn said(reach: Option<bool>) -> u32 {
    match reach {
        None => 0,
        Some(false) => LEAVES_ALONE,
        Some(true) => REACHES,
    }
}

#[inline]
fn begin(kind: u32) -> Stretch {
    let begin = |all: &Stretches, block: &Block| {
        let earliest = block.deadlines.earliest.get();
        let never = [Moment::NEVER; 2];
        let stretch = all.push(kind, never, earliest);
        let stretch = stretch.unwrap_or_else(|| all.push_beyond(kind, never, earliest));
        if kind & TASK != 0 {
            all.tasks.set(all.tasks.get() + 1);
        }
        if kind & HOOK != 0 {
            all.hooks.set(all.hooks.get() + 1);
        }
        if kind & MASK != 0 {
            let floor = all.floor.replace(stretch.index as u32 + 1);
            match all.few.floor.get(stretch.index) {
                Some(place) => place.set(floor),
                None => all.change(stretch.index, |entry| entry.floor = floor),
            }
            block.deadlines.earliest.set(Moment::NEVER);
        }
        if let Some(choice) = chosen(kind) {
            let before = block.reach.choice();
            match all.few.choice.get(stretch.index) {
                Some(place) => place.set(before),
                None => all.change(stretch.index, |entry| entry.choice = before),
            }
            block.reach.choose(choice);
        }
        stretch
    };
    block::with(|block| with(|all| begin(all, block)))
}

/// The task that began last is a mask as well.
pub(crate) fn make_root(block: &Block, task: Stretch) {
    with(|all| all.amend(block, task, |marks| marks | MASK));
}

/// The task that began last is none, after all: what it says of reach goes on.
pub(crate) fn unmake_task(task: Stretch) {
    block::with(|block| with(|all| all.amend(block, task, |marks| marks & !TASK)));
}

/// Begins a deadline, and no more, where that is the first moment among the others. The handler may
/// arm the thread because of it from here on. None if there is no room but beyond the thread's own.
#[inline(always)]
pub(crate) fn begin_deadline(
    block: &Block,
    [began, at]: [Moment; 2],
    earliest: Moment,
) -> Option<Stretch> {
    with(|all| {
        let marks = deadline_marks(block);
        let deadline = all.push(marks, [began, at], earliest)?;
        take_effect(block, marks, at, earliest);
        Some(deadline)
    })
}

/// The same where it has none.
pub(crate) fn begin_deadline_beyond(
    block: &Block,
    [began, at]: [Moment; 2],
    earliest: Moment,
) -> Stretch {
    with(|all| {
        let marks = deadline_marks(block);
        let deadline = all.push_beyond(marks, [began, at], earliest);
        take_effect(block, marks, at, earliest);
        deadline
    })
}

#[inline(always)]
fn deadline_marks(block: &Block) -> u32 {
    let decides = block.reach.choice() == Choice::Undecided;
    DEADLINE | if decides { DECIDES } else { 0 }
}

#[inline(always)]
fn take_effect(block: &Block, marks: u32, at: Moment, earliest: Moment) {
    if marks & DECIDES != 0 {
        block.reach.choose(Choice::ByDeadline);
    }
    if at < earliest {
        block.deadlines.earliest.set(at);
    }
}

/// Notes what the end of a stretch will have to undo: signals that were blocked, and whether the
/// helper thread has to be told.
pub(crate) fn owe(stretch: Stretch, unblocked: Set, notify_helper: bool) {
    with(|all| {
        if let Some(index) = all.find(stretch.number) {
            all.change(index, |entry| {
                entry.take_over(unblocked);
                entry.marks |= if notify_helper { BY_HELPER } else { 0 };
            });
        }
    });
}
