//! A thread's list of stretches.

use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU64, compiler_fence};

use super::entry::{DEADLINE, DECIDES, Entry, HOOK, MASK, TASK, chosen};
use super::strays::{self, ENDED_ELSEWHERE};
use super::{Deadline, Ended, Stretch};
use crate::kernel::{Moment, Set};
use crate::thread::Block;
use crate::thread::block::{self, Choice};

/// What a thread's list holds without memory of its own.
pub(super) const FEW: usize = 8;
/// So many numbers a thread takes at once, so as to share none.
const NUMBERS: u64 = 1 << 16;

/// A thread's list.
pub(super) struct Stretches {
    pub(super) few: Few,
    pub(super) length: Cell<usize>,
    pub(super) next_number: Cell<u64>,
    /// How many entries are hidden.
    pub(super) floor: Cell<u32>,
    pub(super) tasks: Cell<u32>,
    pub(super) hooks: Cell<u32>,
}

/// The first entries, by their parts: each end looks at what it needs. (To copy a whole one, which was
/// just written by parts, is slow: a processor waits for the parts.)
pub(super) struct Few {
    pub(super) number: [Cell<u64>; FEW],
    pub(super) marks: [Cell<u32>; FEW],
    pub(super) choice: [Cell<Choice>; FEW],
    pub(super) floor: [Cell<u32>; FEW],
    pub(super) began: [Cell<Moment>; FEW],
    pub(super) at: [Cell<Moment>; FEW],
    pub(super) earliest: [Cell<Moment>; FEW],
    pub(super) unblocked: [Cell<Set>; FEW],
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
pub(super) fn with<T>(f: impl FnOnce(&Stretches) -> T) -> T {
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

    #[inline]
    pub(super) fn get(&self, index: usize) -> Entry {
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

    pub(super) fn set(&self, index: usize, entry: Entry) {
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

impl Stretches {
    /// Its place among the first, if it is there, and the last of all. (Another's number is another
    /// one: there the place is wrong, and no matter.)
    #[inline(always)]
    pub(super) fn last(&self, stretch: Stretch) -> Option<usize> {
        let place = stretch.index % FEW;
        let is_last = self.length.get() == stretch.index + 1;
        (is_last && self.few.number[place].get() == stretch.number).then_some(place)
    }

    /// Puts one among the first; none if there is no room.
    #[inline(always)]
    pub(super) fn push(
        &self,
        marks: u32,
        [began, at]: [Moment; 2],
        earliest: Moment,
    ) -> Option<Stretch> {
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
    pub(super) fn push_beyond(
        &self,
        marks: u32,
        [began, at]: [Moment; 2],
        earliest: Moment,
    ) -> Stretch {
        let number = self.number();
        let choice = Choice::Undecided;
        let entry = Entry { number, marks, choice, floor: 0, began, at, earliest, unblocked: 0 };
        MORE.with(|more| more.borrow_mut().push(entry));
        let index = self.length.get();
        self.length.set(index + 1);
        Stretch { number, index }
    }

    #[inline(always)]
    pub(super) fn number(&self) -> u64 {
        let mut number = self.next_number.get();
        if number % NUMBERS == 0 {
            number = more_numbers();
        }
        self.next_number.set(number + 1);
        number
    }

    /// Takes so many off that so many are left.
    pub(super) fn truncate(&self, length: usize) {
        self.length.set(length);
        MORE.with(|more| match length.saturating_sub(FEW) {
            0 => drop(more.take()),
            beyond => more.borrow_mut().truncate(beyond),
        });
    }

    pub(super) fn get(&self, index: usize) -> Entry {
        match index.checked_sub(FEW) {
            None => self.few.get(index),
            Some(beyond) => MORE.with(|more| more.borrow()[beyond]),
        }
    }

    pub(super) fn set(&self, index: usize, entry: Entry) {
        match index.checked_sub(FEW) {
            None => self.few.set(index, entry),
            Some(beyond) => MORE.with(|more| more.borrow_mut()[beyond] = entry),
        }
    }

    pub(super) fn change(&self, index: usize, change: impl FnOnce(&mut Entry)) {
        let mut entry = self.get(index);
        change(&mut entry);
        self.set(index, entry);
    }

    /// Those between two places, and the places.
    pub(super) fn between(
        &self,
        from: usize,
        to: usize,
    ) -> impl DoubleEndedIterator<Item = (usize, Entry)> + ExactSizeIterator {
        (from..to).map(|index| (index, self.get(index)))
    }

    pub(super) fn find(&self, number: u64) -> Option<usize> {
        let mut all = self.between(0, self.length.get());
        all.rfind(|(_, entry)| entry.number == number).map(|(index, _)| index)
    }

    /// How many of that kind began before that place.
    pub(super) fn count(&self, kind: u32, before: usize) -> usize {
        self.between(0, before).filter(|(_, entry)| entry.is(kind)).count()
    }

    /// How many of that kind are hidden.
    pub(super) fn count_hidden(&self, kind: u32) -> usize {
        match self.floor.get() {
            0 => 0,
            // A mask that is a task does not hide itself.
            floor => self.count(kind, floor as usize - 1),
        }
    }

    /// The deadlines that are not hidden.
    pub(super) fn deadlines(&self) -> impl DoubleEndedIterator<Item = (usize, Entry)> {
        let shown = self.between(self.floor.get() as usize, self.length.get());
        shown.filter(|(_, entry)| entry.is(DEADLINE))
    }

    pub(super) fn deadline(&self, index: usize, entry: &Entry) -> Deadline {
        let tasks_outside = self.count(TASK, index);
        Deadline { began: entry.began, at: entry.at, tasks_outside, was_raised: entry.was_raised() }
    }

    /// Works out what stands before each, and what stands now.
    pub(super) fn replay(&self, block: &Block) {
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

    pub(super) fn amend(&self, block: &Block, stretch: Stretch, amend: impl FnOnce(u32) -> u32) {
        if let Some(index) = self.find(stretch.number) {
            self.change(index, |entry| entry.marks = amend(entry.marks));
            self.replay(block);
        }
    }

    /// What stood before the one that was the last stands again; how many of its kind do.
    #[inline]
    pub(super) fn give_back(&self, block: &Block, entry: &Entry) -> u32 {
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
    pub(super) fn end_otherwise(&self, block: &Block, stretch: Stretch) -> Option<(Ended, Entry)> {
        let ended = self.remove(block, stretch.number);
        if ended.is_none() {
            strays::note(ENDED_ELSEWHERE, stretch.number);
        }
        ended
    }

    pub(super) fn remove(&self, block: &Block, number: u64) -> Option<(Ended, Entry)> {
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

#[cold]
fn more_numbers() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(NUMBERS, Relaxed) + NUMBERS + 1
}
