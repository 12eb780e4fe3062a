//! What the two sides of a channel share: a queue, a count of each side, and those who sleep.
//!
//! The queues are crossbeam's, without locks. What one side does to be seen by the other follows
//! one rule: first the deed (a message in the queue, room in it, a count that is zero), then the
//! look at who sleeps. See [`Sleepers`].
//!
//! When the last receiver goes, the messages that are left are dropped at once: one may hold the
//! other end of somebody's wait. A sender that put one in at that moment drops them as well.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicUsize, fence};
use std::sync::mpsc::{RecvError, TryRecvError, TrySendError};

use crossbeam_queue::{ArrayQueue, SegQueue};

use super::unsent::Unsent;
use crate::kernel::primitives::{AtomicU32, Patience};
use crate::sync::raw::{How, Sleepers};

pub(super) struct Shared<Q> {
    queue: Q,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// Those who wait for a message.
    takers: Sleepers,
    /// Those who wait for room.
    givers: Sleepers,
}

/// A queue without a lock.
pub(super) trait Queue {
    type Message;

    /// Whether it may be full.
    const IS_BOUNDED: bool;

    /// Gives the message back if there is no room.
    fn push(&self, message: Self::Message) -> Result<(), Self::Message>;

    fn pop(&self) -> Option<Self::Message>;
}

impl<T> Queue for SegQueue<T> {
    type Message = T;

    const IS_BOUNDED: bool = false;

    #[inline]
    fn push(&self, message: T) -> Result<(), T> {
        SegQueue::push(self, message);
        Ok(())
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        SegQueue::pop(self)
    }
}

impl<T> Queue for ArrayQueue<T> {
    type Message = T;

    const IS_BOUNDED: bool = true;

    #[inline]
    fn push(&self, message: T) -> Result<(), T> {
        ArrayQueue::push(self, message)
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        ArrayQueue::pop(self)
    }
}

impl<Q: Queue> Shared<Q> {
    pub(super) fn new(queue: Q) -> Self {
        let nobody = |patience| Sleepers {
            announced: AtomicU32::new(0),
            wakeups: AtomicU32::new(0),
            patience,
        };
        Self {
            queue,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
            // Whoever sleeps at once does so after each message of one that it has just woken: a
            // switch of threads for each.
            takers: nobody(Patience::LONG),
            givers: nobody(Patience::LONG),
        }
    }

    // The senders' side.

    /// Sends, and waits for room.
    #[inline]
    pub(super) fn send<H: How>(
        &self,
        message: Q::Message,
        how: &H,
    ) -> Result<(), Unsent<Q::Message, H::Stop>> {
        if self.receivers_are_gone() {
            return Err(Unsent::Disconnected(message));
        }
        if let Err(message) = self.queue.push(message) {
            self.push(message, how)?;
        }
        self.sent();
        Ok(())
    }

    /// Puts a message into the queue, once there is room.
    #[cold]
    fn push<H: How>(
        &self,
        message: Q::Message,
        how: &H,
    ) -> Result<(), Unsent<Q::Message, H::Stop>> {
        // The attempts hand it back and forth.
        let mut unsent = Some(message);
        let attempt = || {
            if self.receivers_are_gone() {
                return Some(());
            }
            unsent = self.queue.push(unsent.take()?).err();
            unsent.is_none().then_some(())
        };
        let waited = self.givers.wait_for(how, attempt);
        match (unsent, waited) {
            (None, _) => Ok(()),
            (Some(message), Ok(())) => Err(Unsent::Disconnected(message)),
            (Some(message), Err(stop)) => Err(Unsent::Stopped(message, stop)),
        }
    }

    pub(super) fn try_send(&self, message: Q::Message) -> Result<(), TrySendError<Q::Message>> {
        if self.receivers_are_gone() {
            return Err(TrySendError::Disconnected(message));
        }
        self.queue.push(message).map_err(TrySendError::Full)?;
        self.sent();
        Ok(())
    }

    /// A message is in the queue.
    #[inline]
    fn sent(&self) {
        self.takers.wake_one();
        // After the fence in there: either the last receiver finds the message, or we find that it
        // has gone.
        if self.receivers_are_gone() {
            self.discard();
        }
    }

    #[inline]
    fn receivers_are_gone(&self) -> bool {
        self.receivers.load(Acquire) == 0
    }

    pub(super) fn add_sender(&self) {
        self.senders.fetch_add(1, Relaxed);
    }

    pub(super) fn remove_sender(&self) {
        if self.senders.fetch_sub(1, AcqRel) == 1 {
            self.takers.wake_all();
        }
    }

    // The receivers' side.

    #[inline]
    fn pop(&self) -> Option<Q::Message> {
        let message = self.queue.pop()?;
        if Q::IS_BOUNDED {
            self.givers.wake_one();
        }
        Some(message)
    }

    /// A message, or that there will be none.
    #[inline]
    fn take(&self) -> Option<Result<Q::Message, RecvError>> {
        if let Some(message) = self.pop() {
            return Some(Ok(message));
        }
        // The last sender may have sent one just before it went.
        let senders_are_gone = self.senders.load(Acquire) == 0;
        senders_are_gone.then(|| self.pop().ok_or(RecvError))
    }

    /// Receives, and waits for a message.
    #[inline]
    pub(super) fn recv<H: How>(&self, how: &H) -> Result<Result<Q::Message, RecvError>, H::Stop> {
        self.takers.wait_for(how, || self.take())
    }

    pub(super) fn try_recv(&self) -> Result<Q::Message, TryRecvError> {
        let taken = self.take().ok_or(TryRecvError::Empty)?;
        taken.map_err(|RecvError| TryRecvError::Disconnected)
    }

    pub(super) fn add_receiver(&self) {
        self.receivers.fetch_add(1, Relaxed);
    }

    pub(super) fn remove_receiver(&self) {
        if self.receivers.fetch_sub(1, AcqRel) == 1 {
            fence(SeqCst);
            self.givers.wake_all();
            self.discard();
        }
    }

    /// Drops what is left.
    #[cold]
    fn discard(&self) {
        while self.pop().is_some() {}
    }
}
