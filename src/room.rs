//! Room that is made with no lock held, for what grows while one is.
//!
//! Behind the fork gate nothing is allocated and nothing is freed (S22): an allocator that locks
//! itself around a fork may have been told of the fork before us, and then waits for the gate with
//! its own lock held, for which whoever keeps the gate open would wait. Nor under a lock that is
//! taken behind the gate, which is the same one step further.
//!
//! So what grows there grows in two steps. If it is full, that is all that happens: the lock is let
//! go of, the room is made, and it is tried again, by which time the room may be too small again.
//! The old room is freed with the new one's maker, outside. ([`fork::with_room`] is the loop.)
//!
//! (Rejected: to reserve first and then to rely on it. Others may have come between. And nodes that
//! are allocated one by one, for lists and trees: each change would cost what one in many costs
//! here.)
//!
//! [`fork::with_room`]: crate::thread::fork_gate::with_room

use std::collections::VecDeque;

/// There is no room. It is known how much is needed, and nothing has been changed.
#[derive(Debug)]
pub(crate) struct Full;

/// What can be made between two attempts.
pub(crate) trait MakeRoom: Default {
    /// To be called with no lock held.
    fn make(&mut self);
}

/// Room for a collection.
#[derive(Debug, Default)]
pub(crate) struct Room<C> {
    /// Empty; or what was replaced, to be freed with this.
    spare: C,
    needed: usize,
}

impl<C: Growing> Room<C> {
    /// `used` can hold one more without an allocation.
    pub(crate) fn for_one_more(&mut self, used: &mut C) -> Result<(), Full> {
        let length = used.len();
        if length < used.capacity() {
            return Ok(());
        }
        self.hold(if length < 4 { 4 } else { 2 * length })?;
        self.spare.append(used);
        std::mem::swap(&mut self.spare, used);
        Ok(())
    }

    /// An empty collection that holds so many.
    pub(crate) fn for_all(&mut self, number: usize) -> Result<C, Full> {
        self.hold(number)?;
        Ok(std::mem::take(&mut self.spare))
    }

    fn hold(&mut self, number: usize) -> Result<(), Full> {
        if self.spare.capacity() >= number {
            return Ok(());
        }
        self.needed = number;
        Err(Full)
    }
}

impl<C: Growing> MakeRoom for Room<C> {
    fn make(&mut self) {
        match std::mem::take(&mut self.needed) {
            0 => {}
            needed => self.spare = C::with_capacity(needed),
        }
    }
}

impl<A: MakeRoom, B: MakeRoom> MakeRoom for (A, B) {
    fn make(&mut self) {
        self.0.make();
        self.1.make();
    }
}

/// A collection that is one piece of memory.
pub(crate) trait Growing: Default {
    fn with_capacity(capacity: usize) -> Self;
    fn len(&self) -> usize;
    fn capacity(&self) -> usize;
    fn append(&mut self, other: &mut Self);
}

macro_rules! growing {
    ($($collection:ident)*) => {$(
        impl<T> Growing for $collection<T> {
            fn with_capacity(capacity: usize) -> Self {
                $collection::with_capacity(capacity)
            }

            fn len(&self) -> usize {
                $collection::len(self)
            }

            fn capacity(&self) -> usize {
                $collection::capacity(self)
            }

            fn append(&mut self, other: &mut Self) {
                $collection::append(self, other);
            }
        }
    )*};
}

growing!(Vec VecDeque);
