//! What a thread has begun and not ended, in the order in which it began: tasks, masks, deadlines,
//! hooks, and stretches with reach on or off.
//!
//! What is in force follows from that order alone: a mask hides what began before it, and a
//! deadline knows how many tasks are outside of it. On one stack things end in the other order than
//! they began, and each end could give back what its beginning has found. Code on coroutines is on
//! many stacks at once. There one ends in the middle of the others, or on another thread, and its
//! stack may be gone after. So what is noted of a stretch is in the thread's own list, by value, and
//! whoever has begun it holds a number and no pointer (S25).
//!
//! An entry remembers what stood before it began. Mostly the last one ends, and gives that back;
//! where another does, all of it is worked out anew.
//!
//! # On another thread
//!
//! A number that is not in the calling thread's list was begun on another one. That one's list is
//! its own, and is not touched. The number is put among the strays, which each thread looks through
//! when it next comes by; and the end panics, for there is no way to do what was meant: what has
//! begun was in force where the code ran before, and not where it went on. (Not in a destructor that
//! a panic runs: that would end the process.) Where the thread on which it began has ended before, it has left
//! the number, and the two cancel each other out.
//!
//! What begins a stretch for code that is not ours, and what ends it, are never inlined there: a compiler takes it that a
//! function stays on its thread, and keeps where the list is across whatever the function calls.
//!
//! (Rejected: a lock on each list, for others to take things off it. Beginning and ending a deadline
//! is a look at the clock and a few stores.)

use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};
use std::num::NonZeroU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, compiler_fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::block::{self, Choice};
use super::record::Floor;
use super::{Block, fork_gate, lent};
use crate::kernel::{Moment, Set};
use crate::room::Room;

/// Something that was begun.
#[derive(Debug, Clone, Copy)]
#[must_use = "it is to be ended"]
pub(crate) struct Stretch {
    number: u64,
    /// Where it stood in the list then, and does still if nothing has ended out of turn.
    index: usize,
}

// What it is, and what is noted of it.

const TASK: u32 = 1 << 0;
/// Hides all that began before it. A root task does.
const MASK: u32 = 1 << 1;
const DEADLINE: u32 = 1 << 2;
const HOOK: u32 = 1 << 3;
/// Says that plain calls are reached.
const REACHES: u32 = 1 << 4;
/// Says that they are not.
const LEAVES_ALONE: u32 = 1 << 5;
/// It is a deadline, and has them reached since nobody has said anything (see `deadline/open.rs`).
const DECIDES: u32 = 1 << 6;
/// It is a deadline, and was raised.
const RAISED: u32 = 1 << 7;
/// Its end is to block signals again.
const OWES: u32 = 1 << 8;
/// Its end is to tell the helper thread of the change.
const BY_HELPER: u32 = 1 << 9;
/// It has ended.
const ENDED: u32 = 1 << 10;
/// It is a deadline, and others keep it as well.
const LENT: u32 = 1 << 11;

/// A stretch in the list.
#[derive(Debug, Clone, Copy)]
struct Entry {
    number: u64,
    marks: u32,
    /// What had been said of reach before, if it says something.
    choice: Choice,
    /// How many were hidden before, if it is a mask.
    floor: u32,
    /// When it began, and its moment, if it is a deadline.
    began: Moment,
    at: Moment,
    /// The first moment before it began.
    earliest: Moment,
    /// Signals that were blocked, if it owes any.
    unblocked: Set,
}

/// What a thread's list holds without memory of its own.
const FEW: usize = 8;
/// So many numbers a thread takes at once, so as to share none.
const NUMBERS: u64 = 1 << 16;

/// A thread's list.
struct Stretches {
    few: Few,
    length: Cell<usize>,
    next_number: Cell<u64>,
    /// How many entries are hidden.
    floor: Cell<u32>,
    tasks: Cell<u32>,
    hooks: Cell<u32>,
}

/// The first entries, by their parts: each end looks at what it needs. (To copy a whole one, which was
/// just written by parts, is slow: a processor waits for the parts.)
struct Few {
    number: [Cell<u64>; FEW],
    marks: [Cell<u32>; FEW],
    choice: [Cell<Choice>; FEW],
    floor: [Cell<u32>; FEW],
    began: [Cell<Moment>; FEW],
    at: [Cell<Moment>; FEW],
    earliest: [Cell<Moment>; FEW],
    unblocked: [Cell<Set>; FEW],
}

thread_local! {
    static STRETCHES: Stretches = const {
        Stretches {
            few: Few::new(),
            length: Cell::new(0),
            next_number: Cell::new(0),
            floor: Cell::new(0),
            tasks: Cell::new(0),
            hooks: Cell::new(0),
        }
    };
    /// What does not fit. Without a destructor: its memory is given back when it is empty.
    static MORE: ManuallyDrop<RefCell<Vec<Entry>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// Looks at the calling thread's list.
#[inline(always)]
fn with<T>(f: impl FnOnce(&Stretches) -> T) -> T {
    block::look(&STRETCHES, f)
}

impl Few {
    const fn new() -> Self {
        Self {
            number: [const { Cell::new(0) }; FEW],
            marks: [const { Cell::new(0) }; FEW],
            choice: [const { Cell::new(Choice::Undecided) }; FEW],
            floor: [const { Cell::new(0) }; FEW],
            began: [const { Cell::new(Moment::NEVER) }; FEW],
            at: [const { Cell::new(Moment::NEVER) }; FEW],
            earliest: [const { Cell::new(Moment::NEVER) }; FEW],
            unblocked: [const { Cell::new(0) }; FEW],
        }
    }

    fn get(&self, index: usize) -> Entry {
        Entry {
            number: self.number[index].get(),
            marks: self.marks[index].get(),
            choice: self.choice[index].get(),
            floor: self.floor[index].get(),
            began: self.began[index].get(),
            at: self.at[index].get(),
            earliest: self.earliest[index].get(),
            unblocked: self.unblocked[index].get(),
        }
    }

    fn set(&self, index: usize, entry: Entry) {
        self.number[index].set(entry.number);
        self.marks[index].set(entry.marks);
        self.choice[index].set(entry.choice);
        self.floor[index].set(entry.floor);
        self.began[index].set(entry.began);
        self.at[index].set(entry.at);
        self.earliest[index].set(entry.earliest);
        self.unblocked[index].set(entry.unblocked);
    }
}

impl Entry {
    fn is(&self, mark: u32) -> bool {
        self.marks & mark != 0
    }

    fn was_raised(&self) -> bool {
        self.is(RAISED) || self.is(LENT) && lent::was_raised(self.number)
    }

    fn owed(&self) -> Set {
        if self.is(OWES) { self.unblocked } else { 0 }
    }

    /// Signals that others owed are to be blocked again with its own.
    fn take_over(&mut self, unblocked: Set) {
        if unblocked != 0 {
            self.unblocked = unblocked | self.owed();
            self.marks |= OWES;
        }
    }
}

// The list.

impl Stretches {
    /// Its place among the first, if it is there, and the last of all. (Another's number is another
    /// one: there the place is wrong, and no matter.)
    #[inline(always)]
    fn last(&self, stretch: Stretch) -> Option<usize> {
        let place = stretch.index % FEW;
        let is_last = self.length.get() == stretch.index + 1;
        (is_last && self.few.number[place].get() == stretch.number).then_some(place)
    }

    /// Puts one among the first; none if there is no room.
    #[inline(always)]
    fn push(&self, marks: u32, [began, at]: [Moment; 2], earliest: Moment) -> Option<Stretch> {
        let index = self.length.get();
        if index >= FEW {
            return None;
        }
        // Before it is filled: a handler of the application's that comes between, and begins and
        // ends something, leaves it alone.
        self.length.set(index + 1);
        self.few.marks[index].set(0);
        compiler_fence(SeqCst);
        let number = self.number();
        self.few.number[index].set(number);
        self.few.marks[index].set(marks);
        self.few.began[index].set(began);
        self.few.at[index].set(at);
        self.few.earliest[index].set(earliest);
        Some(Stretch { number, index })
    }

    #[cold]
    fn push_beyond(&self, marks: u32, [began, at]: [Moment; 2], earliest: Moment) -> Stretch {
        let number = self.number();
        let choice = Choice::Undecided;
        let entry = Entry { number, marks, choice, floor: 0, began, at, earliest, unblocked: 0 };
        MORE.with(|more| more.borrow_mut().push(entry));
        let index = self.length.get();
        self.length.set(index + 1);
        Stretch { number, index }
    }

    #[inline(always)]
    fn number(&self) -> u64 {
        let mut number = self.next_number.get();
        if number % NUMBERS == 0 {
            number = more_numbers();
        }
        self.next_number.set(number + 1);
        number
    }

    /// Takes so many off that so many are left.
    fn truncate(&self, length: usize) {
        self.length.set(length);
        MORE.with(|more| match length.saturating_sub(FEW) {
            0 => drop(more.take()),
            beyond => more.borrow_mut().truncate(beyond),
        });
    }

    fn get(&self, index: usize) -> Entry {
        match index.checked_sub(FEW) {
            None => self.few.get(index),
            Some(beyond) => MORE.with(|more| more.borrow()[beyond]),
        }
    }

    fn set(&self, index: usize, entry: Entry) {
        match index.checked_sub(FEW) {
            None => self.few.set(index, entry),
            Some(beyond) => MORE.with(|more| more.borrow_mut()[beyond] = entry),
        }
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Entry)) {
        let mut entry = self.get(index);
        change(&mut entry);
        self.set(index, entry);
    }

    /// Those between two places, and the places.
    fn between(
        &self,
        from: usize,
        to: usize,
    ) -> impl DoubleEndedIterator<Item = (usize, Entry)> + ExactSizeIterator {
        (from..to).map(|index| (index, self.get(index)))
    }

    fn find(&self, number: u64) -> Option<usize> {
        let mut all = self.between(0, self.length.get());
        all.rfind(|(_, entry)| entry.number == number).map(|(index, _)| index)
    }

    /// How many of that kind began before that place.
    fn count(&self, kind: u32, before: usize) -> usize {
        self.between(0, before).filter(|(_, entry)| entry.is(kind)).count()
    }

    /// How many of that kind are hidden.
    fn count_hidden(&self, kind: u32) -> usize {
        match self.floor.get() {
            0 => 0,
            // A mask that is a task does not hide itself.
            floor => self.count(kind, floor as usize - 1),
        }
    }

    /// The deadlines that are not hidden.
    fn deadlines(&self) -> impl DoubleEndedIterator<Item = (usize, Entry)> {
        let shown = self.between(self.floor.get() as usize, self.length.get());
        shown.filter(|(_, entry)| entry.is(DEADLINE))
    }

    fn deadline(&self, index: usize, entry: &Entry) -> Deadline {
        let tasks_outside = self.count(TASK, index);
        Deadline { began: entry.began, at: entry.at, tasks_outside, was_raised: entry.was_raised() }
    }

    /// Works out what stands before each, and what stands now.
    fn replay(&self, block: &Block) {
        let [mut tasks, mut hooks, mut floor] = [0; 3];
        let mut choice = Choice::Undecided;
        let mut earliest = Moment::NEVER;
        for (index, mut entry) in self.between(0, self.length.get()) {
            entry.choice = choice;
            entry.floor = floor;
            entry.earliest = earliest;
            if entry.is(MASK) {
                floor = index as u32 + 1;
                earliest = Moment::NEVER;
            }
            if entry.is(DEADLINE) {
                earliest = earliest.min(entry.at);
                entry.marks &= !DECIDES;
                if choice == Choice::Undecided {
                    entry.marks |= DECIDES;
                    choice = Choice::ByDeadline;
                }
            }
            choice = chosen(entry.marks).unwrap_or(choice);
            tasks += u32::from(entry.is(TASK));
            hooks += u32::from(entry.is(HOOK));
            self.set(index, entry);
        }
        self.tasks.set(tasks);
        self.hooks.set(hooks);
        self.floor.set(floor);
        block.reach.choose(choice);
        block.deadlines.earliest.set(earliest);
    }
}

/// What is said of reach, if anything is.
#[inline]
fn chosen(marks: u32) -> Option<Choice> {
    match marks & (REACHES | LEAVES_ALONE) {
        0 => None,
        REACHES => Some(Choice::On),
        _ => Some(Choice::Off),
    }
}

#[cold]
fn more_numbers() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(NUMBERS, Relaxed) + NUMBERS + 1
}

// Beginning.

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

impl Stretches {
    fn amend(&self, block: &Block, stretch: Stretch, amend: impl FnOnce(u32) -> u32) {
        if let Some(index) = self.find(stretch.number) {
            self.change(index, |entry| entry.marks = amend(entry.marks));
            self.replay(block);
        }
    }
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

// Ending.

/// What has ended: its marks, and in the upper half how many of its kind began before it. (As one
/// number: see [`Few`].) And signals that were blocked, and are to be again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended(NonZeroU64, Set);

impl Ended {
    #[inline]
    fn new(marks: u32, before: u32, unblocked: Set) -> Option<Self> {
        let packed = u64::from(before) << 32 | u64::from(marks | ENDED);
        NonZeroU64::new(packed).map(|packed| Self(packed, unblocked))
    }

    #[inline]
    fn is(self, mark: u32) -> bool {
        self.0.get() & u64::from(mark) != 0
    }

    pub(crate) fn was_task(self) -> bool {
        self.is(TASK)
    }

    pub(crate) fn was_hook(self) -> bool {
        self.is(HOOK)
    }

    /// Whether it hid what began before it.
    #[inline]
    pub(crate) fn was_mask(self) -> bool {
        self.is(MASK)
    }

    /// How many tasks began before it, if it was a task; or how many hooks.
    pub(crate) fn place(self) -> usize {
        (self.0.get() >> 32) as usize
    }

    /// Signals that were blocked, and are to be again.
    #[inline]
    pub(crate) fn unblocked(self) -> Set {
        self.1
    }
}

/// Ends a stretch: what stands then is in the block, and is to be followed by the rest. None if it
/// was begun on another thread: then [`tell_of_stray`] is to be called, once all is undone that can
/// be.
#[inline]
pub(crate) fn end(stretch: Stretch) -> Option<Ended> {
    let end = |all: &Stretches, block: &Block| {
        let Some(place) = all.last(stretch) else {
            return all.end_otherwise(block, stretch).map(|(ended, _)| ended);
        };
        let entry = all.few.get(place);
        all.length.set(stretch.index);
        compiler_fence(SeqCst);
        Ended::new(entry.marks, all.give_back(block, &entry), entry.owed())
    };
    block::with(|block| with(|all| end(all, block)))
}

/// Ends a deadline, as most do: whether it was raised. None if it has not ended, since it owes
/// something or is not the last to have begun: see [`end_deadline_otherwise`].
#[inline(always)]
pub(crate) fn end_deadline(block: &Block, deadline: Stretch) -> Option<bool> {
    with(|all| {
        let place = all.last(deadline)?;
        let marks = all.few.marks[place].get();
        if marks & (OWES | BY_HELPER | LENT) != 0 {
            return None;
        }
        let earliest = all.few.earliest[place].get();
        all.length.set(deadline.index);
        compiler_fence(SeqCst);
        if marks & DECIDES != 0 {
            block.reach.choose(Choice::Undecided);
        }
        block.deadlines.earliest.set(earliest);
        Some(marks & RAISED != 0)
    })
}

/// A deadline that has ended otherwise.
pub(crate) struct EndedOtherwise {
    pub(crate) at: Moment,
    pub(crate) was_raised: bool,
    pub(crate) notify_helper: bool,
    pub(crate) ended: Ended,
}

/// Ends a deadline. None as for [`end`].
pub(crate) fn end_deadline_otherwise(block: &Block, deadline: Stretch) -> Option<EndedOtherwise> {
    let (ended, entry) = with(|all| all.end_otherwise(block, deadline))?;
    let [was_raised, notify_helper] = [entry.was_raised(), entry.is(BY_HELPER)];
    if entry.is(LENT) {
        lent::forget(entry.number);
    }
    Some(EndedOtherwise { at: entry.at, was_raised, notify_helper, ended })
}

impl Stretches {
    /// What stood before the one that was the last stands again; how many of its kind do.
    #[inline]
    fn give_back(&self, block: &Block, entry: &Entry) -> u32 {
        let mut before = 0;
        if entry.is(TASK) {
            before = self.tasks.get() - 1;
            self.tasks.set(before);
        }
        if entry.is(HOOK) {
            before = self.hooks.get() - 1;
            self.hooks.set(before);
        }
        if entry.is(MASK) {
            self.floor.set(entry.floor);
        }
        if entry.is(DECIDES) {
            block.reach.choose(Choice::Undecided);
        }
        if chosen(entry.marks).is_some() {
            block.reach.choose(entry.choice);
        }
        block.deadlines.earliest.set(entry.earliest);
        before
    }

    /// Ends one that may not be the last, or not in the thread's own room.
    #[cold]
    fn end_otherwise(&self, block: &Block, stretch: Stretch) -> Option<(Ended, Entry)> {
        let ended = self.remove(block, stretch.number);
        if ended.is_none() {
            note_stray(ENDED_ELSEWHERE, stretch.number);
        }
        ended
    }

    fn remove(&self, block: &Block, number: u64) -> Option<(Ended, Entry)> {
        let index = self.find(number)?;
        let entry = self.get(index);
        let last = self.length.get() - 1;
        let mut unblocked = entry.owed();
        let before = if index == last {
            self.truncate(last);
            self.give_back(block, &entry)
        } else {
            let kind = entry.marks & (TASK | HOOK);
            let before = self.count(kind, index) as u32;
            for place in index..last {
                let mut next = self.get(place + 1);
                // Signals stay open for what began later.
                next.take_over(mem::take(&mut unblocked));
                self.set(place, next);
            }
            self.truncate(last);
            self.replay(block);
            before
        };
        Some((Ended::new(entry.marks, before, unblocked)?, entry))
    }
}

// Looking.

/// How many tasks there are.
pub(crate) fn tasks() -> Floor {
    Floor(with(|all| all.tasks.get()) as usize)
}

/// How many of them are masked.
pub(crate) fn masked_tasks() -> Floor {
    Floor(with(|all| all.count_hidden(TASK)))
}

/// How many hooks are hidden.
pub(crate) fn hidden_hooks() -> usize {
    with(|all| all.count_hidden(HOOK))
}

/// A deadline that is not hidden.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) began: Moment,
    pub(crate) at: Moment,
    /// How many tasks are outside of it.
    pub(crate) tasks_outside: usize,
    /// Whether it was raised, or a syscall was refused because of it.
    pub(crate) was_raised: bool,
}

/// The deadlines that are not hidden, outermost first, for other threads to keep as well: each with
/// what an heir sets if it has raised it.
pub(crate) fn lend_deadlines() -> Vec<(Deadline, Arc<AtomicBool>)> {
    with(|all| {
        let lend = |(index, entry): (usize, Entry)| {
            all.change(index, |entry| entry.marks |= LENT);
            (all.deadline(index, &entry), lent::lend(entry.number))
        };
        all.deadlines().map(lend).collect()
    })
}

/// The outermost deadline that has passed by then and is not hidden. Marks it as raised, if so
/// wanted.
pub(crate) fn outermost_passed(now: Moment, mark: bool) -> Option<Deadline> {
    with(|all| {
        let (index, entry) = all.deadlines().find(|(_, entry)| entry.at <= now)?;
        if mark {
            all.change(index, |entry| entry.marks |= RAISED);
        }
        Some(all.deadline(index, &entry))
    })
}

/// How long the deadline of that moment is, if it is among the first: for the handler, which may come
/// wherever the list is changed.
pub(crate) fn length_of_deadline(at: Moment) -> Option<Duration> {
    with(|Stretches { few, length, .. }| {
        let is_it = |i: &usize| few.marks[*i].get() & DEADLINE != 0 && few.at[*i].get() == at;
        let index = (0..length.get().min(FEW)).rfind(is_it)?;
        Some(at.since(few.began[index].get()))
    })
}

/// Whether there is any deadline besides that one, hidden or not.
pub(crate) fn any_deadline_but(deadline: Stretch) -> bool {
    with(|all| {
        let mut entries = all.between(0, all.length.get());
        entries.any(|(_, entry)| entry.is(DEADLINE) && entry.number != deadline.number)
    })
}

// Strays.

/// Numbers of stretches that have ended on another thread than they began on; and of those whose thread has ended before
/// them, of which nobody ends most (a thread in C may have been cancelled): so many are remembered.
static STRAYS: Mutex<[Vec<u64>; 2]> = Mutex::new([const { Vec::new() }; 2]);
const ENDED_ELSEWHERE: usize = 0;
const LEFT: usize = 1;
const MOST_LEFT: usize = 4096;
/// How many have ended elsewhere.
static STRAY: AtomicUsize = AtomicUsize::new(0);

/// Notes one half of what becomes of a stretch; if the other half is known, there is nothing to note.
fn note_stray(half: usize, number: u64) {
    fork_gate::with_room(|_, room: &mut Room<Vec<_>>| {
        let mut strays = STRAYS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = strays[1 - half].iter().position(|other| *other == number) {
            strays[1 - half].swap_remove(place);
        } else {
            room.for_one_more(&mut strays[half])?;
            strays[half].push(number);
            if half == LEFT && strays[LEFT].len() > MOST_LEFT {
                strays[LEFT].swap_remove(0);
            }
        }
        STRAY.store(strays[ENDED_ELSEWHERE].len(), Relaxed);
        Ok(())
    });
}

/// To be called where a stretch has ended on another thread than it began on.
#[cold]
pub(crate) fn tell_of_stray(what: &str) {
    if !std::thread::panicking() {
        panic!("{what} has ended on another thread than it began on");
    }
}

/// Whether any thread has something in its list that has ended elsewhere.
#[inline]
pub(crate) fn any_strays() -> bool {
    STRAY.load(Relaxed) != 0
}

/// Takes something that has ended elsewhere off the calling thread's list.
#[cold]
pub(crate) fn take_in_stray(block: &Block) -> Option<Ended> {
    if !any_strays() {
        return None;
    }
    with(|all| {
        let number = {
            let _gate = fork_gate::gate();
            let strays =
                &mut STRAYS.lock().unwrap_or_else(PoisonError::into_inner)[ENDED_ELSEWHERE];
            let place = strays.iter().position(|number| all.find(*number).is_some())?;
            let number = strays.swap_remove(place);
            STRAY.store(strays.len(), Relaxed);
            number
        };
        all.remove(block, number).map(|(ended, _)| ended)
    })
}

/// At the end of the thread: nothing is in force any more, be it that nothing has ended it.
pub(crate) fn forget(block: &Block) {
    with(|all| {
        for (_, entry) in all.between(0, all.length.get()) {
            note_stray(LEFT, entry.number);
        }
        all.truncate(0);
        all.replay(block);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_noted(stretch: Stretch) -> bool {
        STRAYS.lock().unwrap().iter().flatten().any(|number| *number == stretch.number)
    }

    #[test]
    fn nothing_is_noted_of_what_has_ended_on_both_sides() {
        let begun = |then: fn(Stretch)| {
            let thread = move || {
                crate::task().0.run(|| ());
                let stretch = begin_reach(true);
                then(stretch);
                stretch
            };
            std::thread::spawn(thread).join().unwrap()
        };
        let end_elsewhere = |stretch| {
            assert!(end(stretch).is_none());
        };
        // The thread ends first.
        let stretch = begun(|_| {});
        assert!(is_noted(stretch));
        end_elsewhere(stretch);
        assert!(!is_noted(stretch));
        // It ends last.
        let stretch = begun(|stretch| {
            std::thread::spawn(move || assert!(end(stretch).is_none())).join().unwrap();
            assert!(is_noted(stretch));
        });
        assert!(!is_noted(stretch));
    }
}
