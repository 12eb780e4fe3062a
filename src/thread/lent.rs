//! Deadlines that other threads keep as well: whether one of them has raised it.
//!
//! The list is the thread's own, and what others write to is one flag for each deadline. It is taken
//! out to be changed: a handler of the application's that comes between finds none, and what it lends
//! has ended when it returns.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

type Lent = Vec<(u64, Arc<AtomicBool>)>;

thread_local! {
    /// Without a destructor: the deadlines end, and the last takes its memory along.
    static LENT: ManuallyDrop<Cell<Lent>> = const { ManuallyDrop::new(Cell::new(Vec::new())) };
}

fn with<T>(f: impl FnOnce(&mut Lent) -> T) -> T {
    LENT.with(|cell| {
        let mut lent = cell.take();
        let value = f(&mut lent);
        cell.set(lent);
        value
    })
}

/// Lends the deadline of that number: what an heir sets if it has raised it.
pub(super) fn lend(number: u64) -> Arc<AtomicBool> {
    with(|lent| {
        if let Some((_, raised)) = lent.iter().find(|(other, _)| *other == number) {
            return raised.clone();
        }
        let raised = Arc::default();
        lent.push((number, Arc::clone(&raised)));
        raised
    })
}

/// Whether an heir has raised it.
pub(super) fn was_raised(number: u64) -> bool {
    with(|lent| lent.iter().any(|(other, raised)| *other == number && raised.load(Relaxed)))
}

/// It has ended, and nobody asks any more.
pub(super) fn forget(number: u64) {
    with(|lent| {
        lent.retain(|(other, _)| *other != number);
        if lent.is_empty() {
            *lent = Vec::new();
        }
    });
}
